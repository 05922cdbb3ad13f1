package sqlite

import (
	"fmt"
	"testing"

	"bahi/ledger"
)

// TransferList, BreakList and RecordList are the SQL of lists.
var (
	TransferList = transferList
	BreakList    = breakList
	RecordList   = recordList
	RangeQuery   = rangeQuery
)

// Evidence are reads of what banks say, each with the index that it goes by.
var Evidence = map[string]string{
	newestStatements: "SCAN statements USING INDEX statements_by_time",
	olderStatements:  "statements_by_time ((at,file,n)<(?,?,?))",
	coverage:         "PRIMARY KEY (day>? AND day<?)",
	line:             "lines_by_key (source=? AND bank=? AND key=? AND n=?)",
	linesOf:          "PRIMARY KEY (transfer=?)",
	breakCounts:      "SCAN breaks USING COVERING INDEX breaks_by_class",
	correctionsFor:   "corrections_by_break (break_id=?)",
	window:           "PRIMARY KEY (id=?)",
	windows:          "PRIMARY KEY (id<?)",
	windowsOfScheme:  "windows_by_scheme (scheme=? AND id<?)",
	positionsOf:      "(window_id=?)",
	flows:            "postings_by_debit (debit=? AND debit_seq>? AND debit_seq<?)",
}

// Log are reads of the log and of what is beside it, likewise.
var Log = map[string]string{
	unsealed:     "log USING INDEX log_unsealed",
	sealed:       "log_by_place (first>?)",
	logFrom:      "log_by_place (first>?)",
	logAt:        "log_by_time (at=?)",
	tile:         "(level=? AND n=?)",
	checkpointAt: "checkpoints_by_time (at<?)",
	checkpoints:  "PRIMARY KEY (rowid>?)",
	cosignatures: "PRIMARY KEY (size=?)",
	accesses:     "PRIMARY KEY (id<?)",
	linesAt:      "postings_by_credit (credit=? AND credit_seq=?)",
	`SELECT t.id FROM ` + transfersOf + anyOf: "t USING PRIMARY KEY (id=?)",
}

// Records are reads of records and of what apps are told of, likewise.
var Records = map[string]string{
	dueRecords: "records_due ((due,kind,id)>(?,?,?) AND due<?)",
	streamOf:   "(app=? AND last>?)",
	outbox:     "SCAN outbox",
}

// Statement, Due, Drivers, Resolve and Lines are the SQL of the other reads that must not scan.
var Statement, Due, Drivers, Resolve, Lines = statement, due, drivers, resolve, lines

// LimitPages makes the disk full when the file has n pages.
func LimitPages(s *Store, n int) { _ = s.writer.exec(fmt.Sprintf("PRAGMA max_page_count = %d", n)) }

// Impatient makes the writer wait for no lock.
func Impatient(s *Store) { _ = s.writer.exec("PRAGMA busy_timeout = 0") }

// Checkpoint does what the checkpointer does when the log is full.
func Checkpoint(t *testing.T, s *Store) {
	c := beside(t, s)
	if _, err := c.checkpoint("PASSIVE"); err != nil {
		t.Fatal(err)
	}
	s.wal.ready.Store(true)
}

// LogFrames is how many frames the log holds.
func LogFrames(t *testing.T, s *Store) int64 {
	n, err := beside(t, s).checkpoint("NOOP")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// beside is a checkpointer with a connection that nobody else uses.
func beside(t *testing.T, s *Store) *checkpointer {
	c, err := connect(s.path, common)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.close() })
	return &checkpointer{conn: c}
}

// Filters are one of each combination of a filter's terms.
func Filters() (fs []ledger.TransferFilter) {
	for bits := range 1 << 5 {
		var f ledger.TransferFilter
		if bits&1 != 0 {
			f.App = "chat"
		}
		if bits&2 != 0 {
			f.Conversation = "c"
		}
		if bits&4 != 0 {
			f.Party[0] = 1
		}
		if bits&8 != 0 {
			f.From, f.Until = 1, 2
		}
		if bits&16 != 0 {
			f.State = ledger.Pending
		}
		fs = append(fs, f)
		if bits&16 != 0 {
			for _, f.State = range []ledger.State{ledger.Completed, ledger.Reversed, ledger.Failed, ledger.Held} {
				fs = append(fs, f)
			}
		}
	}
	return fs
}
