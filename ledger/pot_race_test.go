package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/agenda"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

// newFileBook is a book in a file, as a server keeps it.
func newFileBook(t *testing.T, path string) *book {
	t.Helper()
	store, err := privacytest.Sealed(sqlite.Open(context.Background(), path))
	if err != nil {
		t.Fatal(err)
	}
	b := &book{t: t, store: store, now: time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)}
	b.pipe = ledger.NewPipeline(store, ledger.PipelineOptions{Now: func() time.Time { return b.now }})
	return b
}

// wallets opens so many parties with a wallet each.
func (b *book) wallets(n int) (ends []ledger.End) {
	b.t.Helper()
	var open, link ledger.Many
	for i := range n {
		p := ledger.Party{ID: ledger.NewID(), App: "chat", Name: fmt.Sprintf("Person %d", i), Kind: ledger.Person}
		w := ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: "chat", Kind: ledger.Wallet, Currency: "INR"}
		open, link, ends = append(open, ledger.OpenParty{Party: p}), append(link, ledger.LinkInstrument{Instrument: w}), append(ends, w.End(p.Name))
	}
	must[ledger.Outcomes](b, open)
	must[ledger.Outcomes](b, link)
	return ends
}

func (b *book) refusal(err error) string {
	var r *ledger.Refusal
	if err == nil {
		return ""
	}
	if !errors.As(err, &r) {
		b.t.Error(err)
		return err.Error()
	}
	return r.Code
}

