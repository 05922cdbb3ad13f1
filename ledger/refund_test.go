package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"bahi/ledger"
)

// refund is a refund of a payment as it is now, of all that is left where minor is 0.
func (b *book) refund(of ledger.ID, minor int64) ledger.CreateRefund {
	b.t.Helper()
	p, err := b.store.Transfer(context.Background(), of)
	if err != nil {
		b.t.Fatal(err)
	}
	c := ledger.CreateRefund{Payment: &p, ID: ledger.NewID(), RRN: "630610000003"}
	if minor != 0 {
		c.Amount = inr(minor)
	}
	return c
}

// refunds are what the book says is refunded and under way.
func (b *book) refunds(of ledger.ID) (refunded, underWay int64) {
	b.t.Helper()
	r, err := b.store.Record(context.Background(), ledger.RecordKey{Kind: ledger.RecordRefunds, ID: of})
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, 0
	}
	kept, err2 := ledger.ReadRecord[ledger.Refunds](&r)
	if err := errors.Join(err, err2); err != nil {
		b.t.Fatal(err)
	}
	return kept.Refunded, kept.UnderWay
}

func (b *book) wantRefunds(of ledger.ID, refunded, underWay int64) {
	b.t.Helper()
	if r, u := b.refunds(of); r != refunded || u != underWay {
		b.t.Fatalf("%d refunded, %d under way; want %d, %d", r, u, refunded, underWay)
	}
	b.verify()
}

// wantRefused demands a refusal that changes nothing.
func (b *book) wantRefused(c ledger.Command, code, detail string) {
	b.t.Helper()
	before := b.fingerprint()
	_, err := b.pipe.Submit(context.Background(), ledger.Request{Command: c})
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) || refusal.Code != code || !strings.Contains(refusal.Detail, detail) {
		b.t.Fatalf("%T: %v; want %s with %q", c, err, code, detail)
	}
	if b.fingerprint() != before {
		b.t.Fatalf("%T was refused and changed the book", c)
	}
}

func (b *book) balance(n ledger.AccountName) int64 {
	b.t.Helper()
	a, err := b.store.Account(context.Background(), n.ID())
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		b.t.Fatal(err)
	}
	return a.Balance()
}

func (b *book) wallet(e ledger.End) int64 {
	b.t.Helper()
	return b.balance(ledger.WalletAccount(e.Party, "INR"))
}

