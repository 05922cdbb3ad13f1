package simulate

import (
	"fmt"
	"math"
	"slices"

	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/feed"
	"bahi/ledger/report/reporttest"
)

// check holds the book, the banks' books and the chats' memories against each
// other, once the world has come to rest.
func (w *world) check() {
	if _, err := ledger.Verify(background, w.store, func(v ledger.Violation) { w.found("the book: %s %s: %s", v.Rule, v.Where, v.Detail) }); err != nil {
		w.found("the book cannot be verified: %v", err)
	}
	if err := reporttest.Check(background, w.store); err != nil {
		w.found("the reports: %v", err)
	}
	files, err := w.files()
	if err != nil {
		w.found("the book cannot be read: %v", err)
		return
	}
	w.takeEntries(files)
	for _, f := range files {
		w.report.States[f.State]++
		w.checkFile(f)
	}
	w.checkClearing(files)
	w.checkWallets(files)
	w.checkWishes(files)
	w.checkEvents(files)
	w.checkForgotten()
}

// file is a transfer with what we hold of its legs, and what the banks did of them.
type file struct {
	ledger.Transfer
	legs map[ledger.Leg]ledger.Instruction
	done map[ledger.Leg]sim.Entry
}

// files are all transfers, oldest first.
func (w *world) files() (files []*file, err error) {
	err = w.store.Audit(background, func(s ledger.Snapshot) error {
		byID := map[ledger.ID]*file{}
		for t, err := range s.Transfers(ledger.Range{}) {
			if err != nil {
				return err
			}
			f := &file{Transfer: t, legs: map[ledger.Leg]ledger.Instruction{}, done: map[ledger.Leg]sim.Entry{}}
			files, byID[t.ID] = append(files, f), f
		}
		for i, err := range s.Instructions(ledger.Range{}) {
			if err != nil {
				return err
			}
			if f := byID[i.ID.Transfer]; f != nil {
				f.legs[i.ID.Leg] = i
			}
		}
		return nil
	})
	return files, err
}

// takeEntries gives each file what the banks did for it: at the right bank, with
// the right account and amount, and once.
func (w *world) takeEntries(files []*file) {
	byID := map[ledger.ID]*file{}
	for _, f := range files {
		byID[f.ID] = f
	}
	for _, h := range w.hosts {
		for e := range h.bank.Entries() {
			f := byID[e.ID.Transfer]
			if f == nil {
				w.found("%s did %s, of a transfer that we do not have", h.code, e.ID)
				continue
			}
			here, _ := f.Ends(e.ID.Leg)
			_, asked := f.legs[e.ID.Leg]
			_, twice := f.done[e.ID.Leg]
			if !asked || twice || here.Bank != h.code || here.Account != e.Account || f.Amount.Minor != e.Amount {
				w.found("%s did %s with %d on account %s: asked for %v, done before %v; the transfer is of %d, %s %s", h.code, e.ID, e.Amount, e.Account,
					asked, twice, f.Amount.Minor, here.Bank, here.Account)
			}
			f.done[e.ID.Leg] = e
		}
	}
}

// checkFile holds a transfer's legs and its state against what the banks did.
func (w *world) checkFile(f *file) {
	for leg := ledger.LegDebit; leg <= ledger.LegCreditReversal; leg++ {
		i, asked := f.legs[leg]
		_, done := f.done[leg]
		switch {
		case !asked || i.State == ledger.Silent: // of what it was silent about, the bank may have done either
		case i.State.Open():
			w.found("%s is still %s, and nothing goes on", i.ID, i.State)
		case done != (i.State == ledger.Approved):
			w.found("%s is %s, and the bank did it: %v", i.ID, i.State, done)
		}
	}
	paid := f.moved(ledger.LegDebit, ledger.LegDebitReversal, f.Payer.IsWallet())
	got := f.moved(ledger.LegCredit, ledger.LegCreditReversal, f.Payee.IsWallet())
	switch f.State {
	case ledger.Completed:
		w.demand(f, paid && got, paid, got)
	case ledger.Failed, ledger.Cancelled, ledger.Reversed:
		w.demand(f, !paid && !got, paid, got)
	case ledger.Deemed:
		w.demand(f, paid, paid, got)
		w.inDoubt(f, ledger.LegCreditReversal)
	case ledger.Unresolved:
		w.demand(f, !got, paid, got)
		w.inDoubt(f, ledger.LegDebitReversal)
	default:
		w.found("%s is still %s", f.ID.TransferRef(), f.State)
	}
}

// moved says whether an end's money has moved and stayed: at its bank, or in its wallet.
func (f *file) moved(leg, reversal ledger.Leg, wallet bool) bool {
	if wallet { // which moves with the state
		return f.State == ledger.Completed || (leg == ledger.LegDebit && (f.State == ledger.Deemed))
	}
	_, done := f.done[leg]
	_, undone := f.done[reversal]
	return done && !undone
}

func (w *world) demand(f *file, holds, paid, got bool) {
	if !holds {
		w.found("%s is %s: the payer has paid %v, the payee has the money %v", f.ID.TransferRef(), f.State, paid, got)
	}
}