// TestManyClaimAtOnce: of two hundred who claim a packet of twenty at the same moment, each
// of them twice, twenty get one share each, and together they get all of it.
func TestManyClaimAtOnce(t *testing.T) {
	const people, shares, total = 200, 20, 1_234_567
	b := newFileBook(t, filepath.Join(t.TempDir(), "book.db"))
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	b.fund(account, wallet, total)
	ends := b.wallets(people)
	id := must[ledger.Funded](b, redPacket(wallet, total, shares, ledger.RandomShares)).Pot.ID
	var codes sync.Map
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range 2 * people {
		all.Go(func() {
			<-start
			_, err := ledger.Do[ledger.Claim](context.Background(), b.pipe, claimPot(id, ends[i%people], ""))
			n, _ := codes.LoadOrStore(b.refusal(err), new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		})
	}
	close(start)
	all.Wait()
	count := func(code string) int64 {
		n, ok := codes.Load(code)
		if !ok {
			return 0
		}
		return n.(*atomic.Int64).Load()
	}
	if ok, claimed, empty := count(""), count(ledger.CodePotClaimed), count(ledger.CodePotEmpty); ok != shares || claimed > shares || ok+claimed+empty != 2*people {
		t.Errorf("%d got a share, %d had one, %d came too late", ok, claimed, empty)
	}
	_, p := b.pot(id)
	sum, paid := int64(0), map[ledger.ID]int64{}
	for i, part := range p.Taken {
		paid[part.Party] += part.Amount
		if part.Amount != p.Divide()[i] {
			t.Errorf("share %d is %d", i+1, part.Amount)
		}
	}
	for _, end := range ends {
		got := b.wallet(end)
		sum += got
		if got != paid[end.Party] {
			t.Errorf("%s has %d, and should have %d", end.Name, got, paid[end.Party])
		}
	}
	if sum != total || len(paid) != shares {
		t.Errorf("%d persons got %d", len(paid), sum)
	}
	b.wantPot(id, ledger.PotClosed, 0)
}

// TestClaimAgainstExpiry: of a claim and an expiry at the same moment one wins: on one node
// in whose batches both are, and on two nodes whose clocks are apart.
func TestClaimAgainstExpiry(t *testing.T) {
	for name, nodes := range map[string]int{"one node": 1, "two nodes": 2} {
		t.Run(name, func(t *testing.T) {
			r := newExpiryRace(t, nodes)
			for round := range 40 {
				r.round(round)
			}
			if r.book.wallet(r.ends[0])+r.book.wallet(r.ends[1]) != int64(r.claimed)*100 || r.book.wallet(r.wallet) != r.funds-int64(r.claimed)*100 {
				t.Errorf("%d were claimed: %d and %d, and the sender has %d", r.claimed, r.book.wallet(r.ends[0]), r.book.wallet(r.ends[1]), r.book.wallet(r.wallet))
			}
			r.verify()
			t.Logf("%d of 40 were claimed", r.claimed)
		})
	}
}

type expiryRace struct {
	*book
	other   *ledger.Pipeline // of the node that closes
	clock   atomic.Int64     // of that node
	wallet  ledger.End
	ends    []ledger.End
	funds   int64
	claimed int
}

func newExpiryRace(t *testing.T, nodes int) *expiryRace {
	r := &expiryRace{funds: 4_000}
	now := func() time.Time { return time.UnixMicro(r.clock.Load()) }
	if nodes == 2 {
		r.book = newBook(t)
		r.other = ledger.NewPipeline(r.store, ledger.PipelineOptions{Now: now})
		t.Cleanup(r.other.Close)
	} else {
		r.book = newFileBook(t, filepath.Join(t.TempDir(), "book.db"))
		r.pipe.Close()
		r.pipe = ledger.NewPipeline(r.store, ledger.PipelineOptions{Now: now})
		r.other = r.pipe
	}
	t.Cleanup(r.close)
	r.clock.Store(r.now.UnixMicro())
	account, wallet := r.person("Asha", "SBIN")
	r.wallet = wallet
	r.fund(account, wallet, r.funds)
	r.ends = r.wallets(2)
	return r
}

func (r *expiryRace) round(n int) {
	c := redPacket(r.wallet, 100, 1, ledger.EqualShares)
	c.Pot.Lasts = time.Minute
	id := must[ledger.Funded](r.book, c).Pot.ID
	_, p := r.pot(id)
	r.now = time.UnixMicro(p.Expires - 1)
	r.clock.Store(p.Expires - 1)
	var refused [2]string
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range refused {
		all.Go(func() {
			<-start
			_, err := ledger.Do[ledger.Claim](context.Background(), r.pipe, claimPot(id, r.ends[i], ""))
			refused[i] = r.refusal(err)
		})
		all.Go(func() {
			closing := r.closing(id)
			<-start
			for range n % 8 * 10 { // who comes first differs from round to round
				runtime.Gosched()
			}
			r.clock.Store(p.Expires)
			if _, err := ledger.Do[ledger.Record](context.Background(), r.other, closing); err != nil {
				r.t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	_, p = r.pot(id)
	won := 0
	for _, code := range refused {
		if code == "" {
			won++
		}
	}
	if won != len(p.Taken) || won+len(p.Returns) != 1 {
		r.t.Fatalf("claims: %q; the pot: %+v", refused, p)
	}
	r.claimed += won
	r.now = r.now.Add(time.Second)
	r.clock.Add(1_000_000)
}

// TestExpiryOutlivesItsNode: what expires while no node runs, or had just begun to go back
// when one died, goes back once one runs again.
func TestExpiryOutlivesItsNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.db")
	b := newFileBook(t, path)
	account, wallet := b.person("Asha", "SBIN")
	b.fund(account, wallet, 200)
	expired, begun := must[ledger.Funded](b, redPacket(wallet, 100, 1, ledger.EqualShares)).Pot.ID, must[ledger.Funded](b, redPacket(wallet, 100, 1, ledger.EqualShares)).Pot.ID
	b.now = b.now.Add(25 * time.Hour)
	must[ledger.Account](b, ledger.FreezeWallet{Party: wallet.Party, Currency: "INR", Frozen: true})
	must[ledger.Record](b, b.closing(begun)) // which fails at first
	must[ledger.Account](b, ledger.FreezeWallet{Party: wallet.Party, Currency: "INR"})
	b.wantPot(begun, ledger.PotClosing, 100)
	b.close()

	now := b.now.Add(time.Minute)
	b = newFileBook(t, path)
	b.now = now
	defer b.close()
	todo := agenda.New()
	todo.Start(agenda.Options{Reader: b.store, Clock: stillClock{now}, Handlers: map[ledger.RecordKind]agenda.Handler{
		ledger.RecordPot: func(ctx context.Context, r ledger.Record) error {
			_, err := ledger.Do[ledger.Record](ctx, b.pipe, b.closing(r.ID))
			return err
		}}})
	defer todo.Close()
	for deadline := time.Now().Add(10 * time.Second); b.wallet(wallet) != 200; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come back")
		}
	}
	b.wantPot(expired, ledger.PotClosed, 0)
	b.wantPot(begun, ledger.PotClosed, 0)
}

// stillClock stands still.
type stillClock struct{ at time.Time }

func (c stillClock) Now() time.Time { return c.at }

func (c stillClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, f).Stop
}
