package reconcile_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/reconcile"
	"bahi/ledger/reconcile/statement"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a file of the readers' tests.
func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("statement/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mapping(t *testing.T, text string) *statement.Mapping {
	t.Helper()
	m, err := statement.ReadMapping(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *world) ingest(file string, o reconcile.IngestOptions) reconcile.Ingested {
	w.t.Helper()
	in, err := reconcile.Ingest(context.Background(), w.book, w.store, strings.NewReader(file), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return in
}

// evidence is what was taken in: lines, and below them what is covered.
func (w *world) evidence() (all []string) {
	w.t.Helper()
	err := w.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for l, err := range s.Lines(ledger.Range{}) {
			if err != nil {
				return err
			}
			all = append(all, showLine(&l))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(all)
	return append(all, showCovered(w.covered())...)
}

func (w *world) covered() []ledger.Covered {
	w.t.Helper()
	covered, err := w.store.Coverage(context.Background(), -1<<20, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return covered
}

func showLine(l *ledger.BankLine) string {
	side, named := "credit", ""
	if l.Debit {
		side = "debit"
	}
	if !l.Transfer.IsZero() {
		named = " ours"
	}
	return fmt.Sprintf("%s %s %s %d: %s %s %s reversal %t moved %t name %q%s rrn %q code %q reference %q account %q count %d by %d",
		l.ID.Source, l.ID.Bank, l.ID.Key.String()[:6], l.ID.N, l.Day, side, l.Amount, l.Reversal, l.Moved, l.Name, named, l.RRN, l.Code, l.Reference, l.Account, l.Count, l.By)
}

func showCovered(covered []ledger.Covered) (all []string) {
	for _, c := range covered {
		all = append(all, fmt.Sprintf("%s %s %s", c.Source, c.Bank, c.Day))
	}
	slices.Sort(all)
	return all
}

func TestIngestFormats(t *testing.T) {
	for _, c := range []struct {
		file string
		o    reconcile.IngestOptions
	}{
		{"camt053_v02.xml", reconcile.IngestOptions{Bank: "NRMD"}}, {"camt054_v04.xml", reconcile.IngestOptions{Bank: "NRMD"}},
		{"mt940_swift.sta", reconcile.IngestOptions{}}, {"mt940_german.sta", reconcile.IngestOptions{Bank: "DEUT"}},
		{"bai2.txt", reconcile.IngestOptions{}}, {"upi.csv", reconcile.IngestOptions{}}, {"settlement.csv", reconcile.IngestOptions{}},
		{"sides.csv", reconcile.IngestOptions{Mapping: mapping(t, sample(t, "sides.yaml"))}}, {"lines.jsonl", reconcile.IngestOptions{}},
	} {
		t.Run(c.file, func(t *testing.T) {
			w := memoryWorld(t)
			in := w.ingest(sample(t, c.file), c.o)
			var b strings.Builder
			for _, s := range in.Statements {
				closing := "-"
				if s.Closing != nil {
					closing = fmt.Sprint(*s.Closing)
				}
				fmt.Fprintf(&b, "%d %s %s %q of %q, %s %s %s: %d lines, credits %d debits %d closing %s\n", s.N, s.Source, s.Bank, s.Name, s.Account, s.Format, s.Currency, s.Date, s.Lines, s.Credits, s.Debits, closing)
			}
			for _, l := range w.evidence() {
				fmt.Fprintln(&b, l)
			}
			golden := "testdata/ingest/" + c.file + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || b.String() != string(want) {
				t.Errorf("%v, got\n%swant\n%s", err, b.String(), want)
			}
			if !slices.Equal(showCovered(in.Covered), showCovered(w.covered())) {
				t.Errorf("says %v, covered is %v", in.Covered, w.covered())
			}
		})
	}
}

// jsonl is a file of JSON lines with a statement for each list of RRNs, all of the
// same day and amount.
func jsonl(bank string, statements ...[]int) string {
	var b strings.Builder
	for i, rrns := range statements {
		fmt.Fprintf(&b, "{\"statement\":{\"bank\":%q,\"account\":\"77\",\"id\":\"S%d\",\"currency\":\"INR\",\"date\":\"2026-11-20\"}}\n", bank, i+1)
		for _, n := range rrns {
			fmt.Fprintf(&b, "{\"line\":{\"rrn\":\"%012d\",\"booking_date\":\"2026-11-20\",\"amount\":\"250.00\",\"side\":\"credit\",\"code\":\"00\"}}\n", n)
		}
		fmt.Fprintf(&b, "{\"end\":{\"lines\":%d}}\n", len(rrns))
	}
	return b.String()
}

// numbers are the RRNs and the numbers of the lines of the book.
func (w *world) numbers() (all []string) {
	w.t.Helper()
	err := w.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for l, err := range s.Lines(ledger.Range{}) {
			if err != nil {
				return err
			}
			all = append(all, fmt.Sprintf("%s/%d", strings.TrimLeft(l.RRN, "0"), l.ID.N))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestEqualLinesAreCounted(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  string
	}{
		{"in one statement", []string{jsonl("KVRI", []int{1, 2, 1})}, "1/1 1/2 2/1"},
		{"in two statements of a file", []string{jsonl("KVRI", []int{1, 1}, []int{1, 2, 2, 2})}, "1/1 1/2 2/1 2/2 2/3"},
		{"in overlapping files", []string{jsonl("KVRI", []int{1, 1, 1}), jsonl("KVRI", []int{1, 2}), jsonl("KVRI", []int{2, 2, 1, 1})}, "1/1 1/2 1/3 2/1 2/2"},
		{"of two banks", []string{jsonl("KVRI", []int{1}), jsonl("NRMD", []int{1})}, "1/1 1/1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := memoryWorld(t)
			for _, f := range c.files {
				w.ingest(f, reconcile.IngestOptions{Chunk: 2})
			}
			if got := strings.Join(w.numbers(), " "); got != c.want {
				t.Errorf("lines %s, want %s", got, c.want)
			}
		})
	}
}

// The table of keys is sized by the file's bytes. Here the lines are many for their
// bytes, and half of them come twice: each must have its number.
func TestManyEqualLines(t *testing.T) {
	const n = 5000
	var b strings.Builder
	b.WriteString("d,c,b,r\n")
	for i := range n {
		fmt.Fprintf(&b, "2026-11-20,1,,%d\n", i)
		if i%2 == 0 {
			fmt.Fprintf(&b, "2026-11-20,1,,%d\n", i)
		}
	}
	w := memoryWorld(t)
	in := w.ingest(b.String(), reconcile.IngestOptions{Mapping: mapping(t, "{bank: KVRI, currency: JPY, minor: true, columns: {booking_date: d, credit: c, debit: b, reference: r}}")})
	if got := len(w.numbers()); got != n+n/2 || in.Lines != n+n/2 {
		t.Errorf("%d lines of %d are stored, want %d", got, in.Lines, n+n/2)
	}
}

func TestBanksOfStatements(t *testing.T) {
	for _, c := range []struct {
		bank string
		o    reconcile.IngestOptions
		want string // or what the mistake says
	}{
		{"KVRI", reconcile.IngestOptions{}, "KVRI"},
		{"KVRIINBB", reconcile.IngestOptions{}, "KVRI"},
		{"KVRIINBBXXX", reconcile.IngestOptions{}, "KVRI"},
		{"KVRI0000001", reconcile.IngestOptions{}, "KVRI"},
		{"", reconcile.IngestOptions{}, "say whose"},
		{"kvri", reconcile.IngestOptions{}, "say whose"},
		{"KVRI1", reconcile.IngestOptions{}, "say whose"},
		{"Kaveri Bank", reconcile.IngestOptions{}, "say whose"},
		{"KVRI", reconcile.IngestOptions{Bank: "NRMD"}, "NRMD"},
		{"Kaveri Bank", reconcile.IngestOptions{Bank: "KVRI"}, "KVRI"},
		{"KVRI", reconcile.IngestOptions{Bank: "KVRI", Only: true}, "KVRI"},
		{"Kaveri Bank", reconcile.IngestOptions{Bank: "KVRI", Only: true}, "KVRI"},
		{"", reconcile.IngestOptions{Bank: "KVRI", Only: true}, "KVRI"},
		{"NRMD", reconcile.IngestOptions{Bank: "KVRI", Only: true}, `of "NRMD", not of "KVRI"`},
		{"NRMDINBB", reconcile.IngestOptions{Bank: "KVRI", Only: true}, `of "NRMDINBB", not of "KVRI"`},
		{"NRMD0123456", reconcile.IngestOptions{Bank: "KVRI", Only: true}, `of "NRMD0123456", not of "KVRI"`},
	} {
		w := memoryWorld(t)
		in, err := reconcile.Ingest(t.Context(), w.book, w.store, strings.NewReader(jsonl(c.bank, []int{1})), c.o)
		m := (*statement.Mistake)(nil)
		switch {
		case errors.As(err, &m):
			if m.Field != "bank" || m.Line != 1 || !strings.Contains(m.Text, c.want) || len(c.want) == 4 {
				t.Errorf("%q, %+v: %v, want %s", c.bank, c.o, err, c.want)
			}
		case err != nil || in.Statements[0].Bank != c.want || w.covered()[0].Bank != c.want:
			t.Errorf("%q, %+v: %+v, %v, want %s", c.bank, c.o, in.Statements, err, c.want)
		}
	}
}

// A bank cannot speak for the switch.
func TestSwitchFilesAreNotABanks(t *testing.T) {
	w := memoryWorld(t)
	for _, file := range []string{"upi.csv", "settlement.csv"} {
		_, err := reconcile.Ingest(t.Context(), w.book, w.store, strings.NewReader(sample(t, file)), reconcile.IngestOptions{Bank: "NRMD", Only: true})
		if m := (*statement.Mistake)(nil); !errors.As(err, &m) || m.Field != "format" {
			t.Errorf("%s: %v", file, err)
		}
	}
	if got := w.evidence(); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

// A statement of our own account at the bank tells the same movement with the other
// side; turned, it is the same line.
func TestMirrored(t *testing.T) {
	w := memoryWorld(t)
	theirs := jsonl("KVRI", []int{1})
	ours := strings.ReplaceAll(theirs, `"credit"`, `"debit"`)
	w.ingest(theirs, reconcile.IngestOptions{})
	before := w.evidence()
	w.ingest(ours, reconcile.IngestOptions{Mirrored: true})
	if got := w.evidence(); !slices.Equal(got, before) {
		t.Errorf("mirrored\n%q\nwant\n%q", got, before)
	}
	w.ingest(ours+"\n", reconcile.IngestOptions{})
	if got := w.evidence(); len(got) != len(before)+1 {
		t.Errorf("not mirrored %q", got)
	}
}

func TestCoverage(t *testing.T) {
	const empty = `{"statement":{"bank":"KVRI","account":"77","id":"S1","currency":"INR","date":"2026-11-21"%s}}` + "\n" + `{"end":{"lines":0%s}}` + "\n"
	for _, c := range []struct {
		name, file string
		o          reconcile.IngestOptions
		want       string
	}{
		{"an empty day with a closing balance", fmt.Sprintf(empty, "", `,"closing":"1.00"`), reconcile.IngestOptions{}, "bank KVRI 2026-11-21"},
		{"an empty day that says nothing", fmt.Sprintf(empty, "", ""), reconcile.IngestOptions{}, ""},
		{"a notification", sample(t, "camt054_v04.xml"), reconcile.IngestOptions{Bank: "NRMD"}, ""},
		{"a settlement report", sample(t, "settlement.csv"), reconcile.IngestOptions{}, ""},
		{"the switch's file", sample(t, "upi.csv"), reconcile.IngestOptions{}, "switch NRMD 2026-11-25, switch NRMD 2026-11-26"},
		{"MT940", sample(t, "mt940_swift.sta"), reconcile.IngestOptions{}, "bank NRMD 2026-11-25, bank NRMD 2027-01-01"},
		{"an empty day in MT940", ":20:X\n:25:KVRI/77\n:28C:2\n:60F:C261119INR0,\n:62F:C261120INR0,\n-\n", reconcile.IngestOptions{}, "bank KVRI 2026-11-20"},
		{"a line that is not booked", strings.Replace(sample(t, "camt053_v02.xml"), "<Dt>2026-11-26</Dt></Dt></Bal>", "<Dt>2026-11-25</Dt></Dt></Bal>", 1),
			reconcile.IngestOptions{Bank: "NRMD"}, "bank NRMD 2026-11-25"},
		{"CSV", sample(t, "sides.csv"), reconcile.IngestOptions{Mapping: mapping(t, sample(t, "sides.yaml"))}, "bank KVRI 2026-11-25, bank KVRI 2026-11-26"},
	} {
		w := memoryWorld(t)
		w.ingest(c.file, c.o)
		if got := strings.Join(showCovered(w.covered()), ", "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// counted is a store that counts commits, and may stop in between.
type counted struct {
	ledger.Store
	commits int
	fails   error // after some commits
	after   int
}

func (c *counted) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	c.commits++
	if c.fails != nil && c.commits > c.after {
		return c.fails
	}
	return c.Store.Commit(ctx, declare, apply)
}

func TestWrongFileStoresNothing(t *testing.T) {
	store := &counted{Store: memory.New()}
	w := newWorld(t, store)
	defer w.close()
	file := jsonl("KVRI", []int{1, 2, 3}, []int{4})
	for what, wrong := range map[string]string{
		"the last count":   strings.Replace(file, `{"end":{"lines":1}}`, `{"end":{"lines":2}}`, 1),
		"cut short":        file[:len(file)-20],
		"no end":           file[:strings.LastIndex(file, `{"end"`)],
		"a bank of two":    strings.Replace(file, `"bank":"KVRI","account":"77","id":"S2"`, `"bank":"?","account":"77","id":"S2"`, 1),
		"something behind": file + "x",
		"empty":            "",
	} {
		_, err := reconcile.Ingest(t.Context(), w.book, w.store, strings.NewReader(wrong), reconcile.IngestOptions{Chunk: 1})
		if m := (*statement.Mistake)(nil); !errors.As(err, &m) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := w.evidence(); store.commits != 0 || len(got) != 0 {
		t.Errorf("%d commits, %q", store.commits, got)
	}
}

func TestAgainWritesNothing(t *testing.T) {
	store := &counted{Store: memory.New()}
	w := newWorld(t, store)
	defer w.close()
	file := jsonl("KVRI", []int{1, 2, 3}, []int{4})
	first := w.ingest(file, reconcile.IngestOptions{Chunk: 2, By: "meera"})
	if first.Again || first.File != sha256.Sum256([]byte(file)) || first.Lines != 4 || store.commits != 3 {
		t.Errorf("first %+v, %d commits", first, store.commits)
	}
	again := w.ingest(file, reconcile.IngestOptions{Chunk: 2, By: "ravi"})
	if !again.Again || again.Lines != 4 || len(again.Statements) != 2 || again.Statements[0].By != "meera" || store.commits != 3 {
		t.Errorf("again %+v, %d commits", again, store.commits)
	}
	known, err := w.store.StatementsOf(t.Context(), first.File)
	if err != nil || len(known) != 2 || known[0].N != 1 || known[1].N != 2 || known[0].By != "meera" || known[0].At == 0 {
		t.Errorf("statements %+v, %v", known, err)
	}
}

// A file that names no bank and was brought as the wrong one's is taken in as another's all the same.
func TestAgainAsAnotherBanks(t *testing.T) {
	w := memoryWorld(t)
	file := jsonl("", []int{1})
	for _, bank := range []string{"NRMD", "KVRI"} {
		if in := w.ingest(file, reconcile.IngestOptions{Bank: bank}); in.Again {
			t.Errorf("as %s: says that it was taken in before", bank)
		}
	}
	if got, want := showCovered(w.covered()), []string{"bank KVRI 2026-11-20", "bank NRMD 2026-11-20"}; !slices.Equal(got, want) || len(w.numbers()) != 2 {
		t.Errorf("covered %q, lines %q", got, w.numbers())
	}
}

// What is stopped in between is not covered, and the same file completes it.
func TestStoppedInBetween(t *testing.T) {
	file := jsonl("KVRI", []int{1, 1, 2, 3, 3}, []int{4})
	alone := memoryWorld(t)
	alone.ingest(file, reconcile.IngestOptions{})
	for after := range 6 {
		store := &counted{Store: memory.New(), fails: errors.New("stopped"), after: after}
		w := newWorld(t, store)
		_, err := reconcile.Ingest(t.Context(), w.book, w.store, strings.NewReader(file), reconcile.IngestOptions{Chunk: 1})
		if err == nil || len(w.covered()) != 0 {
			t.Errorf("stopped after %d: %v, covered %v", after, err, w.covered())
		}
		store.fails = nil
		if in := w.ingest(file, reconcile.IngestOptions{Chunk: 3}); in.Again {
			t.Errorf("stopped after %d: says that it was taken in before", after)
		}
		if got, want := w.evidence(), alone.evidence(); !slices.Equal(got, want) {
			t.Errorf("stopped after %d:\n%q\nwant\n%q", after, got, want)
		}
		w.close()
	}
}

// While the queue is full it is tried again, until ctx ends.
func TestBusyIsTriedAgain(t *testing.T) {
	door := make(chan struct{})
	store := &shut{Store: memory.New(), door: door, reached: make(chan struct{}, 1)}
	w := newWorld(t, store)
	w.book.Close()
	w.book = ledger.NewPipeline(store, ledger.PipelineOptions{MaxQueue: 1, Now: w.now, Log: slog.New(slog.DiscardHandler)})
	defer w.close()
	held := make(chan error, 2)
	hold := func() { _, err := ledger.Do[any](context.Background(), w.book, tell{}); held <- err }
	go hold()
	<-store.reached // it is being written
	go hold()
	for w.book.Waiting() == 0 { // and another waits: the queue is full
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := reconcile.Ingest(ctx, w.book, w.store, strings.NewReader(jsonl("KVRI", []int{1})), reconcile.IngestOptions{}); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("with a ctx that ended: %v", err)
	}
	time.AfterFunc(100*time.Millisecond, func() { close(door) })
	if in := w.ingest(jsonl("KVRI", []int{1}), reconcile.IngestOptions{}); in.Lines != 1 || len(w.numbers()) != 1 {
		t.Errorf("then %+v", in)
	}
	for range 2 {
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
}

// shut is a store whose commits wait at a door.
type shut struct {
	ledger.Store
	door    chan struct{}
	reached chan struct{}
}

func (s *shut) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	select {
	case s.reached <- struct{}{}:
	default:
	}
	<-s.door
	return s.Store.Commit(ctx, declare, apply)
}

// A file that changes between the readings is not said to be complete.
func TestChangedFile(t *testing.T) {
	w := memoryWorld(t)
	for what, second := range map[string]string{"more statements": jsonl("KVRI", []int{1}, []int{2}), "cut short": jsonl("KVRI", []int{1})[:150]} {
		f := &changing{readings: []string{jsonl("KVRI", []int{1}), jsonl("KVRI", []int{1}), second}}
		if _, err := reconcile.Ingest(t.Context(), w.book, w.store, f, reconcile.IngestOptions{}); err == nil || !strings.Contains(err.Error(), "changed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(w.covered()) != 0 {
		t.Errorf("covered %v", w.covered())
	}
}

// changing is another file each time that it is read from the beginning.
type changing struct {
	readings []string
	bytes.Reader
}

func (c *changing) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		c.Reset([]byte(c.readings[0]))
		c.readings = c.readings[1:]
	}
	return c.Reader.Seek(offset, whence)
}

// Whatever size the table has, a key that came before in its statement is noticed.
func TestSmallTableMissesNothing(t *testing.T) {
	for _, size := range []int64{0, 1, 1000, 1 << 20} {
		const keys = 3000
		n := reconcile.NewTwice(size)
		key := func(i int) (k ledger.LineKey) {
			sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
			return ledger.LineKey(sum[:16])
		}
		for statement := 1; statement <= 3; statement++ {
			for i := range keys {
				for range i%3 + 1 {
					n.See(statement, key(i))
				}
			}
		}
		for statement := 1; statement <= 3; statement++ {
			for i := range keys {
				for want := 1; want <= i%3+1; want++ {
					if got := n.Number(statement, key(i)); got != want {
						t.Fatalf("size %d, statement %d, key %d: number %d, want %d", size, statement, i, got, want)
					}
				}
			}
		}
	}
}
