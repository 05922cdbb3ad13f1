package audit

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit/file"
)

// Finding is something in an audit file that does not hold.
type Finding struct {
	Rule   string `json:"rule"`
	Place  int64  `json:"place"`           // of the leaf; -1 where it is about none
	Until  int64  `json:"until,omitempty"` // the last place, where only a range is known
	Leaf   string `json:"leaf,omitempty"`  // its kind and name, where it is given
	Detail string `json:"detail"`
	by     evidence
}

// evidence is what a finding rests on.
type evidence int

const (
	byFile   evidence = iota // it is about no leaf
	byReplay                 // the leaf does not fit those before it; or, as the last word on one that is missing, what should have followed did not
	byHash                   // the leaf, or one of the range, is not what was there
)

// Rules of findings; those of [ledger.Replay] come beside them.
const (
	ruleForm       = "form"       // of a line
	ruleFile       = "file"       // the file is cut short, or its last line does not fit
	rulePlace      = "place"      // leaves are not numbered 0, 1, 2 …
	ruleContent    = "content"    // a leaf's fields are not those of its hash
	ruleHidden     = "hidden"     // a leaf is not shown, and the file does not say that some are not
	ruleMark       = "mark"       // personal data is not what the leaf was made of
	ruleSignature  = "signature"  // of a checkpoint
	ruleTree       = "tree"       // the leaves are not those of a checkpoint
	ruleCheckpoint = "checkpoint" // does not belong where it stands
	ruleRewritten  = "rewritten"  // differs from what the auditor has kept
	ruleKept       = "kept"       // what the auditor has kept cannot be compared
)

// Report is what was checked.
type Report struct {
	Origin      string           `json:"origin"`
	App         string           `json:"app,omitempty"`
	First       int64            `json:"first"`
	Size        int64            `json:"size"`
	Root        []byte           `json:"root"`
	Until       int64            `json:"until"`       // the time of the latest leaf, Unix microseconds
	Leaves      int64            `json:"leaves"`      // that were given
	Hidden      int64            `json:"hidden"`      // of which only the hash was
	Kinds       map[string]int64 `json:"kinds"`       // of those that were shown
	People      int64            `json:"people"`      // persons whose data was checked against their mark
	Checkpoints int64            `json:"checkpoints"` // older ones in the file that were checked
	Unknown     int64            `json:"unknown"`     // older ones that only keys signed that were not given
	Older       int64            `json:"older"`       // that were kept, and agree
	Balances    []Balance        `json:"balances"`
	Findings    int64            `json:"findings"`
	FirstBad    *Finding         `json:"first_bad,omitempty"`
}

// Balance is the sum of the balances of all accounts of a type.
type Balance struct {
	Type     string `json:"type"`
	Currency string `json:"currency"`
	Accounts int64  `json:"accounts"`
	Minor    int64  `json:"-"`
	Balance  string `json:"balance"`
}

// VerifyOptions is what an auditor knows beside the file.
type VerifyOptions struct {
	Keys     []string // verifier keys of the log, from elsewhere than the file
	Older    []*Kept
	Progress func(place, first, size int64) // is told how far it is, now and then; may be nil
}

// Verify checks an audit file with nothing but the file and what the auditor knows. It calls
// report for each finding. What it keeps in memory is what [ledger.Replay] keeps. An
// error means that the file could not be read, or is none.
func Verify(r io.Reader, o VerifyOptions, report func(Finding)) (Report, error) {
	in, err := file.NewReader(r)
	if err != nil {
		return Report{}, err
	}
	h := &in.Header
	v := verification{o: o, found: report, in: in, next: h.First, signed: ground{good: h.First}, known: ground{good: h.First},
		sum: Report{Origin: h.Origin, App: h.App, First: h.First, Size: h.Size, Kinds: map[string]int64{}}}
	v.replay = ledger.NewReplay(ledger.Part{Late: h.First > 0, Gaps: h.App != ""}, v.misfit)
	if v.tree, err = newTree(h.First, h.Before); err != nil {
		return v.sum, fmt.Errorf("line 1: %w", err)
	}
	v.heads(h)
	v.shown = map[ledger.LeafKind]int64{}
	if err := v.lines(); err != nil {
		return v.sum, err
	}
	v.end()
	v.sum.FirstBad = v.firstBad()
	return v.sum, nil
}

type verification struct {
	o      VerifyOptions
	found  func(Finding)
	sum    Report
	in     *file.Reader
	replay *ledger.Replay
	tree   *tree
	next   int64 // place of the next leaf
	line   file.Line
	buffer []byte
	shown  map[ledger.LeafKind]int64
	kept   []awaited // what the auditor has kept of a size that is still to come, by size
	// How many leaves lead to what the log's keys signed, and to what the auditor has kept;
	// and whether those that follow do not.
	signed, known ground
	first         [byHash + 1]*Finding // of each evidence
}

