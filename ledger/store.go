package ledger

import (
	"context"
	"errors"
	"iter"
)

// Errors of a [Store]. Engines wrap them; anything else that Commit returns
// means that the batch was not stored.
var (
	// ErrNotFound is a read's answer where nothing is.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable means that the database cannot be reached now; nothing was stored.
	ErrUnavailable = errors.New("database unavailable")
	// ErrOutcomeUnknown means that the connection was lost during COMMIT: the
	// batch may be stored or not. Repeating under the same key tells.
	ErrOutcomeUnknown = errors.New("outcome of the commit unknown")
)

// Store is a storage engine. It holds no rule: it loads, persists and queries.
type Store interface {
	Reader

	// Commit runs one batch in one transaction: it makes a working set with
	// declare, loads what is wanted (locked, in the order of Wanted), calls
	// apply, and persists what changed. When it returns nil the changes are
	// durable: they survive kill -9 and power loss. When apply returns an error
	// nothing is stored and that error is returned. After a conflict with
	// another writer Commit starts again with a new set, so both functions may
	// be called several times.
	//
	// Commit MUST be called by one goroutine at a time; Reader's methods by any number.
	Commit(ctx context.Context, declare func() *Set, apply func(*Set) error) error

	// Close waits for reads under way and releases the database.
	Close() error
}

// Reader reads what is committed. A list is cut into pages, so that none is
// ever in memory whole. What is missing is [ErrNotFound].
type Reader interface {
	Ping(ctx context.Context) error

	Party(ctx context.Context, id ID) (Party, error)
	Parties(ctx context.Context, app string, page Page) ([]Party, error) // newest first; every app's where app is empty
	Instruments(ctx context.Context, party ID) ([]Instrument, error)     // the party's active ones, oldest first
	Instrument(ctx context.Context, id ID) (Instrument, error)
	Payable(ctx context.Context, parties []ID) (map[ID]Payee, error)       // parties with their default instruments; who is not there is left out
	Resolve(ctx context.Context, aliases []Alias) (map[Alias]Payee, error) // the active instruments that the aliases lead to, with their parties; likewise

	Transfer(ctx context.Context, id ID) (Transfer, error)
	TransferHistory(ctx context.Context, id ID) ([]Step, []Instruction, error)
	Transfers(ctx context.Context, f TransferFilter, page Page) ([]Transfer, error) // newest first

	Nodes(ctx context.Context) ([]Node, error)                                                 // those that are not gone, by ID
	Drivers(ctx context.Context) ([]ID, error)                                                 // the nodes that open instructions belong to, gone or not, in order
	Due(ctx context.Context, node ID, after DuePlace, before int64, limit int) ([]Task, error) // a node's open instructions due before, longest due first, from behind a place

	Account(ctx context.Context, id AccountID) (Account, error)
	Accounts(ctx context.Context, after AccountName, limit int) ([]Account, error)                 // by path, then currency
	Statement(ctx context.Context, id AccountID, before int64, limit int) ([]StatementLine, error) // newest first: Seq below before (0: from the newest)

	KeyByHash(ctx context.Context, hash [32]byte) (Key, error)
	Keys(ctx context.Context, page Page) ([]Key, error) // newest first

	RecordReader
	EvidenceReader
	SettlementReader
	LogReader

	// Audit calls check with one consistent snapshot of the whole book, while writes go on.
	Audit(ctx context.Context, check func(Snapshot) error) error
}

// Payee is a party with one of its instruments, zero where it has none.
type Payee struct {
	Party      Party
	Instrument Instrument
}

// Page names a page of a list ordered by ID, newest first.
type Page struct {
	Before ID // zero: from the newest
	Limit  int
}

// TransferFilter chooses transfers; what is zero does not restrict.
type TransferFilter struct {
	App          string
	Conversation string
	Party        ID // as payer or as payee
	State        State
	From, Until  int64 // creation, Unix microseconds: From <= created < Until
}

// Chooses says whether the filter lets a transfer through.
func (f *TransferFilter) Chooses(t *Transfer) bool {
	return (f.App == "" || t.App == f.App) &&
		(f.Conversation == "" || t.Conversation == f.Conversation) &&
		(f.Party.IsZero() || t.Payer.Party == f.Party || t.Payee.Party == f.Party) &&
		(f.State == 0 || t.State == f.State) &&
		(f.From == 0 || t.Created >= f.From) &&
		(f.Until == 0 || t.Created < f.Until)
}

// DuePlace is a place in the order of what is due; the zero place is before all.
type DuePlace struct {
	Due int64 // Unix microseconds
	ID  InstructionID
}

// Task is an open instruction with its transfer.
type Task struct {
	Instruction Instruction
	Transfer    Transfer
}

// Place is where the task stands in the order of what is due.
func (t *Task) Place() DuePlace { return DuePlace{Due: t.Instruction.Due, ID: t.Instruction.ID} }

// StatementLine is a posting as one of its accounts sees it.
type StatementLine struct {
	Posting Posting
	Debited bool // the account is the posting's debit side
	Seq     int64
	Balance int64 // of the account, after the posting
}

// Range is the transfers whose ID is First or greater, and less than Last; all of
// them where Last is zero. Rows that belong to no transfer lie under the zero ID,
// see [OfNoTransfer].
type Range struct{ First, Last ID }

// OfNoTransfer is what belongs to no transfer: lines that do not name any, and the breaks about them.
var OfNoTransfer = Range{Last: ID{15: 1}}

// Holds says whether a transfer is in the range.
func (r Range) Holds(id ID) bool {
	return id.Compare(r.First) >= 0 && (r.Last.IsZero() || id.Compare(r.Last) < 0)
}

// Snapshot reads the whole book at one moment, each list in one pass.
// An iterator ends after yielding an error.
type Snapshot interface {
	Accounts() iter.Seq2[Account, error]             // by ID
	StatementLines() iter.Seq2[StatementLine, error] // both sides of every posting, by account, then Seq
	Postings() iter.Seq2[Posting, error]             // by entry, then event
	Steps() iter.Seq2[Step, error]                   // those after the transfers' beginnings, by transfer, then N
	Positions() iter.Seq2[Position, error]           // by ID
	Corrections() iter.Seq2[Correction, error]       // by ID
	Notes() iter.Seq2[BreakNote, error]              // by break, then N
	Windows() iter.Seq2[Window, error]               // by ID
	Accesses() iter.Seq2[Access, error]              // by ID
	Erasures() iter.Seq2[Erasure, error]             // by party
	LogRows() iter.Seq2[LogRow, error]               // the sealed ones in their order, then the others by N
	Checkpoints() iter.Seq2[Checkpoint, error]       // by size
	Records(RecordKind) iter.Seq2[Record, error]     // of a kind, by ID

	// These can be had of a range of transfers.
	Transfers(Range) iter.Seq2[Transfer, error]           // by ID
	Instructions(Range) iter.Seq2[Instruction, error]     // by transfer, then leg
	Contradictions(Range) iter.Seq2[Contradiction, error] // by transfer, then leg
	Lines(Range) iter.Seq2[BankLine, error]               // by transfer, then ID
	Matches(Range) iter.Seq2[Match, error]                // in the order of Compare
	Breaks(Range) iter.Seq2[Break, error]                 // by transfer, then ID
	CorrectionsOf(Range) iter.Seq2[Correction, error]     // by transfer, then ID
}
