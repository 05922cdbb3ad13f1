package storetest

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"bahi/ledger"
)

// flowBook is a book of random postings, and whose account is whose.
type flowBook struct {
	*fixture
	some
	banks    map[ledger.AccountID]string // of the clearing accounts
	wallets  []ledger.End
	counted  []ledger.AccountName // transit and suspense
	transfer map[ledger.ID]ledger.Transfer
}

var flowBanks = []string{"SBIN", "HDFC", "ICIC"}

// testFlows compares the sums of cuts with those of all postings, one by one.
func testFlows(f *fixture) {
	b := &flowBook{fixture: f, some: some{rand.New(rand.NewPCG(41, 42))}, banks: map[ledger.AccountID]string{}, transfer: map[ledger.ID]ledger.Transfer{}}
	for range 2 {
		b.wallets = append(b.wallets, ledger.End{Party: ledger.NewID()})
	}
	for _, c := range []ledger.Currency{"INR", "USD"} {
		for stripe := range 3 {
			b.counted = append(b.counted, ledger.TransitAccount(c).Stripe(stripe))
		}
		b.counted = append(b.counted, ledger.SuspenseAccount(c))
	}
	for range 8 {
		b.write()
	}
	var postings []ledger.Posting
	last := map[ledger.AccountID]int64{}
	f.check(f.store.Audit(background, func(s ledger.Snapshot) error {
		for p, err := range s.Postings() {
			f.check(err)
			postings = append(postings, p)
			last[p.Debit], last[p.Credit] = max(last[p.Debit], p.DebitSeq), max(last[p.Credit], p.CreditSeq)
		}
		return nil
	}))
	for n := range 25 {
		var cuts []ledger.Cut
		for _, a := range b.counted {
			cut := ledger.Cut{Account: a.ID(), UpTo: last[a.ID()]}
			if n > 0 { // at first all of it
				cut.UpTo = b.Int64N(cut.UpTo + 1)
				cut.After = b.Int64N(cut.UpTo + 1)
			}
			cuts = append(cuts, cut)
		}
		want := b.flows(postings, cuts)
		got, err := f.store.Flows(background, cuts)
		equal(f, got, err, want, sameList)
		if n == 0 && len(want) < 2*(len(flowBanks)*len(flowBanks)+2*len(flowBanks)) {
			f.Errorf("only %d flows", len(want))
		}
	}
	none, err := f.store.Flows(background, nil)
	equal(f, none, err, nil, sameList)
}

// write makes a batch of transfers and adjustments.
func (b *flowBook) write() {
	type posting struct {
		entry         ledger.ID
		event         ledger.Event
		debit, credit ledger.AccountName
		amount        int64
	}
	var posts []posting
	var made []ledger.Transfer
	for range 60 {
		t := b.some.transfer()
		t.ID, t.Amount.Currency, t.Amount.Minor = ledger.NewID(), []ledger.Currency{"INR", "USD"}[b.IntN(2)], 1+b.Int64N(1000)
		t.Payer, t.Payee = b.end(), b.end()
		made = append(made, t)
		c, amount := t.Amount.Currency, t.Amount.Minor
		payer, payee, transit := b.account(t.Payer, c), b.account(t.Payee, c), ledger.TransitAccount(c).Stripe(b.IntN(3))
		if t.Payer.IsWallet() && !t.Payer.IsSuspense() { // it must hold what it pays
			posts = append(posts, posting{ledger.NewID(), ledger.EventWallet, b.account(ledger.End{Bank: "SBIN"}, c), payer, amount})
		}
		posts = append(posts, posting{t.ID, ledger.EventDebit, payer, transit, amount})
		switch b.IntN(4) {
		case 0:
			posts = append(posts, posting{t.ID, ledger.EventDebitReversal, transit, payer, amount})
		case 1:
			posts = append(posts, posting{t.ID, ledger.EventCredit, transit, payee, amount}, posting{t.ID, ledger.EventCreditReversal, payee, transit, amount})
		default:
			posts = append(posts, posting{t.ID, ledger.EventCredit, transit, payee, amount})
		}
		bank, suspense := b.account(ledger.End{Bank: flowBanks[b.IntN(3)]}, c), ledger.SuspenseAccount(c)
		if b.IntN(2) == 0 {
			bank, suspense = suspense, bank
		}
		posts = append(posts, posting{ledger.NewID(), ledger.EventAdjustment, bank, suspense, amount})
	}
	b.check(b.batch(func(s *ledger.Set) {
		for _, t := range made {
			s.Transfers.Want(t.ID)
		}
		for _, p := range posts {
			s.WantAccount(p.debit)
			s.WantAccount(p.credit)
		}
	}, func(s *ledger.Set) error {
		for _, t := range made {
			s.Transfers.Put(t.ID, t)
			b.transfer[t.ID] = t
		}
		for _, p := range posts {
			s.Post(p.entry, p.event, p.debit, p.credit, p.amount)
		}
		return nil
	}))
}

func (b *flowBook) end() ledger.End {
	switch n := b.IntN(6); {
	case n < 3:
		return ledger.End{Bank: flowBanks[n]}
	case n < 5:
		return b.wallets[n-3]
	}
	return ledger.End{} // suspense
}

// account is an end's account, of a bank any stripe.
func (b *flowBook) account(e ledger.End, c ledger.Currency) ledger.AccountName {
	switch {
	case e.IsSuspense():
		return ledger.SuspenseAccount(c)
	case e.IsWallet():
		return ledger.WalletAccount(e.Party, c)
	}
	n := ledger.ClearingAccount(e.Bank, c).Stripe(b.IntN(3))
	b.banks[n.ID()] = e.Bank
	return n
}

// flows adds posting by posting.
func (b *flowBook) flows(postings []ledger.Posting, cuts []ledger.Cut) (flows []ledger.Flow) {
	sums := map[[3]string]ledger.Volume{}
	for _, p := range postings {
		for _, c := range cuts {
			debited := p.Debit == c.Account && p.DebitSeq > c.After && p.DebitSeq <= c.UpTo
			credited := p.Credit == c.Account && p.CreditSeq > c.After && p.CreditSeq <= c.UpTo
			t := b.transfer[p.Entry]
			var from, to string
			switch {
			case debited && p.Event == ledger.EventCredit:
				from, to = t.Payer.Bank, t.Payee.Bank
			case credited && p.Event == ledger.EventCreditReversal:
				from, to = t.Payee.Bank, t.Payer.Bank
			case (debited || credited) && p.Event == ledger.EventAdjustment:
				from, to = b.banks[p.Debit], b.banks[p.Credit] // one of them is suspense
			default:
				continue
			}
			k := [3]string{from, to, string(p.Currency)}
			sums[k] = ledger.Volume{Count: sums[k].Count + 1, Minor: sums[k].Minor + p.Amount}
		}
	}
	for k, v := range sums {
		flows = append(flows, ledger.Flow{Payer: k[0], Payee: k[1], Currency: ledger.Currency(k[2]), Count: v.Count, Minor: v.Minor})
	}
	slices.SortFunc(flows, func(x, y ledger.Flow) int {
		return cmp.Or(cmp.Compare(x.Payer, y.Payer), cmp.Compare(x.Payee, y.Payee), cmp.Compare(x.Currency, y.Currency))
	})
	return flows
}