// ground is how far the leaves are those that somebody vouches for.
type ground struct {
	good int64
	lost bool
}

// awaited is a head that the tree is to have at its size.
type awaited struct {
	Head
	name string
	kept bool // by the auditor
}

func (v *verification) finding(f Finding) {
	v.sum.Findings++
	first := v.first[f.by]
	if first == nil || f.last() < first.last() || (f.last() == first.last() && f.Rule == ruleRewritten) { // which says what there was
		v.first[f.by] = &f
	}
	v.found(f)
}

// last is the last place that the finding may be about.
func (f *Finding) last() int64 { return max(f.Place, f.Until) }

// firstBad chooses what says best which leaf was the first to be touched. Hashes never
// err, but may leave a range; in it, the replay says more.
func (v *verification) firstBad() *Finding {
	hash, replay := v.first[byHash], v.first[byReplay]
	switch {
	case replay != nil && (hash == nil || (hash.Until > 0 && replay.Place >= hash.Place && replay.Place <= hash.Until)):
		return replay
	case hash != nil:
		return hash
	}
	return v.first[byFile]
}

// at is about a leaf.
func (v *verification) at(rule string, place int64, leaf ledger.Leaf, format string, args ...any) {
	f := Finding{Rule: rule, Place: place, Detail: fmt.Sprintf(format, args...), by: byHash}
	if leaf != nil {
		f.Leaf = ledger.LeafName(leaf)
	}
	v.finding(f)
}

func (v *verification) about(rule, format string, args ...any) {
	v.finding(Finding{Rule: rule, Place: -1, Detail: fmt.Sprintf(format, args...)})
}

// misfit is what the replay finds.
func (v *verification) misfit(m ledger.Misfit) {
	f := Finding{Rule: m.Rule, Place: m.Place, Leaf: m.Where, Detail: m.Detail, by: byReplay}
	if m.Late { // what is missing should have stood before the next leaf
		f.Until = v.next
	} else if v.line.Leaf != nil {
		f.Leaf, f.Detail = ledger.LeafName(v.line.Leaf), m.Where+": "+m.Detail
	}
	v.finding(f)
}

// heads opens the checkpoint of the whole file, and those that were kept.
func (v *verification) heads(h *file.Header) {
	head, err := v.open(h.Checkpoint)
	if err != nil {
		v.about(ruleSignature, "the file's checkpoint: %v", err)
	}
	if err == nil || head.N > 0 {
		v.sum.Root = head.Hash[:]
		v.await(awaited{Head: head, name: "the file's checkpoint"})
	}
	if head.N != h.Size || head.Origin != h.Origin {
		v.about(ruleCheckpoint, "the file is of %d leaves of the log %q, its checkpoint of %d of %q", h.Size, h.Origin, head.N, head.Origin)
	}
	for _, k := range v.o.Older {
		switch kept, err := v.open(k.checkpoint); {
		case err != nil:
			v.about(ruleKept, "%s: %v", k.Name, err)
		case kept.Origin != h.Origin:
			v.about(ruleKept, "%s is of the log %q, the file of %q", k.Name, kept.Origin, h.Origin)
		case kept.N > h.Size:
			v.about(ruleRewritten, "%s has %d leaves, and the file has %d: the log only ever grows", k.Name, kept.N, h.Size)
		case kept.N < h.First:
			v.about(ruleKept, "%s has %d leaves, and the file begins behind them: nothing can be said of it", k.Name, kept.N)
		default:
			v.await(awaited{Head: kept, name: k.Name, kept: true})
			continue
		}
		k.over = true
	}
	v.reach()
}

// open reads a checkpoint. One that is not signed as it should be is an error, with what it says all the same.
func (v *verification) open(checkpoint string) (Head, error) {
	head, err := Open(checkpoint, v.o.Keys...)
	if err != nil {
		head, _ = ParseHead(checkpoint)
	}
	return head, err
}

func (v *verification) await(a awaited) {
	i, _ := slices.BinarySearchFunc(v.kept, a.N, func(k awaited, n int64) int { return int(min(1, max(-1, k.N-n))) })
	v.kept = slices.Insert(v.kept, i, a)
}

// reach compares the tree with the heads of its size.
func (v *verification) reach() {
	for len(v.kept) > 0 && v.kept[0].N <= v.tree.size {
		a := v.kept[0]
		v.kept = v.kept[1:]
		if v.agrees(a) && a.kept {
			v.sum.Older++
		}
	}
}

// agrees says whether the leaves so far are those of a head. Where they begin not to be, it is told.
func (v *verification) agrees(a awaited) bool {
	g, rule := &v.signed, ruleTree
	if a.kept { // the log's owner can sign what he likes
		g, rule = &v.known, ruleRewritten
	}
	if v.tree.root() == a.Hash {
		*g = ground{good: a.N}
		return true
	}
	if !g.lost {
		g.lost = true
		v.finding(Finding{Rule: rule, Place: g.good, Until: a.N - 1, by: byHash,
			Detail: fmt.Sprintf("the leaves from %d to %d do not lead to the root that %s has", g.good, a.N-1, a.name)})
	}
	return false
}

