// Package export writes a part of the book for others to read: as tables, or as a
// journal of plain-text accounting. It streams the sealed log, which never changes, so
// an export is of one moment and has the same bytes whenever it is made.
package export

import (
	"context"
	"fmt"
	"io"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy/mark"
)

// Format is how an export is written.
type Format string

// The formats.
const (
	JSONL     Format = "jsonl" // the audit file: everything there is, see package file
	CSV       Format = "csv"
	Parquet   Format = "parquet"
	HLedger   Format = "hledger"
	Beancount Format = "beancount"
)

// Formats are all of them.
var Formats = []Format{JSONL, CSV, Parquet, HLedger, Beancount}

// Resumable says whether an export in the format can go on from a place within it.
func (f Format) Resumable() bool { return f != Parquet }

// Type is the content type.
func (f Format) Type() string {
	switch f {
	case JSONL:
		return "application/jsonl"
	case CSV:
		return "text/csv"
	case Parquet:
		return "application/vnd.apache.parquet"
	}
	return "text/plain; charset=utf-8"
}

// journal says whether it is a format of plain-text accounting.
func (f Format) journal() bool { return f == HLedger || f == Beancount }

// Table is what the rows of a table are. A journal is always of postings, the audit file of everything.
type Table string

// The tables.
const (
	Postings  Table = "postings"
	Transfers Table = "transfers" // as their first commit left them
	Steps     Table = "steps"     // the histories of transfers
)

// Tables are all of them.
var Tables = []Table{Postings, Transfers, Steps}

// Options say what to export.
type Options struct {
	Format Format
	Of     Table  // zero: postings
	App    string // only what belongs to transfers of this app; empty: everything
	Range  Range
	// From is where the output begins: what an export would write of the leaves before
	// is left out, and so is the heading. Zero, or the range's own beginning: all of it.
	From int64
	// People reads what the persons of transfers can be known by, for an audit file that
	// is to have it; nil: no personal data.
	People   func(ctx context.Context, transfers []ledger.ID) (map[ledger.ID]mark.People, error)
	Zone     *time.Location    // where a journal's days begin and end; nil: India's
	Progress func(place int64) // is told how far it is, now and then; may be nil
}

// String says which export it is, in words that name no person.
func (o *Options) String() string {
	s := fmt.Sprintf("%s of leaves %d to %d", o.Format, o.Range.First, o.Range.Size)
	if o.Of != "" && (o.Format == CSV || o.Format == Parquet) {
		s = fmt.Sprintf("%s of %s of leaves %d to %d", o.Format, o.Of, o.Range.First, o.Range.Size)
	}
	if o.App != "" {
		s += fmt.Sprintf(", app %q", o.App)
	}
	if o.People != nil {
		s += ", with personal data"
	}
	return s
}

// resumed says whether the output is the rest of an export.
func (o *Options) resumed() bool { return o.From > o.Range.First }

// Write writes an export and says how many rows (transactions of a journal) it wrote.
func Write(ctx context.Context, r ledger.Reader, w io.Writer, o Options) (rows int64, err error) {
	if o.resumed() && !o.Format.Resumable() {
		return 0, fmt.Errorf("an export as %s cannot go on in its middle", o.Format)
	}
	if o.People != nil && o.Format != JSONL {
		return 0, fmt.Errorf("an export as %s has no personal data", o.Format)
	}
	if o.Zone == nil {
		o.Zone = (&ledger.Policy{}).Location()
	}
	s, err := newSink(ctx, r, w, &o)
	if err != nil {
		return 0, err
	}
	if !o.resumed() {
		if err := s.begin(); err != nil {
			return 0, err
		}
	}
	if err := walk(ctx, r, &o, s); err != nil {
		return 0, err
	}
	if err := s.end(); err != nil {
		return 0, err
	}
	return s.count(), nil
}

var tables = map[Table]table{Postings: postingTable, Transfers: transferTable, Steps: stepTable}

func newSink(ctx context.Context, r ledger.Reader, w io.Writer, o *Options) (sink, error) {
	if o.Of == "" {
		o.Of = Postings
	}
	t, ok := tables[o.Of]
	if !ok || (o.Of != Postings && o.Format != CSV && o.Format != Parquet) {
		return nil, fmt.Errorf("there are no %s as %s", o.Of, o.Format)
	}
	out := &output{w: w}
	switch o.Format {
	case JSONL:
		return newAuditFile(ctx, r, w, o)
	case CSV:
		return newCSV(out, t), nil
	case Parquet:
		return newParquet(out, o, t), nil
	case HLedger:
		return newJournal(out, o, &hledger{}), nil
	case Beancount:
		return newJournal(out, o, &beancount{}), nil
	}
	return nil, fmt.Errorf("there is no format %q", o.Format)
}
