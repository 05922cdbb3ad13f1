package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"bahi/ledger"
)

// journal is the file behind the book: a line that names the bank, then one
// line for each fact, as JSON. A line is written with one write(2) before the
// bank answers and is not synced: it survives the process being killed at any
// moment, not the machine losing power.
type journal struct {
	file file
	size int64  // of the whole lines
	line []byte // reused
	lost error  // why the file cannot be written any more
}

// file is the part of *os.File that the journal writes with.
type file interface {
	io.WriteCloser
	Truncate(size int64) error
}

// header is the first line.
type header struct {
	Bank     string          `json:"bank"`
	Currency ledger.Currency `json:"currency"`
}

// line is a fact as the journal has it; appendFact writes the same by hand.
type line struct {
	At      int64  `json:"at"`
	ID      string `json:"id"`
	Account string `json:"account"`
	Amount  int64  `json:"amount"`
	RRN     string `json:"rrn"`
	Outcome string `json:"outcome"`
	Code    string `json:"code"`
	Ref     string `json:"ref"`
}

// openJournal reads the book from its file, makes it if there is none, and cuts
// off a last line that the process was killed in the middle of.
func openJournal(path string, k *book) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f}
	if j.size, err = readJournal(f, k); err == nil {
		err = f.Truncate(j.size)
	}
	if err == nil && j.size == 0 {
		head, _ := json.Marshal(header{k.code, k.currency})
		err = j.write(append(head, '\n'))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

// ReadJournal gives what [Bank.Entries] gave, from the bank's file alone: for use
// while the bank is not open. It changes nothing.
func ReadJournal(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	k := newBook("", "", 0) // whose bank it is, the file says
	if _, err := readJournal(f, k); err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return slices.Collect(k.entries(k.facts)), nil
}

// readJournal fills the book and returns the size of the whole lines. The bytes
// after the last line's end are a torn write: nobody was told of it.
func readJournal(r io.Reader, k *book) (size int64, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF:
			return size, nil
		case err != nil:
			return size, err
		case n == 1:
			err = k.readHeader(text)
		default:
			err = k.readFact(text)
		}
		if err != nil {
			return size, fmt.Errorf("line %d: %w", n, err)
		}
		size += int64(len(text))
	}
}

func (k *book) readHeader(text []byte) error {
	var h header
	if err := unmarshal(text, &h); err != nil {
		return err
	}
	if k.code == "" {
		k.code, k.currency = h.Bank, h.Currency
	}
	if h.Bank != k.code || h.Currency != k.currency {
		return fmt.Errorf("it is of bank %s in %s, not of %s in %s", h.Bank, h.Currency, k.code, k.currency)
	}
	return nil
}

func (k *book) readFact(text []byte) error {
	var l line
	if err := unmarshal(text, &l); err != nil {
		return err
	}
	id, err := parseInstructionID(l.ID)
	if err != nil {
		return err
	}
	outcome, ok := ledger.ParseOutcome(l.Outcome)
	if !ok {
		return fmt.Errorf("unknown outcome %q", l.Outcome)
	}
	f := &fact{n: len(k.facts), id: id, account: l.Account, amount: l.Amount, rrn: l.RRN, at: l.At, outcome: outcome, code: l.Code}
	if l.Ref != k.ref(f) {
		return fmt.Errorf("reference %q where %q follows: a line is missing or was added", l.Ref, k.ref(f))
	}
	if err := k.follows(f); err != nil {
		return err
	}
	k.add(f)
	return nil
}

// follows refuses a fact that the bank cannot have come to after those before it.
func (k *book) follows(f *fact) error {
	if _, twice := k.find(f.id); twice {
		return fmt.Errorf("instruction %s was decided before", f.id)
	}
	if f.outcome != ledger.SaysApproved {
		return nil
	}
	if f.amount <= 0 {
		return fmt.Errorf("amount %d was moved", f.amount)
	}
	from, reversal := original(f.id)
	if o, seen := k.find(from); reversal && (!seen || o.outcome != ledger.SaysApproved || o.amount != f.amount || o.account != f.account) {
		return fmt.Errorf("%s undoes what was not done", f.id)
	}
	return nil
}

// unmarshal takes one JSON object without unknown members and nothing after it.
func unmarshal(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

func parseInstructionID(s string) (ledger.InstructionID, error) {
	ref, word, _ := strings.Cut(s, ".")
	transfer, err := ledger.ParseTransferRef(ref)
	leg, ok := ledger.ParseLeg(word)
	if err != nil || !ok {
		return ledger.InstructionID{}, fmt.Errorf("malformed instruction id %q", s)
	}
	return ledger.InstructionID{Transfer: transfer, Leg: leg}, nil
}

// append writes a fact. An error means that it is not in the file.
func (j *journal) append(f *fact, ref string) error {
	if j == nil { // the bank lives in memory only
		return nil
	}
	j.line = appendFact(j.line[:0], f, ref)
	return j.write(j.line)
}

// write adds a whole line or nothing: what a full disk took half of is cut off
// again, so that the next line, when there is room, does not continue it.
func (j *journal) write(text []byte) error {
	if j.lost != nil {
		return j.lost
	}
	if _, err := j.file.Write(text); err != nil {
		if cut := j.file.Truncate(j.size); cut != nil {
			j.lost = fmt.Errorf("journal may end in half a line: %w", cut)
		}
		return err
	}
	j.size += int64(len(text))
	return nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}

func appendFact(to []byte, f *fact, ref string) []byte {
	to = append(to, `{"at":`...)
	to = strconv.AppendInt(to, f.at, 10)
	to = appendText(append(to, `,"id":`...), f.id.String())
	to = appendText(append(to, `,"account":`...), f.account)
	to = append(to, `,"amount":`...)
	to = strconv.AppendInt(to, f.amount, 10)
	to = appendText(append(to, `,"rrn":`...), f.rrn)
	to = appendText(append(to, `,"outcome":`...), f.outcome.String())
	to = appendText(append(to, `,"code":`...), f.code)
	to = appendText(append(to, `,"ref":`...), ref)
	return append(to, '}', '\n')
}

// appendText adds a JSON string; nearly all need no escapes.
func appendText(to []byte, s string) []byte {
	for n := range len(s) {
		if c := s[n]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(to, quoted...)
		}
	}
	to = append(to, '"')
	to = append(to, s...)
	return append(to, '"')
}
