package report

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Report is a table whose rows are made while it is written.
type Report struct {
	Name    string // such as "trial-balance"
	Columns []Column
	facts   []fact // what it is of
	rows    func(ctx context.Context, yield func(...Cell) error) error
}

// ErrDiffers means that a report was written whole and shows that the book does not
// hold: what should be equal is not.
var ErrDiffers = errors.New("the book does not hold: the columns do not add up to the same; run bahi verify")

// Format is how a report is written.
type Format string

// The formats.
const (
	Table Format = "table" // for people
	CSV   Format = "csv"
	JSON  Format = "json" // an object with the rows; what is cut off is no JSON
)

// Formats are all formats.
var Formats = []Format{Table, CSV, JSON}

// writer writes rows in a format.
type writer interface {
	row(cells []Cell) error
	end() error
}

// Write writes the report. An error but [ErrDiffers] means that it was cut off.
func (r *Report) Write(ctx context.Context, w io.Writer, f Format) error {
	out := bufio.NewWriterSize(w, 32<<10)
	to := r.writer(out, f)
	made := r.rows(ctx, func(cells ...Cell) error {
		if len(cells) != len(r.Columns) {
			panic("report: " + r.Name + " has a row of another length")
		}
		for i, c := range cells {
			if c.kind != 0 && c.kind != r.Columns[i].Type {
				panic("report: " + r.Name + " has a cell of another type in " + r.Columns[i].Name)
			}
		}
		return to.row(cells)
	})
	if made != nil && !errors.Is(made, ErrDiffers) {
		return errors.Join(made, out.Flush())
	}
	if err := errors.Join(to.end(), out.Flush()); err != nil {
		return err
	}
	return made
}

func (r *Report) writer(out *bufio.Writer, f Format) writer {
	switch f {
	case CSV:
		return &csvWriter{out: csv.NewWriter(out), columns: r.Columns}
	case JSON:
		return &jsonWriter{out: out, report: r}
	}
	return &tableWriter{out: out, report: r}
}

// csvWriter writes one line a row, after a line of the columns' names.
type csvWriter struct {
	out     *csv.Writer
	columns []Column
	line    []string
}

func (w *csvWriter) begin() error {
	if w.line != nil {
		return nil
	}
	w.line = make([]string, len(w.columns))
	for i, c := range w.columns {
		w.line[i] = c.Name
	}
	return w.out.Write(w.line)
}

func (w *csvWriter) row(cells []Cell) error {
	if err := w.begin(); err != nil {
		return err
	}
	for i, c := range cells {
		w.line[i] = c.String()
	}
	return w.out.Write(w.line)
}

func (w *csvWriter) end() error {
	err := w.begin()
	w.out.Flush()
	return errors.Join(err, w.out.Error())
}

// jsonWriter writes an object: the facts, then the rows, each an object on a line.
type jsonWriter struct {
	out    *bufio.Writer
	report *Report
	begun  bool
	line   []byte
}

func (w *jsonWriter) begin() {
	w.begun = true
	w.line = appendMember(append(w.line[:0], '{'), "report", text(w.report.Name))
	for _, f := range w.report.facts {
		w.line = appendMember(w.line, f.name, f.value)
	}
	w.line = append(w.line, `,"rows":[`...)
}

func (w *jsonWriter) row(cells []Cell) error {
	w.line = w.line[:0]
	if w.begun {
		w.line = append(w.line, ',')
	} else {
		w.begin()
	}
	w.line = append(w.line, '\n', '{')
	for i, c := range cells {
		w.line = appendMember(w.line, w.report.Columns[i].Name, c)
	}
	w.line = append(w.line, '}')
	_, err := w.out.Write(w.line)
	return err
}

func (w *jsonWriter) end() error {
	w.line = w.line[:0]
	if !w.begun {
		w.begin()
	}
	_, err := w.out.Write(append(w.line, "\n]}\n"...))
	return err
}

// appendMember appends a member of an object, unless the cell is empty.
func appendMember(line []byte, name string, c Cell) []byte {
	if c.Empty() {
		return line
	}
	if line[len(line)-1] != '{' {
		line = append(line, ',')
	}
	line = append(append(append(line, '"'), name...), '"', ':')
	if c.kind == Number {
		return append(line, c.String()...)
	}
	line, _ = jsontext.AppendQuote(line, c.String()) // what is not UTF-8 is replaced
	return line
}

// sample is how many rows are looked at before the first is printed, to know how wide
// the columns are; memory does not grow with the report.
const sample = 500

// tableWriter writes aligned columns for people.
type tableWriter struct {
	out    *bufio.Writer
	report *Report
	widths []int
	held   [][]string // the first rows, until the widths are known
	begun  bool
}

func (w *tableWriter) row(cells []Cell) error {
	line := make([]string, len(cells))
	for i, c := range cells {
		if line[i] = c.String(); c.kind == Side && c.number == 0 {
			line[i] = ""
		}
	}
	if w.begun {
		return w.print(line)
	}
	if w.held = append(w.held, line); len(w.held) < sample {
		return nil
	}
	return w.begin()
}

// begin prints what the report is of, the columns' names and the rows that were held.
func (w *tableWriter) begin() error {
	w.begun = true
	names := make([]string, len(w.report.Columns))
	for i, c := range w.report.Columns {
		names[i] = strings.ToUpper(strings.ReplaceAll(c.Name, "_", " "))
	}
	w.widths = make([]int, len(names))
	for _, line := range append(w.held, names) {
		for i, s := range line {
			w.widths[i] = max(w.widths[i], utf8.RuneCountInString(s))
		}
	}
	title := w.report.Name
	for _, f := range w.report.facts {
		title += ", " + f.name + " " + f.value.String()
	}
	w.out.WriteString(title + "\n\n")
	err := w.print(names)
	for _, line := range w.held {
		err = errors.Join(err, w.print(line))
	}
	w.held = nil
	return err
}

// print prints a line; money and numbers stand to the right of their columns.
func (w *tableWriter) print(line []string) error {
	var b strings.Builder
	for i, s := range line {
		gap := strings.Repeat(" ", max(0, w.widths[i]-utf8.RuneCountInString(s)))
		switch t := w.report.Columns[i].Type; t {
		case Number, Money, Side:
			b.WriteString(gap + s)
		default:
			b.WriteString(s + gap)
		}
		b.WriteString("  ")
	}
	_, err := w.out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	return err
}

func (w *tableWriter) end() error {
	if w.begun {
		return nil
	}
	return w.begin()
}