// notices are the types of what the apps are told of a subject, in order.
func (b *book) notices(of ledger.ID) (types []string) {
	b.t.Helper()
	rows, err := b.store.Outbox(context.Background(), 10_000)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, row := range rows {
		notices, err := ledger.ParseNotices(row.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, n := range notices {
			if n.Subject == of && n.App == "chat" {
				types = append(types, n.Type)
			}
		}
	}
	return types
}

// unlink takes the instrument of an end from its party.
func (b *book) unlink(e ledger.End) {
	b.t.Helper()
	i, err := b.store.Instrument(context.Background(), e.Instrument)
	if err != nil {
		b.t.Fatal(err)
	}
	must[ledger.Instrument](b, ledger.UnlinkInstrument{Instrument: i})
}

// Parts of a payment are refunded until nothing is left; the rest is what no amount means.
func TestRefundsOfAPaymentBetweenWallets(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.fund(account, asha, 1_000)
	paid := b.pay(asha, ravi, 700)
	part := must[ledger.Transfer](b, b.refund(paid.ID, 200))
	if part.State != ledger.Completed || part.Kind != ledger.Refund || part.Cause != (ledger.RecordKey{Kind: ledger.RecordRefunds, ID: paid.ID}) ||
		part.Payer.Party != ravi.Party || part.Payee.Party != asha.Party || part.Amount != inr(200) {
		t.Fatalf("%+v", part)
	}
	b.wantRefunds(paid.ID, 200, 0)
	b.wantRefused(b.refund(paid.ID, 501), ledger.CodeRefundTooLarge, "5.00 INR are left")
	dollars := b.refund(paid.ID, 1)
	dollars.Amount.Currency = "USD"
	b.wantRefused(dollars, ledger.CodeRefundCurrency, "INR")

	must[ledger.Transfer](b, create(ravi, asha, 100)) // Ravi has too little now
	failed := must[ledger.Transfer](b, b.refund(paid.ID, 0))
	if failed.State != ledger.Failed || failed.Reason != ledger.InsufficientFunds || failed.Amount != inr(500) {
		t.Fatalf("%+v", failed)
	}
	b.wantRefunds(paid.ID, 200, 0)
	must[ledger.Transfer](b, create(asha, ravi, 100))
	if rest := must[ledger.Transfer](b, b.refund(paid.ID, 0)); rest.State != ledger.Completed || rest.Amount != inr(500) {
		t.Fatalf("%+v", rest)
	}
	b.wantRefunds(paid.ID, 700, 0)
	for _, minor := range []int64{0, 1} {
		b.wantRefused(b.refund(paid.ID, minor), ledger.CodeNothingToRefund, "all of")
	}
	if a, r := b.wallet(asha), b.wallet(ravi); a != 1_000 || r != 0 {
		t.Errorf("the wallets hold %d and %d", a, r)
	}
	if got := strings.Join(b.notices(paid.ID), " "); got != "transfer.completed transfer.refunded transfer.refunded" {
		t.Errorf("told: %s", got)
	}
	list, err := b.store.Records(t.Context(), ledger.RecordFilter{Kind: ledger.RecordRefunds, Parent: paid.ID}, ledger.Page{Limit: 10})
	if err != nil || len(list) != 3 || list[1].ID != failed.ID || list[2].ID != part.ID {
		t.Errorf("refunds listed: %+v, %v", list, err)
	}
}

// A refund between banks holds its amount until a bank has decided; one that fails or is
// given back frees it again.
func TestRefundsFreeWhatFails(t *testing.T) {
	for _, c := range []struct {
		name, says         string
		state              ledger.State
		refunded, underWay int64
	}{
		{"on its way", "", ledger.Pending, 0, 300},
		{"debited", "debit approved", ledger.Debited, 0, 300},
		{"completed", "debit approved, credit approved", ledger.Completed, 300, 0},
		{"declined", "debit declined", ledger.Failed, 0, 0},
		{"on its way back", "debit approved, credit declined", ledger.Reversing, 0, 300},
		{"back", "debit approved, credit declined, debit_reversal approved", ledger.Reversed, 0, 0},
		{"in doubt", "debit approved, credit silent, credit_reversal silent", ledger.Deemed, 0, 300},
		{"in doubt, then done", "debit approved, credit silent, credit_reversal silent, credit approved, credit_reversal stands", ledger.Completed, 300, 0},
		{"in doubt of the debit", "debit silent, debit_reversal silent", ledger.Unresolved, 0, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBook(t)
			defer b.close()
			asha, _ := b.person("Asha", "SBIN")
			ravi, _ := b.person("Ravi", "HDFC")
			paid := b.pay(asha, ravi, 500)
			b.say(&paid, "debit approved")
			b.wantRefused(b.refund(paid.ID, 0), ledger.CodeNotCompleted, "debited")
			b.say(&paid, "credit approved")
			r := must[ledger.Transfer](b, b.refund(paid.ID, 300))
			for _, s := range strings.Split(c.says, ", ") {
				if s != "" {
					b.say(&r, s)
					b.verify()
				}
			}
			if now, _ := b.store.Transfer(t.Context(), r.ID); now.State != c.state {
				t.Fatalf("it is %s", now.State)
			}
			b.wantRefunds(paid.ID, c.refunded, c.underWay)
			left := 500 - c.refunded - c.underWay
			b.wantRefused(b.refund(paid.ID, left+1), ledger.CodeRefundTooLarge, inr(left).String())
			rest := must[ledger.Transfer](b, b.refund(paid.ID, 0))
			if rest.Amount != inr(left) {
				t.Errorf("the rest is %s", rest.Amount)
			}
			b.wantRefused(b.refund(paid.ID, 0), ledger.CodeNothingToRefund, "on its way")
		})
	}
}

