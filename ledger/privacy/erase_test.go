package privacy_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy/mark"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

// story is what happened between two persons and a stranger.
type story struct {
	asha, ravi                 person
	top, bought, sent, emptied ledger.Transfer
	stranger                   ledger.End
}

func (w *world) story() (s story) {
	w.Helper()
	s.asha, s.ravi = asha(w), ravi(w)
	c := pay(s.asha.account.End(s.asha.Name), s.asha.wallet.End(s.asha.Name), 50000)
	c.Transfer.Kind = ledger.TopUp
	s.top = w.paid(c)
	s.stranger = ledger.End{Name: "Dr Meenakshi", Bank: "HDFC", Account: "161803398874", IFSC: "HDFC0000001", UPI: "meenakshi@okhdfc"}
	s.bought = w.paid(pay(s.asha.account.End(s.asha.Name), s.stranger, 700))
	s.sent = w.paid(pay(s.asha.wallet.End(s.asha.Name), s.ravi.wallet.End(s.ravi.Name), 20000))
	s.emptied = w.paid(pay(s.asha.wallet.End(s.asha.Name), s.ravi.wallet.End(s.ravi.Name), 30000))
	return s
}

func (s *story) transfers() []ledger.ID {
	return []ledger.ID{s.top.ID, s.bought.ID, s.sent.ID, s.emptied.ID}
}

func (s *story) words() (all []string) {
	all = append(append(all, noteWords...), s.stranger.Name, s.stranger.Account, s.stranger.UPI)
	return append(append(all, s.asha.words()...), s.ravi.words()...)
}

func TestNothingIsStoredInTheClear(t *testing.T) {
	eachEngine(t, func(w *world) {
		s := w.story()
		w.holdsNone(s.words()...)
		got, err := w.store.Transfer(w.Context(), s.bought.ID)
		w.check(err)
		if got.Payer.Name != s.asha.Name || got.Payer.Account != s.asha.account.Value || got.Payee.Name != s.stranger.Name || got.Payee.UPI != s.stranger.UPI ||
			got.Note != s.bought.Note || got.Metadata != s.bought.Metadata {
			w.Errorf("read as %+v", got)
		}
		w.checkMarks(s.transfers(), false)
		for _, leaf := range w.leaves() {
			for _, word := range s.words() {
				if bytes.Contains(leaf, []byte(word)) {
					w.Errorf("a leaf holds %q", word)
				}
			}
		}
	})
}

// checkMarks checks the marks in the log against what may be shown of the persons.
func (w *world) checkMarks(ids []ledger.ID, erased bool) {
	w.Helper()
	people, err := w.store.People(w.Context(), ids)
	w.check(err)
	seen := 0
	for _, b := range w.leaves() {
		l, err := ledger.ParseLeaf(b)
		w.check(err)
		t, ok := l.(*ledger.Transfer)
		if !ok {
			continue
		}
		seen++
		p := people[t.ID]
		if p.Payer == nil != erased {
			w.Errorf("%s: payer is %+v", t.ID.TransferRef(), p.Payer)
		}
		for _, end := range []struct {
			mark [32]byte
			p    *mark.Person
		}{{t.Payer.Mark, p.Payer}, {t.Payee.Mark, p.Payee}} {
			if end.mark == [32]byte{} {
				w.Errorf("%s has no mark", t.ID.TransferRef())
			}
			if end.p != nil && !mark.Check(end.mark, *end.p) {
				w.Errorf("%s: the mark is not that of %+v", t.ID.TransferRef(), *end.p)
			}
		}
	}
	if seen != len(ids) {
		w.Errorf("%d transfers in the log, want %d", seen, len(ids))
	}
}

