package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/reconcile"
	"bahi/ledger/reconcile/statement"
)

// movement is what a bank did, as all formats can tell it.
type movement struct {
	name   string // or empty
	rrn    string
	day    int // of November
	minor  int64
	credit bool
}

// told is how often a movement stands in a statement: a double debit stands twice.
type told struct {
	movement
	times int
}

func movements() *rapid.Generator[[]told] {
	one := rapid.Custom(func(t *rapid.T) told {
		m := told{movement{rrn: fmt.Sprintf("6324%08d", rapid.IntRange(1, 40).Draw(t, "rrn")), day: rapid.IntRange(20, 22).Draw(t, "day"),
			minor: rapid.Int64Range(1, 3).Draw(t, "minor") * 100, credit: rapid.Bool().Draw(t, "credit")}, rapid.IntRange(1, 3).Draw(t, "times")}
		if rapid.Bool().Draw(t, "named") {
			m.name = "BAH01A20AAC586A79F2AB29E957" + m.rrn[len(m.rrn)-8:]
		}
		return m
	})
	// Lines that share a key are one movement, told so many times.
	return rapid.SliceOfNDistinct(one, 1, 25, func(m told) string { return fmt.Sprint(m.rrn, m.day, m.minor, m.credit) })
}

// written is a file, and how it is read.
type written struct {
	text    string
	mapping *statement.Mapping
	closing int // the day of its closing balance, or 0
	lines   []movement
}

// writers write one statement.
var writers = []func(id int, day int, lines []movement) written{asJSONLines, asCSV, asMT940, asCamt}

func asJSONLines(id, day int, lines []movement) written {
	var b strings.Builder
	fmt.Fprintf(&b, `{"statement":{"bank":"KVRI","account":"77","id":"S%d","currency":"INR","date":"2026-11-%d"}}`+"\n", id, day)
	for _, m := range lines {
		fmt.Fprintf(&b, `{"line":{"transaction_id":%q,"rrn":%q,"booking_date":"2026-11-%d","amount":"%d.00","side":%q}}`+"\n", m.name, m.rrn, m.day, m.minor/100, m.side())
	}
	fmt.Fprintf(&b, `{"end":{"lines":%d,"closing":"5.00"}}`+"\n", len(lines))
	return written{text: b.String(), closing: day, lines: lines}
}

func (m movement) side() string {
	if m.credit {
		return "credit"
	}
	return "debit"
}

var rows, _ = statement.ReadMapping(strings.NewReader("{bank: KVRI, account: '77', currency: INR, minor: true, credit: [credit], debit: [debit], " +
	"columns: {statement: s, booking_date: d, amount: a, side: w, transaction_id: t, rrn: r}}"))

func asCSV(id, _ int, lines []movement) written {
	var b strings.Builder
	fmt.Fprintln(&b, "s,d,a,w,t,r")
	for _, m := range lines {
		fmt.Fprintf(&b, "S%d,2026-11-%d,%d,%s,%s,%s\n", id, m.day, m.minor, m.side(), m.name, m.rrn)
	}
	return written{text: b.String(), mapping: rows, lines: lines}
}

func asMT940(id, day int, lines []movement) written {
	var b strings.Builder
	fmt.Fprintf(&b, ":20:X\n:25:KVRIINBB/77\n:28C:%d\n:60F:C261119INR0,\n", id)
	sum := int64(0)
	for _, m := range lines {
		sign, delta := "C", m.minor
		if !m.credit {
			sign, delta = "D", -m.minor
		}
		sum += delta
		fmt.Fprintf(&b, ":61:2611%d%s%d,00NTRF%s\n", m.day, sign, m.minor/100, m.rrn)
		if m.name != "" {
			fmt.Fprintf(&b, ":86:/EREF/%s\n", m.name)
		}
	}
	sign := "C"
	if sum < 0 {
		sign, sum = "D", -sum
	}
	fmt.Fprintf(&b, ":62F:%s2611%dINR%d,00\n-\n", sign, day, sum/100)
	return written{text: b.String(), closing: day, lines: lines}
}

