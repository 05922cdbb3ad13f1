package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"

	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

// IngestOptions say what a file itself does not.
type IngestOptions struct {
	Format   statement.Format   // empty: by the content
	Mapping  *statement.Mapping // of a CSV
	Bank     string             // whose statements they are; empty: as the file says
	Only     bool               // Bank itself brings them: one that names another bank, and the switch's files, are refused
	Mirrored bool               // they are of our own account there, see [statement.Options]
	By       string             // who brings it
	Chunk    int                // lines that are written at once; default 2000
}

// Ingested is what a file held.
type Ingested struct {
	File       [32]byte           // its SHA-256
	Again      bool               // it was taken in before: nothing was written
	Statements []ledger.Statement // in its order; those stored, where it was taken in before
	Covered    []ledger.Covered   // days of which it tells all, by source, bank and day
	Lines      int64              // of all statements; the sums of a settlement report are not stored as lines
}

// Ingest takes a file of statements in. The file is read twice: first all of it is
// checked, and one that is wrong, a [*statement.Mistake], stores nothing; then its
// lines are stored in chunks, and at last that it is complete. Whatever stops it in
// between, the same file again completes it, and once more changes nothing.
//
// Two lines that are alike are told apart by their number within the statement, for
// which the first reading finds out which keys may come twice, see [twice].
func Ingest(ctx context.Context, book *ledger.Pipeline, reader ledger.Reader, file io.ReadSeeker, o IngestOptions) (Ingested, error) {
	if o.Chunk == 0 {
		o.Chunk = 2000
	}
	in := ingest{IngestOptions: o, book: book, file: file}
	if err := in.check(ctx); err != nil {
		return in.Ingested, err
	}
	known, err := reader.StatementsOf(ctx, in.File)
	if err != nil {
		return in.Ingested, err
	}
	if slices.EqualFunc(known, in.Statements, sameBank) { // they are stored last
		in.Again, in.Statements = true, known
		return in.Ingested, nil
	}
	return in.Ingested, in.store(ctx)
}

// sameBank says whether a statement was taken in as that of the same bank: a file that
// doesn't name its bank may be brought again as another one's.
func sameBank(a, b ledger.Statement) bool {
	return a.N == b.N && a.Source == b.Source && a.Bank == b.Bank
}

type ingest struct {
	IngestOptions
	Ingested
	book  *ledger.Pipeline
	file  io.ReadSeeker
	twice *twice
}

// read reads the file from its beginning.
func (in *ingest) read() iter.Seq2[statement.Item, error] {
	return func(yield func(statement.Item, error) bool) {
		if _, err := in.file.Seek(0, io.SeekStart); err != nil {
			yield(nil, err)
			return
		}
		for item, err := range statement.Read(in.file, statement.Options{Format: in.Format, Mapping: in.Mapping, Mirrored: in.Mirrored}) {
			if !yield(item, err) {
				return
			}
		}
	}
}

// check is the first reading. What it gathers of each statement is small.
func (in *ingest) check(ctx context.Context) error {
	size, err := in.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := in.sum(); err != nil {
		return err
	}
	in.twice = newTwice(size)
	var days map[ledger.Day]bool
	for item, err := range in.read() {
		if err != nil {
			return err
		}
		switch item := item.(type) {
		case statement.Header:
			if err := ctx.Err(); err != nil {
				return err
			}
			s, err := in.statementOf(&item)
			if err != nil {
				return err
			}
			in.Statements = append(in.Statements, s)
			days = map[ledger.Day]bool{}
		case statement.Line:
			in.twice.see(len(in.Statements), item.Key)
			if !item.Pending {
				days[ledger.DayOf(item.BookingDate)] = true
			}
			in.Lines++
		case statement.End:
			s := &in.Statements[len(in.Statements)-1]
			s.Lines, s.Credits, s.Debits = item.Lines, item.Credits.Minor, item.Debits.Minor
			if item.Closing != nil {
				s.Closing = &item.Closing.Minor
			}
			if !item.Date.IsZero() {
				s.Date = ledger.DayOf(item.Date)
			}
			in.cover(s, days)
		}
	}
	slices.SortFunc(in.Covered, compareCovered)
	in.Covered = slices.Compact(in.Covered)
	return nil
}

// sum is the file's name for good.
func (in *ingest) sum() error {
	h := sha256.New()
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(h, in.file); err != nil {
		return err
	}
	in.File = [32]byte(h.Sum(nil))
	return nil
}

func (in *ingest) statementOf(h *statement.Header) (ledger.Statement, error) {
	s := ledger.Statement{File: in.File, N: len(in.Statements) + 1, Source: ledger.SourceBank, Name: h.ID, Account: h.Account, Format: string(h.Format),
		Currency: h.Currency, By: in.By}
	if h.Format == statement.UPI || h.Format == statement.Settlement {
		s.Source = ledger.SourceSwitch
	}
	var err error
	s.Bank, err = in.bank(h, s.Source)
	return s, err
}

// bankForms are the forms in which files name a bank: its code, its BIC or an IFSC,
// both of which begin with the code.
var bankForms = regexp.MustCompile(`^([A-Z]{4})([A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?|0[A-Z0-9]{6})?$`)