func (v *verification) lines() error {
	for {
		l, err := v.in.Next()
		v.line = l
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, file.ErrCut), errors.Is(err, file.ErrSum):
			v.about(ruleFile, "%v", err)
			return nil
		case errors.Is(err, file.ErrForm):
			v.at(ruleForm, v.next, nil, "%v", err)
			if v.line.Leaf = nil; l.Number > 0 && l.Checkpoint == "" { // its fields may be nonsense
				v.add(l.Hash)
			}
		case err != nil:
			return err
		case l.Checkpoint != "":
			v.checkpoint(l.Checkpoint)
		default:
			v.leaf()
		}
	}
}

// checkpoint takes an older checkpoint, which stands behind the leaves that it covers.
func (v *verification) checkpoint(text string) {
	head, err := v.open(text)
	switch {
	case unknownKey(err):
		v.sum.Unknown++
	case err != nil:
		v.about(ruleSignature, "line %d: %v", v.line.Number, err)
		return
	}
	if head.N != v.tree.size || head.Origin != v.sum.Origin {
		v.about(ruleCheckpoint, "line %d: the checkpoint of %d leaves of %q stands behind leaf %d", v.line.Number, head.N, head.Origin, v.tree.size-1)
		return
	}
	if err == nil && v.agrees(awaited{Head: head, name: fmt.Sprintf("the checkpoint in line %d", v.line.Number)}) {
		v.sum.Checkpoints++
	}
	v.replay.Settled()
}

func (v *verification) leaf() {
	l := &v.line
	if l.Place != v.next {
		v.at(rulePlace, min(l.Place, v.next), l.Leaf, "place %d stands where place %d should", l.Place, v.next)
		v.next = l.Place
	}
	hash := l.Hash
	if l.Leaf == nil {
		if v.sum.Hidden++; v.sum.App == "" {
			v.at(ruleHidden, l.Place, nil, "only its hash is given")
		}
	} else {
		hash = v.content(l)
	}
	for _, k := range v.o.Older {
		v.compare(k, hash)
	}
	v.add(l.Hash)
}

// content checks what a leaf says, and is the hash of that.
func (v *verification) content(l *file.Line) tlog.Hash {
	v.buffer = ledger.AppendLeaf(v.buffer[:0], l.Leaf)
	hash := tlog.RecordHash(v.buffer)
	if hash != l.Hash {
		v.at(ruleContent, l.Place, l.Leaf, "its fields are not those of its hash: they have been changed, or the hash has")
	}
	if l.People != nil {
		v.people(l)
	}
	v.shown[l.Leaf.LeafKind()]++
	v.sum.Until = max(v.sum.Until, l.Leaf.LeafTime())
	v.replay.Leaf(l.Place, l.Leaf)
	return hash
}

// add adds a leaf to the tree.
func (v *verification) add(hash tlog.Hash) {
	v.tree.add(hash)
	v.next++
	v.sum.Leaves++
	v.reach()
	v.tell()
}

func (v *verification) end() {
	if v.next != v.sum.Size || v.tree.size != v.sum.Size {
		v.about(ruleFile, "it ends behind place %d, with %d leaves; the first line says that it goes up to place %d", v.next-1, v.sum.Leaves, v.sum.Size-1)
	}
	v.replay.End()
	for _, k := range v.o.Older {
		v.closeKept(k)
	}
	for kind, n := range v.shown {
		v.sum.Kinds[kind.String()] = n
	}
	if v.sum.First == 0 && v.sum.App == "" {
		v.sum.Balances = balances(v.replay)
	}
}

// balances sums the accounts up.
func balances(r *ledger.Replay) (all []Balance) {
	type key struct {
		currency ledger.Currency
		kind     ledger.AccountType
	}
	sums := map[key]*Balance{}
	for a := range r.Accounts() {
		k := key{a.Name.Currency, a.Type}
		if sums[k] == nil {
			sums[k] = &Balance{Type: a.Type.String(), Currency: string(k.currency)}
		}
		sums[k].Accounts++
		sums[k].Minor += a.Balance()
	}
	var keys []key
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.currency != b.currency {
			return slices.Compare([]byte(a.currency), []byte(b.currency))
		}
		return int(a.kind) - int(b.kind)
	})
	for _, k := range keys {
		b := sums[k]
		b.Balance = ledger.Amount{Minor: b.Minor, Currency: k.currency}.String()
		all = append(all, *b)
	}
	return all
}

// toldEvery is after how many leaves Progress is called.
const toldEvery = 1 << 14

func (v *verification) tell() {
	if v.o.Progress != nil && v.sum.Leaves%toldEvery == 0 {
		v.o.Progress(v.next, v.sum.First, v.sum.Size)
	}
}