// inDoubt demands that a transfer in doubt was given all its chances: its bank
// was asked as often as it may be, or contradicted itself.
func (w *world) inDoubt(f *file, leg ledger.Leg) {
	i := f.legs[leg]
	if !(i.State == ledger.Silent && i.Attempts == len(w.plan.policy.Reversals)+1) && !w.breaks[i.ID] {
		w.found("%s is %s, though %s is %s after %d attempts", f.ID.TransferRef(), f.State, i.ID, i.State, i.Attempts)
	}
}

// checkClearing holds each bank's clearing account against what the bank moved;
// what it was silent about is not in ours.
func (w *world) checkClearing(files []*file) {
	for _, h := range w.hosts {
		want := h.bank.Net()
		for _, f := range files {
			for leg, i := range f.legs {
				if e, done := f.done[leg]; done && i.Bank == h.code && i.State == ledger.Silent {
					want -= e.Net()
				}
			}
		}
		stripes, err := ledger.Stripes(background, w.store, ledger.ClearingAccount(h.code, "INR"))
		have := int64(0)
		for n := range stripes {
			have += stripes[n].Balance()
		}
		if err != nil || have != want {
			w.found("%s moved %d net, our clearing accounts say %d (%v)", h.code, want, have, err)
		}
	}
}

// checkWallets derives each wallet's balance from the transfers' states alone.
func (w *world) checkWallets(files []*file) {
	for _, p := range w.chat.people {
		want := int64(0)
		for _, f := range files {
			if f.Payee.IsWallet() && f.Payee.Party == p.party.ID && f.State == ledger.Completed {
				want += f.Amount.Minor
			}
			if f.Payer.IsWallet() && f.Payer.Party == p.party.ID && (f.State == ledger.Completed || f.State == ledger.Deemed) {
				want -= f.Amount.Minor
			}
		}
		a, err := w.store.Account(background, ledger.WalletAccount(p.party.ID, "INR").ID())
		if err != nil || a.Balance() != want {
			w.found("%s's wallet has %d, its transfers add up to %d (%v)", p.party.Name, a.Balance(), want, err)
		}
	}
}

// takenBack says whether the transfer is at an end of those that were cancelled. Of a held
// one the payer's bank is asked for the money, and may be silent.
func takenBack(f *file) bool {
	if f.Until != 0 && f.State != ledger.Cancelled {
		return f.State == ledger.Unresolved || (f.State == ledger.Reversed && f.Reason == ledger.CancelledBySender)
	}
	return f.State == ledger.Cancelled
}

// checkWishes demands that each wish came to one transfer, the one that the chat was told of.
func (w *world) checkWishes(files []*file) {
	byKey := map[string][]*file{}
	for _, f := range files {
		byKey[f.Message] = append(byKey[f.Message], f)
	}
	for _, x := range w.chat.wishes {
		made := byKey[x.key.Key]
		delete(byKey, x.key.Key)
		if len(made) != 1 || made[0].ID != x.id || made[0].Amount != x.order.Amount || made[0].Payer != x.order.Payer || made[0].Payee != x.order.Payee {
			w.found("%s was answered %q, and came to %d transfers%s", x.key.Key, x.body, len(made), refs(made))
			continue
		}
		if state := made[0].State; (x.cancelled && !takenBack(made[0])) || (x.refused && state == ledger.Cancelled) || (x.ended != 0 && state != x.ended) {
			w.found("%s is %s; its cancellation was granted %v, refused %v; the end that was seen is %s", x.key.Key, state, x.cancelled, x.refused, x.ended)
		}
	}
	for key := range byKey {
		w.found("nobody asked for %q", key)
	}
}

// checkEvents demands that a chat was told of each step of each transfer, once and in
// order, with numbers that have no gap.
func (w *world) checkEvents(files []*file) {
	told, apps := map[ledger.ID][]string{}, map[string]bool{}
	for _, f := range files {
		apps[f.App] = true
	}
	for app := range apps {
		events, err := feed.Read(background, w.store, app, 0, math.MaxInt)
		if err != nil {
			w.found("the events of %s cannot be read: %v", app, err)
		}
		for n, e := range events {
			if e.Sequence != int64(n+1) {
				w.found("event %d of %s has the number %d", n+1, app, e.Sequence)
			}
			told[e.Subject] = append(told[e.Subject], fmt.Sprint(e.N, " ", e.Type))
		}
	}
	for _, f := range files {
		steps, _, err := w.store.TransferHistory(background, f.ID)
		if err != nil {
			w.found("the history of %s cannot be read: %v", f.ID.TransferRef(), err)
			continue
		}
		var want []string
		for _, s := range steps[f.Birth().N-1:] {
			want = append(want, fmt.Sprint(s.N, " ", ledger.TransferNotice(s.State)))
		}
		if !slices.Equal(told[f.ID], want) {
			w.found("of %s is told %v, want %v", f.ID.TransferRef(), told[f.ID], want)
		}
		delete(told, f.ID)
	}
	if len(told) > 0 {
		w.found("events are told of %d transfers that there are not", len(told))
	}
}

func refs(files []*file) (s string) {
	for _, f := range slices.Clone(files) {
		s += fmt.Sprintf(" %s", f.ID.TransferRef())
	}
	return s
}