func TestErase(t *testing.T) {
	eachEngine(t, func(w *world) {
		s := w.story()
		other := privacytest.Over(w.T, w.open()) // a node that has read her before
		if p, err := other.Transfer(w.Context(), s.sent.ID); err != nil || p.Payer.Name == "" {
			w.Fatalf("%+v, %v", p, err)
		}
		before := w.leaves()
		p, err := ledger.Erase(w.Context(), w.book, w.store, s.asha.ID, "operator")
		w.check(err)
		if p.Erased == 0 || p.Closed == 0 || p.Name != "" {
			w.Errorf("erased: %+v", p)
		}
		w.readsNothing(&s)
		after := w.leaves()
		if len(after) != len(before)+1 || !reflect.DeepEqual(after[:len(before)], before) {
			w.Error("the leaves of the log have changed")
		}
		w.checkMarks(s.transfers(), true)
		w.holdsNone(s.words()...)

		again, err := ledger.Erase(w.Context(), w.book, w.store, s.asha.ID, "operator")
		if err != nil || again != p || len(w.leaves()) != len(after) {
			w.Errorf("erased again: %+v, %v", again, err)
		}
		_, err = ledger.Do[ledger.Instrument](w.Context(), w.book, ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: s.asha.ID, App: "chat", Kind: ledger.Wallet, Currency: "INR"}})
		if refusedAs(err) != ledger.CodePartyClosed {
			w.Errorf("linked to who was erased: %v", err)
		}
		_, err = ledger.Verify(w.Context(), w.store, func(v ledger.Violation) { w.Errorf("book: %+v", v) })
		w.check(err)
		time.Sleep(1100 * time.Millisecond)
		if p, err := other.Transfer(w.Context(), s.sent.ID); err != nil || p.Payer.Name != "" || p.Payee.Name == "" {
			w.Errorf("another node reads %+v, %v a second later", p, err)
		}
	})
}

// readsNothing demands that no read shows anything of Asha, and all of Ravi.
func (w *world) readsNothing(s *story) {
	w.Helper()
	ctx := w.Context()
	for _, id := range s.transfers() {
		t, err := w.store.Transfer(ctx, id)
		w.check(err)
		if t.Payer.Name+t.Payer.Account+t.Payer.UPI+t.Note+t.Metadata != "" {
			w.Errorf("the payer is %+v, with %q %q", t.Payer, t.Note, t.Metadata)
		}
		if ravis := t.Payee.Party == s.ravi.ID; (t.Payee.Name == s.ravi.Name) != ravis || (t.Payee.Name != "") != ravis {
			w.Errorf("the payee is %+v", t.Payee)
		}
	}
	list, err := w.store.Transfers(ctx, ledger.TransferFilter{Party: s.asha.ID}, ledger.Page{Limit: 10})
	w.check(err)
	if len(list) != 4 || list[0].Payer.Name != "" {
		w.Errorf("the list is %+v", list)
	}
	p, err := w.store.Party(ctx, s.asha.ID)
	if err != nil || p.Name != "" {
		w.Errorf("party %+v, %v", p, err)
	}
	if linked, err := w.store.Instruments(ctx, s.asha.ID); err != nil || len(linked) > 0 {
		w.Errorf("instruments %+v, %v", linked, err)
	}
	for _, i := range []ledger.Instrument{s.asha.phone, s.asha.handle, s.asha.account} {
		got, err := w.store.Instrument(ctx, i.ID)
		if err != nil || got.Value != "" || got.UPI != "" || !got.Unlinked {
			w.Errorf("instrument %+v, %v", got, err)
		}
		if found, err := w.store.Resolve(ctx, i.Aliases()); err != nil || len(found) > 0 {
			w.Errorf("the aliases of a %s lead to %+v, %v", i.Kind, found, err)
		}
	}
	if found, err := w.store.Resolve(ctx, s.ravi.phone.Aliases()); err != nil || found[s.ravi.phone.Aliases()[0]].Party.Name != s.ravi.Name {
		w.Errorf("Ravi's phone leads to %+v, %v", found, err)
	}
}

func TestErasureWaitsForMoneyAndForTransfersUnderWay(t *testing.T) {
	eachEngine(t, func(w *world) {
		a, r := asha(w), ravi(w)
		erase := func(p *person) string {
			_, err := ledger.Erase(w.Context(), w.book, w.store, p.ID, "operator")
			return refusedAs(err)
		}
		under := do[ledger.Transfer](w, pay(a.account.End(a.Name), r.wallet.End(r.Name), 500))
		if got := erase(&a); got != ledger.CodePartyBusy {
			w.Errorf("with a transfer under way: %q", got)
		}
		do[ledger.Recorded](w, ledger.RecordResult{Transfer: &under, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved})
		if got := erase(&r); got != ledger.CodeWalletNotEmpty {
			w.Errorf("with money: %q", got)
		}
		p, err := w.store.Party(w.Context(), r.ID)
		if linked, e := w.store.Instruments(w.Context(), r.ID); err != nil || e != nil || p.Closed != 0 || len(linked) != 4 {
			w.Errorf("a refused erasure changed %+v, %+v", p, linked)
		}
		if got := erase(&a); got != "" {
			w.Errorf("at the end: %q", got)
		}
	})
}