// IsBankCode says whether it has a code's form, such as SBIN.
func IsBankCode(s string) bool { return len(s) == 4 && bankForms.MatchString(s) }

func (in *ingest) bank(h *statement.Header, source ledger.Source) (string, error) {
	code := ""
	if found := bankForms.FindStringSubmatch(h.Bank); found != nil {
		code = found[1]
	}
	switch {
	case in.Only && source == ledger.SourceSwitch:
		return "", &statement.Mistake{Line: h.Line, Field: "format", Text: "the switch's file is not a bank's to bring"}
	case in.Only && code != "" && code != in.Bank:
		return "", &statement.Mistake{Line: h.Line, Field: "bank", Text: fmt.Sprintf("the statement is of %q, not of %q", h.Bank, in.Bank)}
	case in.Bank != "":
		return in.Bank, nil
	case code == "" && h.Format == statement.Settlement:
		return h.Bank, nil // the switch's own name for itself may be among them
	case code == "":
		return "", &statement.Mistake{Line: h.Line, Field: "bank", Text: fmt.Sprintf("%q is neither a bank's code, such as SBIN, nor a BIC: say whose statement it is", h.Bank)}
	}
	return code, nil
}

// cover notes the days of which a statement tells all: those on which it has booked
// something, and that of its closing balance, on which there may be nothing. A notification (camt.054) tells of
// what there is to tell, never of all; a settlement report tells of no movement.
func (in *ingest) cover(s *ledger.Statement, days map[ledger.Day]bool) {
	switch statement.Format(s.Format) {
	case statement.Camt054, statement.Settlement:
		return
	}
	if s.Closing != nil && s.Date != 0 {
		days[s.Date] = true
	}
	for d := range days {
		in.Covered = append(in.Covered, ledger.Covered{Source: s.Source, Bank: s.Bank, Day: d})
	}
}

func compareCovered(a, b ledger.Covered) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Bank, b.Bank), cmp.Compare(a.Day, b.Day))
}

// store is the second reading.
func (in *ingest) store(ctx context.Context) error {
	lines := make([]ledger.BankLine, 0, in.Chunk)
	n := 0
	for item, err := range in.read() {
		if err != nil {
			return changed(err)
		}
		switch item := item.(type) {
		case statement.Header:
			n++
		case statement.Line:
			if n == 0 || n > len(in.Statements) {
				return errChanged
			}
			if in.Statements[n-1].Format == string(statement.Settlement) {
				continue
			}
			lines = append(lines, in.line(&in.Statements[n-1], &item))
		}
		if len(lines) == in.Chunk {
			if err := write(ctx, in.book, StoreLines{Lines: lines}); err != nil {
				return err
			}
			lines = make([]ledger.BankLine, 0, in.Chunk)
		}
	}
	if len(lines) > 0 {
		if err := write(ctx, in.book, StoreLines{Lines: lines}); err != nil {
			return err
		}
	}
	return write(ctx, in.book, EndFile{Statements: in.Statements, Coverage: in.Covered})
}

var errChanged = errors.New("the file has changed while it was read")

// changed says what a mistake means in a file that had none a moment ago.
func changed(err error) error {
	if m := (*statement.Mistake)(nil); errors.As(err, &m) {
		return errors.Join(errChanged, err)
	}
	return err
}

// line is a line as it is stored.
func (in *ingest) line(s *ledger.Statement, l *statement.Line) ledger.BankLine {
	out := ledger.BankLine{ID: ledger.LineID{Source: s.Source, Bank: s.Bank, Key: l.Key, N: in.twice.number(s.N, l.Key)},
		Name: l.TransactionID, RRN: l.RRN, Day: ledger.DayOf(l.BookingDate), Amount: l.Amount, Debit: l.Side == statement.Debit, Reversal: l.Reversal,
		Moved: l.Moved(), By: l.By, Code: l.Code, Reference: l.Reference, Account: l.Account, Count: l.Count}
	if id, err := ledger.ParseTransferRef(l.TransactionID); err == nil {
		out.Transfer = id
	}
	return out
}

// StoreLines stores lines of banks. It returns nothing.
type StoreLines struct{ Lines []ledger.BankLine }

// Declare implements [ledger.Command].
func (c StoreLines) Declare(*ledger.Set) {}

// Apply implements [ledger.Command].
func (c StoreLines) Apply(s *ledger.Set) (any, error) {
	s.Lines = append(s.Lines, c.Lines...)
	return nil, nil
}

// EndFile notes that all lines of a file are stored. It returns nothing.
type EndFile struct {
	Statements []ledger.Statement
	Coverage   []ledger.Covered
}

// Declare implements [ledger.Command].
func (c EndFile) Declare(*ledger.Set) {}

// Apply implements [ledger.Command].
func (c EndFile) Apply(s *ledger.Set) (any, error) {
	for _, st := range c.Statements {
		st.At = s.Now
		s.Statements = append(s.Statements, st)
	}
	s.Coverage = append(s.Coverage, c.Coverage...)
	return nil, nil
}
