package statement

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
)

// Format is a kind of file.
type Format string

const (
	Camt053    Format = "camt.053"
	Camt054    Format = "camt.054"
	MT940      Format = "mt940"
	BAI2       Format = "bai2"
	UPI        Format = "upi"        // the switch's raw file, as CSV
	Settlement Format = "settlement" // the switch's settlement report, as CSV
	CSV        Format = "csv"        // any other, by a mapping
	JSONL      Format = "jsonl"
)

// Formats are all that [Read] takes.
var Formats = []Format{Camt053, Camt054, MT940, BAI2, UPI, Settlement, CSV, JSONL}

// Options say what the file itself does not.
type Options struct {
	Format  Format   // empty: by the content
	Mapping *Mapping // of a CSV; nil: one of the switch's
	// Mirrored turns the sides of the lines that are handed on: what a bank writes of
	// our own account there is seen from its customers' accounts then. The totals of
	// an [End] stay as the file has them.
	Mirrored bool
}

// Read yields the items of a file in its order. After an error, a [*Mistake]
// where the file is at fault, nothing more comes, and what came before it is
// not to be relied on.
func Read(r io.Reader, o Options) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		if err := read(r, o, &tally{yield: yield, mirrored: o.Mirrored}); err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

func read(r io.Reader, o Options, t *tally) error {
	charset := ""
	if o.Mapping != nil {
		charset = o.Mapping.Charset
	}
	in, err := open(r, charset)
	if err != nil {
		return wrap(1, err)
	}
	if in.head == "" {
		return truncated(1, "everything")
	}
	format := o.Format
	if format == "" {
		if format = recognise(in.head, o.Mapping); format == "" {
			return mistakef(1, "format", "not recognised by the content: name it")
		}
	}
	if err := readFormat(in, format, o.Mapping, t); err != nil {
		return err
	}
	if !t.any {
		return mistakef(1, "file", "holds no statement")
	}
	return nil
}

func readFormat(in *input, format Format, m *Mapping, t *tally) error {
	switch format {
	case Camt053, Camt054:
		return readCamt(in, format, t)
	case MT940:
		return readMT940(in, t)
	case BAI2:
		return readBAI2(in, t)
	case Settlement:
		return readSettlement(in, t)
	case UPI:
		return readCSV(in, upi, UPI, t)
	case CSV:
		if m == nil {
			return mistakef(1, "format", "csv needs a mapping")
		}
		return readCSV(in, m, CSV, t)
	case JSONL:
		return readJSONL(in, t)
	}
	return mistakef(1, "format", "%s is not known", clip(string(format)))
}

// recognise looks at a file's first bytes.
func recognise(head string, m *Mapping) Format {
	start := strings.TrimLeft(head, " \t\r\n")
	switch {
	case strings.HasPrefix(start, "<"):
		if strings.Contains(head, "BkToCstmrDbtCdtNtfctn") || strings.Contains(head, "camt.054") {
			return Camt054
		}
		return Camt053
	case m != nil:
		return CSV
	case strings.HasPrefix(start, ":20:"), strings.HasPrefix(start, "{1:") && strings.Contains(start, ":20:"):
		return MT940
	case strings.HasPrefix(start, "01,"):
		return BAI2
	case strings.HasPrefix(start, "{"):
		first, _, _ := strings.Cut(start, "\n")
		if json.Valid([]byte(first)) {
			return JSONL
		}
		return ""
	}
	first, _, _ := strings.Cut(start, "\n")
	columns := ";" + strings.ReplaceAll(strings.TrimRight(first, "\r"), ",", ";") + ";"
	switch {
	case strings.Contains(columns, ";rrn;") && strings.Contains(columns, ";stan;"):
		return UPI
	case strings.Contains(columns, ";window;") && strings.Contains(columns, ";net;"):
		return Settlement
	}
	return ""
}