func TestAnswersGoWithTheirPersons(t *testing.T) {
	eachEngine(t, func(w *world) {
		a, r := asha(w), ravi(w)
		send := func(key string, c ledger.Command) (ledger.Reply, error) {
			return w.book.Submit(context.Background(), ledger.Request{Command: c, Key: &ledger.IdempotencyKey{App: "chat", Key: key}, RequestHash: [32]byte{1},
				Answer: func(any) (int, []byte) { return 201, []byte("told of Asha Venkataraman") }})
		}
		top := func(p *person, minor int64) ledger.Command {
			c := pay(p.account.End(p.Name), p.wallet.End(p.Name), minor)
			c.Transfer.Kind = ledger.TopUp
			return c
		}
		// Of one, of two, of three persons, and of none that the book knows.
		many := ledger.Many{pay(a.account.End(a.Name), ledger.End{Name: "x", Bank: "HDFC", Account: "1", IFSC: "HDFC0000001"}, 1), top(&r, 1),
			ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: "Third", Kind: ledger.Person}}}
		for i := range many[:2] {
			c := many[i].(ledger.CreateTransfer)
			c.Refused = ledger.AccountFrozen
			many[i] = c
		}
		refused := func(c ledger.CreateTransfer) ledger.CreateTransfer { c.Refused = ledger.AccountFrozen; return c }
		commands := map[string]ledger.Command{
			"asha": refused(top(&a, 5).(ledger.CreateTransfer)), "both": refused(pay(a.account.End(a.Name), r.wallet.End(r.Name), 7)), "many": many,
			"ravi": refused(top(&r, 5).(ledger.CreateTransfer)), "nobody": ledger.KeepSecret{Secret: ledger.Secret{Name: "x/1", Wrapped: []byte{1}}},
		}
		for key, c := range commands {
			first, err := send(key, c)
			if err != nil || first.Replayed {
				w.Fatalf("%s: %+v, %v", key, first, err)
			}
		}
		w.holdsNone("told of Asha")
		for key, c := range commands {
			if again, err := send(key, c); err != nil || !again.Replayed || string(again.Answer.Body) != "told of Asha Venkataraman" || again.Answer.Status != 201 {
				w.Errorf("%s again: %+v, %v", key, again, err)
			}
		}
		_, err := ledger.Erase(w.Context(), w.book, w.store, a.ID, "operator")
		w.check(err)
		before := len(w.leaves())
		for key, want := range map[string]string{"asha": ledger.CodeAnswerErased, "both": ledger.CodeAnswerErased, "many": ledger.CodeAnswerErased, "ravi": "", "nobody": ""} {
			again, err := send(key, commands[key])
			if got := refusedAs(err); got != want || (want == "" && string(again.Answer.Body) != "told of Asha Venkataraman") {
				w.Errorf("%s after the erasure: %+v, %v", key, again, err)
			}
		}
		if got := len(w.leaves()); got != before {
			w.Errorf("replays added %d leaves", got-before)
		}
	})
}

// TestNoDeletedKeyIsLeftInTheFile: once the log of the file is written back, what the
// erased person's key was wrapped as is nowhere in it.
func TestNoDeletedKeyIsLeftInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.db")
	var wrapped []byte
	during := func(f func(w *world)) []byte {
		w := &world{T: t}
		engine, err := sqlite.Open(t.Context(), path)
		w.check(err)
		w.store = privacytest.Over(t, engine)
		w.book = ledger.NewPipeline(w.store, ledger.PipelineOptions{})
		f(w)
		w.book.Close()
		w.check(w.store.Close())
		file, err := os.ReadFile(path)
		w.check(err)
		return file
	}
	var a person
	file := during(func(w *world) {
		a = asha(w)
		keys, err := w.store.PersonKeys(t.Context(), []ledger.ID{a.ID})
		w.check(err)
		wrapped = keys[0].Wrapped
	})
	if !bytes.Contains(file, wrapped) {
		t.Fatal("the key is not in the file to begin with")
	}
	file = during(func(w *world) {
		_, err := ledger.Erase(t.Context(), w.book, w.store, a.ID, "operator")
		w.check(err)
	})
	if bytes.Contains(file, wrapped) {
		t.Error("the deleted key is still in the file")
	}
}
