// Package storetest is the conformance suite of storage engines, and the
// plainest engine that passes it.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy/privacytest"
)

// SQL is implemented by stores whose tables a test can reach beside the engine.
type SQL interface {
	Exec(ctx context.Context, query string) error
	Count(ctx context.Context, query string) (int64, error)
}

// Reopener is implemented by stores that outlive being closed.
type Reopener interface {
	Reopen(t *testing.T) ledger.Store
}

// Run runs the suite. open makes an empty store; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) ledger.Store) {
	for _, test := range []struct {
		name string
		run  func(*fixture)
	}{
		{"not found", testNotFound},
		{"every field is kept", testFields},
		{"updates are kept", testUpdates},
		{"parties and instruments", testParties},
		{"keys", testKeys},
		{"accounts", testAccounts},
		{"statement", testStatement},
		{"transfers by filter and page", testTransfers},
		{"history", testHistory},
		{"due", testDue},
		{"nodes", testNodes},
		{"snapshot", testSnapshot},
		{"a refused command changes nothing", testRefused},
		{"an error stores nothing", testError},
		{"a panic stores nothing", testPanic},
		{"a row that exists is not replaced", testExists},
		{"first answers", testAnswers},
		{"the past is not rewritten", testAppendOnly},
		{"contradictions", testContradictions},
		{"evidence", testEvidence},
		{"evidence that changes", testEvidenceUpdates},
		{"lines are merged", testMerge},
		{"matches", testMatches},
		{"ranges of transfers", testRanges},
		{"lines of a transfer", testLinesOf},
		{"lists of breaks", testBreakLists},
		{"evidence is kept", testKept},
		{"flows", testFlows},
		{"the log", testLog},
		{"seals", testSeal},
		{"the log at a time", testLogAt},
		{"tiles", testTiles},
		{"checkpoints", testCheckpoints},
		{"cosignatures", testCosignatures},
		{"accesses", testAccesses},
		{"secrets", testSecrets},
		{"persons", testPersons},
		{"erasures", testErasures},
		{"many at once", testBulk},
		{"records", testRecords},
		{"lists of records", testRecordLists},
		{"records that are due", testDueRecords},
		{"the outbox", testOutbox},
		{"published at once", testPublish},
		{"records changed at once", testRecordsAtOnce},
		{"the log is kept", testLogKept},
		{"limits at once", testLimits},
		{"the bank", testBank},
		{"linearizable", testLinearizable},
		{"reopened", testReopen},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{T: t, engine: open(t), policy: ledger.DefaultPolicy(), now: time.Now().UnixMicro()}
			t.Cleanup(func() { f.check(f.engine.Close()) })
			f.store = privacytest.Over(t, f.engine)
			test.run(f)
			f.verify()
		})
	}
}

// fixture is a store under test and a clock that moves with each batch.
type fixture struct {
	*testing.T
	engine ledger.Store // under test
	store  ledger.Store // the engine as a server uses it, or the engine itself: see bare
	policy ledger.Policy
	now    int64
	seq    byte
	node   ledger.Node // that makes the batches
}

// bare has a test write and read rows as the engine itself keeps them.
func (f *fixture) bare() { f.store = f.engine }

var background = context.Background()

func (f *fixture) check(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// batch commits what apply does to what declare declares.
func (f *fixture) batch(declare func(*ledger.Set), apply func(*ledger.Set) error) error {
	f.now += 1_000_000
	return f.store.Commit(background, func() *ledger.Set {
		set := ledger.NewSet(f.now, &f.policy)
		set.Node, set.Stripe = f.node.ID, f.node.Stripe
		declare(set)
		return set
	}, apply)
}

// must commits commands, none of which is refused, in one batch.
func (f *fixture) must(commands ...ledger.Command) (results []any) {
	f.Helper()
	declare := func(s *ledger.Set) {
		for _, c := range commands {
			c.Declare(s)
		}
	}
	f.check(f.batch(declare, func(s *ledger.Set) error {
		results = nil
		for _, c := range commands {
			r, err := c.Apply(s)
			if err != nil {
				return err
			}
			results = append(results, r)
		}
		return nil
	}))
	return results
}

// person opens a party with a bank account and a wallet.
func (f *fixture) person(app, name string) (account, wallet ledger.Instrument) {
	f.Helper()
	f.seq++
	p := f.must(ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: app, Name: name, Kind: ledger.Person}})[0].(ledger.Party)
	number := string([]byte{'1', '0', '0', '0', '0' + f.seq/100, '0' + f.seq/10%10, '0' + f.seq%10})
	linked := f.must(
		ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: app, Kind: ledger.BankAccount,
			Value: number, IFSC: "SBIN0000300", Bank: "SBIN", Currency: "INR", UPI: number + "@sbi"}},
		ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: app, Kind: ledger.Wallet, Currency: "INR"}})
	return linked[0].(ledger.Instrument), linked[1].(ledger.Instrument)
}

// rich opens a person whose wallet holds an amount, topped up from the bank account.
func (f *fixture) rich(app, name string, minor int64) (account, wallet ledger.Instrument) {
	f.Helper()
	account, wallet = f.person(app, name)
	c := f.pay(account, wallet, minor)
	c.Transfer.Kind = ledger.TopUp
	t := f.must(c)[0].(ledger.Transfer)
	f.must(f.says(t, ledger.LegDebit, ledger.SaysApproved))
	return account, wallet
}

func (f *fixture) pay(from, to ledger.Instrument, minor int64) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: from.App, Kind: ledger.Payment,
		Payer: from.End("payer"), Payee: to.End("payee"), Amount: ledger.Amount{Minor: minor, Currency: "INR"}, RRN: "630610000001"}}
}

func (f *fixture) says(t ledger.Transfer, leg ledger.Leg, o ledger.Outcome) ledger.RecordResult {
	return ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: o, Code: "00", Ref: "A1"}
}

func (f *fixture) wallet(w ledger.Instrument) *ledger.Account {
	f.Helper()
	a, err := f.store.Account(background, ledger.WalletAccount(w.Party, w.Currency).ID())
	f.check(err)
	return &a
}

// verify demands that the book holds, but for what a test wrote past the rules.
func (f *fixture) verify() {
	f.Helper()
	if f.Failed() || f.seq == 0 {
		return
	}
	_, err := ledger.Verify(background, f.store, func(v ledger.Violation) { f.Errorf("book: %+v", v) })
	f.check(err)
}

// equal compares what was read with what was written.
func equal[V any](f *fixture, got V, err error, want V, same func(a, b V) bool) {
	f.Helper()
	f.check(err)
	if !same(got, want) {
		f.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func same[V comparable](a, b V) bool { return a == b }

func sameList[V comparable](a, b []V) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func wantNotFound(f *fixture, what string, err error) {
	f.Helper()
	if !errors.Is(err, ledger.ErrNotFound) {
		f.Errorf("%s: got %v, want ErrNotFound", what, err)
	}
}