func asCamt(id, day int, lines []movement) written {
	var b strings.Builder
	fmt.Fprintf(&b, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S%d</Id><Acct><Id><Othr><Id>77</Id></Othr></Id><Ccy>INR</Ccy>`+
		`<Svcr><FinInstnId><BICFI>KVRIINBB</BICFI></FinInstnId></Svcr></Acct>`+
		`<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="INR">5.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-%d</Dt></Dt></Bal>`, id, day)
	for _, m := range lines {
		side, name := "CRDT", ""
		if !m.credit {
			side = "DBIT"
		}
		if m.name != "" {
			name = "<EndToEndId>" + m.name + "</EndToEndId>"
		}
		fmt.Fprintf(&b, `<Ntry><Amt Ccy="INR">%d.00</Amt><CdtDbtInd>%s</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-%d</Dt></BookgDt>`+
			`<NtryDtls><TxDtls><Refs>%s<Prtry><Tp>RRN</Tp><Ref>%s</Ref></Prtry></Refs></TxDtls></NtryDtls></Ntry>`, m.minor/100, side, m.day, name, m.rrn)
	}
	b.WriteString(`</Stmt></BkToCstmrStmt></Document>`)
	return written{text: b.String(), closing: day, lines: lines}
}

// lines are the movements, each as often as it is told.
func lines(all []told) (out []movement) {
	for _, m := range all {
		for range m.times {
			out = append(out, m.movement)
		}
	}
	return out
}

// files tell all of the movements, each in one of them at least, in any order and format.
func files(t *rapid.T, all []told) (out []written) {
	write := func(some []told) {
		shuffled := rapid.Permutation(lines(some)).Draw(t, "order")
		w := rapid.IntRange(0, len(writers)-1).Draw(t, "format")
		out = append(out, writers[w](len(out)+1, rapid.IntRange(20, 22).Draw(t, "day"), shuffled))
	}
	for rest := rapid.Permutation(all).Draw(t, "split"); len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "statement")
		write(rest[:n])
		rest = rest[n:]
	}
	for range rapid.IntRange(0, 3).Draw(t, "overlapping") {
		some := rapid.Permutation(all).Draw(t, "of")[:rapid.IntRange(1, len(all)).Draw(t, "some")]
		for i := range some { // a part of what stands twice is nothing new
			some[i].times = rapid.IntRange(1, some[i].times).Draw(t, "fewer")
		}
		write(some)
	}
	for range rapid.IntRange(0, 3).Draw(t, "repeated") {
		out = append(out, rapid.SampledFrom(out).Draw(t, "again"))
	}
	return rapid.Permutation(out).Draw(t, "files")
}

func (w *world) ingestFile(f written, o reconcile.IngestOptions) error {
	o.Mapping, o.Chunk = f.mapping, 3
	_, err := reconcile.Ingest(context.Background(), w.book, w.store, strings.NewReader(f.text), o)
	return err
}

var errAborted = errors.New("aborted")

// checkIngest takes the files in with several at once, after some of them were aborted, and
// holds the outcome against the movements.
func checkIngest(t *rapid.T, open func() ledger.Store) {
	all := movements().Draw(t, "movements")
	some := files(t, all)
	want, days := expected(all, some)

	store := &counted{Store: open(), fails: errAborted}
	w := newWorld(t, store)
	defer w.close()
	for _, f := range rapid.SliceOfN(rapid.SampledFrom(some), 0, 3).Draw(t, "aborted") {
		store.commits, store.after = 0, rapid.IntRange(0, 4).Draw(t, "after")
		if err := w.ingestFile(f, reconcile.IngestOptions{}); err != nil && !errors.Is(err, errAborted) {
			t.Fatal(err)
		}
	}
	store.fails = nil
	var at sync.WaitGroup
	limit := make(chan struct{}, 8)
	for _, f := range some {
		at.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			if err := w.ingestFile(f, reconcile.IngestOptions{}); err != nil {
				t.Errorf("%v of %s", err, f.text)
			}
		})
	}
	at.Wait()
	if got := w.stored(); !slices.Equal(got, want) {
		t.Errorf("lines\n%q\nwant\n%q", got, want)
	}
	if got := showCovered(w.covered()); !slices.Equal(got, days) {
		t.Errorf("covered %q, want %q", got, days)
	}
}

// expected are the lines and the days that files tell of.
func expected(all []told, some []written) (lines, days []string) {
	for _, m := range all {
		for n := range m.times {
			lines = append(lines, fmt.Sprintf("%s %q 2026-11-%d %d.00 %s %d", m.rrn, m.name, m.day, m.minor/100, m.side(), n+1))
		}
	}
	for _, f := range some {
		if f.closing != 0 {
			days = append(days, fmt.Sprintf("bank KVRI 2026-11-%d", f.closing))
		}
		for _, m := range f.lines {
			days = append(days, fmt.Sprintf("bank KVRI 2026-11-%d", m.day))
		}
	}
	slices.Sort(lines)
	slices.Sort(days)
	return lines, slices.Compact(days)
}

// stored are the lines of the book, in the words of expected.
func (w *world) stored() (all []string) {
	w.t.Helper()
	err := w.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for l, err := range s.Lines(ledger.Range{}) {
			if err != nil {
				return err
			}
			side := "credit"
			if l.Debit {
				side = "debit"
			}
			all = append(all, fmt.Sprintf("%s %q %s %s %s %d", l.RRN, l.Name, l.Day, l.Amount, side, l.ID.N))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// However movements are split over files of all formats, repeated, in whatever order, at
// once and aborted in between: each is stored as often as it was made.
func TestIngestInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkIngest(t, func() ledger.Store { return memory.New() }) })
}

// The same holds on the other engines, for a few.
func TestIngestEngines(t *testing.T) {
	for _, e := range engines[1:] {
		for seed := range 4 {
			t.Run(fmt.Sprint(e.name, " ", seed), func(t *testing.T) {
				g := rapid.Custom(func(r *rapid.T) bool {
					checkIngest(r, func() ledger.Store { return e.open(t) })
					return true
				})
				g.Example(seed)
			})
		}
	}
}