// Only what the payee of a completed payment has can be refunded, and only by the app's own party.
func TestWhatCannotBeRefunded(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.fund(account, asha, 5_000)
	paid := b.pay(asha, ravi, 100)
	back := must[ledger.Transfer](b, b.refund(paid.ID, 50))
	b.wantRefused(b.refund(back.ID, 0), ledger.CodeRefundOfRefund, "refund itself")
	for kind, word := range map[ledger.Kind]string{ledger.TopUp: "top_up", ledger.Withdrawal: "withdrawal", ledger.Payout: "payout"} {
		c := create(asha, ravi, 1)
		c.Transfer.Kind = kind
		b.wantRefused(b.refund(must[ledger.Transfer](b, c).ID, 0), ledger.CodeNotAPayment, word)
	}
	funding := create(asha, ledger.End{Pot: ledger.NewID()}, 10)
	funding.Transfer.Cause = ledger.RecordKey{Kind: ledger.RecordPot, ID: funding.Transfer.Payee.Pot}
	pot := must[ledger.Transfer](b, funding)
	b.wantRefused(b.refund(pot.ID, 0), ledger.CodeRefundOfPot, "put aside")
	failed := b.pay(asha, ravi, 1_000_000)
	b.wantRefused(b.refund(failed.ID, 0), ledger.CodeNotCompleted, "failed")
	stranger := b.pay(asha, ledger.End{Name: "Gita", Bank: "HDFC", IFSC: "HDFC0000001", Account: "55500000001"}, 10)
	b.say(&stranger, "credit approved")
	b.wantRefused(b.refund(stranger.ID, 0), ledger.CodePayeeNotYours, "none of your app's")
	b.verify()
}

// The money goes back where it came from, even if that is linked no more.
func TestRefundToWhatWasUnlinked(t *testing.T) {
	b := newBook(t)
	defer b.close()
	asha, wallet := b.person("Asha", "SBIN")
	ravi, shop := b.person("Ravi", "HDFC")
	paid := b.pay(asha, ravi, 500)
	b.say(&paid, "debit approved")
	b.say(&paid, "credit approved")
	b.fund(asha, wallet, 300)
	inside := b.pay(wallet, shop, 300)
	b.unlink(asha)
	b.unlink(wallet)
	b.unlink(ravi)
	r := must[ledger.Transfer](b, b.refund(paid.ID, 0))
	if r.State != ledger.Pending || !r.Payer.Instrument.IsZero() || !r.Payee.Instrument.IsZero() || r.Payee.Account != asha.Account || r.Payer.Account != ravi.Account {
		t.Fatalf("%+v", r)
	}
	b.say(&r, "debit approved")
	b.say(&r, "credit approved")
	if r := must[ledger.Transfer](b, b.refund(inside.ID, 0)); r.State != ledger.Completed || r.Payer.Instrument != shop.Instrument {
		t.Fatalf("%+v", r)
	}
	b.wantRefunds(paid.ID, 500, 0)
	if got := b.wallet(wallet); got != 300 {
		t.Errorf("the wallet holds %d", got)
	}
	refund := b.refund(paid.ID, 0) // as it was read before
	must[ledger.Party](b, ledger.CloseParty{Party: asha.Party})
	b.wantRefused(refund, ledger.CodeRefundOfErased, "erased")
}

// Refunds in one batch see each other.
func TestManyRefundsInOneBatch(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.fund(account, asha, 1_000)
	paid := b.pay(asha, ravi, 1_000)
	var many ledger.Many
	for range 30 {
		many = append(many, b.refund(paid.ID, 70))
	}
	done := 0
	for _, o := range must[ledger.Outcomes](b, append(many, b.refund(paid.ID, 0), b.refund(paid.ID, 0))) {
		if o.Err == nil {
			done++
		}
	}
	if done != 15 { // fourteen of 70, and the rest
		t.Errorf("%d were refunded", done)
	}
	b.wantRefunds(paid.ID, 1_000, 0)
}

// tamper changes one record.
type tamper struct {
	key    ledger.RecordKey
	change func(*ledger.Record) bool // false: it is deleted
}

func (c tamper) Declare(s *ledger.Set) { s.Records.Want(c.key) }
func (c tamper) Apply(s *ledger.Set) (any, error) {
	r, _ := s.Records.Get(c.key)
	if r.RecordKey = c.key; c.change(&r) {
		s.Records.Put(c.key, r)
	} else {
		s.Records.Delete(c.key)
	}
	return nil, nil
}

