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
	"syscall"

	"bahi/ledger"
)

// journal is the file behind the book: a line that names the bank, then one
// line for each fact, as JSON. A line is written with one write(2) before the
// bank answers and is not synced: it survives the process being killed at any
// moment, not the machine losing power.
//
// Several processes of one machine may have it open. Who decides holds the
// file's lock from before it reads what the others wrote until its own line is
// there, so that all come to the same facts in the same order. (To a process that
// is alone with it the lock costs two of the eight microseconds of an instruction.)
type journal struct {
	file  file
	fd    int           // of the file, for its lock
	in    *bufio.Reader // of the lines to come
	size  int64         // of the lines that the book has
	lines int           // how many those are
	line  []byte        // reused
}

// file is the part of *os.File that the journal works with.
type file interface {
	io.ReaderAt
	io.Seeker
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

// openJournal reads the book from its file, and makes it if there is none.
func openJournal(path string, k *book) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, fd: int(f.Fd()), in: newReader(f)}
	if err = j.lock(k); err == nil {
		if j.size == 0 {
			head, _ := json.Marshal(header{k.code, k.currency})
			err = j.write(append(head, '\n'))
		}
		j.unlock()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

// lock waits until no other process reads or writes the file, and brings the
// book to what the file says. What is behind the last whole line is a torn write
// of a process that was killed, or of a full disk: nobody was told of it, and it
// is cut off, so that the next line does not continue it.
func (j *journal) lock(k *book) error {
	if j == nil { // the bank lives in memory only
		return nil
	}
	if err := flock(j.fd, syscall.LOCK_EX); err != nil {
		return err
	}
	err := j.follow(k)
	if err != nil {
		j.unlock()
	}
	return err
}

func (j *journal) follow(k *book) error {
	end, err := j.file.Seek(0, io.SeekEnd)
	if err != nil || end == j.size {
		return err
	}
	j.in.Reset(io.NewSectionReader(j.file, j.size, end-j.size))
	if err := j.read(k); err != nil || end == j.size {
		return err
	}
	return j.file.Truncate(j.size)
}

// unlock lets other processes have the file.
func (j *journal) unlock() {
	if j != nil {
		_ = flock(j.fd, syscall.LOCK_UN) // nothing is there to fail
	}
}

func flock(fd, how int) error {
	for {
		if err := syscall.Flock(fd, how); err != syscall.EINTR {
			return err
		}
	}
}

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 1<<16) }

// ReadJournal gives what [Bank.Entries] gave, from the bank's file alone: for use
// while the bank is not open. It changes nothing.
func ReadJournal(path string) ([]Entry, error) {
	k, err := readBook(path)
	if err != nil {
		return nil, err
	}
	return slices.Collect(k.entries(k.facts)), nil
}

func readBook(path string) (*book, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	k := newBook("", "", 0) // whose bank it is, the file says
	if err := (&journal{in: newReader(f)}).read(k); err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return k, nil
}

// read takes the whole lines that come into the book.
func (j *journal) read(k *book) error {
	for {
		text, err := j.in.ReadBytes('\n')
		switch {
		case err == io.EOF: // text is a torn write, if anything
			return nil
		case err != nil:
			return err
		case j.lines == 0:
			err = k.readHeader(text)
		default:
			err = k.readFact(text)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", j.lines+1, err)
		}
		j.lines++
		j.size += int64(len(text))
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

// append writes a fact, under the lock. An error means that it is not in the file.
func (j *journal) append(f *fact, ref string) error {
	if j == nil {
		return nil
	}
	j.line = appendFact(j.line[:0], f, ref)
	return j.write(j.line)
}

// write adds a whole line or nothing: what a full disk took half of is cut off
// again, if not now then by the next who holds the lock.
func (j *journal) write(text []byte) error {
	if _, err := j.file.Write(text); err != nil {
		_ = j.file.Truncate(j.size)
		return err
	}
	j.lines++
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