// The check of the book finds records of refunds and holds that do not agree with the transfers.
func TestVerifyFindsWrongRecords(t *testing.T) {
	body := func(text string) func(*ledger.Record) bool {
		return func(r *ledger.Record) bool { r.Body = []byte(text); return true }
	}
	for _, c := range []struct {
		name, rule string
		key        func(paid, held ledger.ID) ledger.RecordKey
		change     func(*ledger.Record) bool
	}{
		{"more refunded than was", "refunds", refundsOf, body(`{"refunded":301,"under_way":0,"count":1}`)},
		{"under way what is not", "refunds", refundsOf, body(`{"refunded":300,"under_way":1,"count":1}`)},
		{"counted twice", "refunds", refundsOf, body(`{"refunded":300,"under_way":0,"count":2}`)},
		{"no record", "refunds", refundsOf, func(*ledger.Record) bool { return false }},
		{"no body", "refunds", refundsOf, body(``)},
		{"of what does not exist", "refunds", func(ledger.ID, ledger.ID) ledger.RecordKey {
			return ledger.RecordKey{Kind: ledger.RecordRefunds, ID: ledger.NewID()}
		}, body(`{}`)},
		{"held without a record", "held", holdOf, func(*ledger.Record) bool { return false }},
		{"a hold of what is not held", "held", func(paid, _ ledger.ID) ledger.RecordKey {
			return ledger.RecordKey{Kind: ledger.RecordHold, ID: paid}
		}, body(`{}`)},
		{"a hold of nothing", "belongs_to_a_transfer", func(ledger.ID, ledger.ID) ledger.RecordKey {
			return ledger.RecordKey{Kind: ledger.RecordHold, ID: ledger.NewID()}
		}, body(`{}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := holding(t, 1_000)
			account, asha := b.person("Asha", "SBIN")
			_, ravi := b.person("Ravi", "HDFC")
			b.topUp(account, asha, 5_000)
			paid, held := b.pay(asha, ravi, 500), b.pay(asha, ravi, 1_001)
			must[ledger.Transfer](b, b.refund(paid.ID, 300))
			b.verify()
			must[any](b, tamper{c.key(paid.ID, held.ID), c.change})
			var rules []string
			if _, err := ledger.Verify(t.Context(), b.store, func(v ledger.Violation) { rules = append(rules, v.Rule) }); err != nil || len(rules) == 0 || rules[0] != c.rule {
				t.Errorf("found %v, %v", rules, err)
			}
		})
	}
}

func refundsOf(paid, _ ledger.ID) ledger.RecordKey {
	return ledger.RecordKey{Kind: ledger.RecordRefunds, ID: paid}
}

func holdOf(_, held ledger.ID) ledger.RecordKey {
	return ledger.RecordKey{Kind: ledger.RecordHold, ID: held}
}

// The check of the book adds the refunds up by themselves.
func TestVerifyAddsRefundsUp(t *testing.T) {
	for _, c := range []struct {
		name, want string
		minor      int64
		back       bool
	}{{"more than was paid", "it was of 500", 501, true}, {"to somebody else", "the way it came", 499, false}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBook(t)
			defer b.close()
			account, asha := b.person("Asha", "SBIN")
			_, ravi := b.person("Ravi", "HDFC")
			_, mina := b.person("Mina", "HDFC")
			b.fund(account, asha, 2_000)
			b.fund(account, ravi, 2_000)
			paid := b.pay(asha, ravi, 500)
			forged := create(ravi, mina, c.minor)
			if c.back {
				forged.Transfer.Payee = asha
			}
			forged.Transfer.Kind, forged.Transfer.Cause = ledger.Refund, refundsOf(paid.ID, ledger.ID{})
			must[any](b, tamper{forged.Transfer.Cause, func(r *ledger.Record) bool {
				r.Body = fmt.Appendf(nil, `{"under_way":%d}`, c.minor)
				return true
			}})
			must[ledger.Transfer](b, forged)
			var found []string
			_, err := ledger.Verify(t.Context(), b.store, func(v ledger.Violation) { found = append(found, v.Rule+": "+v.Detail) })
			if err != nil || len(found) != 1 || !strings.HasPrefix(found[0], "refunds: ") || !strings.Contains(found[0], c.want) {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
}
