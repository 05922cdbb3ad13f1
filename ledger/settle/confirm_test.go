package settle

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"bahi/ledger"
)

const third = "upi-2026-11-25-03" // the window that the house closes first

// settled is a house whose first window is closed: NRMD pays 430.10, KVRI gets 429.97.
func settled(h *house) {
	h.Helper()
	h.send(0, bankOf("NRMD"), bankOf("KVRI"), 500_00, paid)
	h.send(0, bankOf("KVRI"), bankOf("NRMD"), 70_00, paid)
	h.closed(0, third, "upi-2026-11-24-12")
	h.wantPositions(third, "KVRI 7000-50000+3, NRMD 50000-7000+10")
}

func (h *house) confirm(c ConfirmPosition) (ledger.Position, error) {
	c.Window, c.Currency = third, "INR"
	return h.nodes[0].Confirm(context.Background(), c)
}

// wantMoney demands what clearing, settlement and fees hold.
func (h *house) wantMoney(bank string, clearing, settlement, fees int64) {
	h.Helper()
	got := fmt.Sprint(h.balance(ledger.ClearingAccount(bank, "INR")), h.balance(ledger.SettlementAccount(bank, "INR")), h.balance(ledger.FeesAccount("INR")))
	if want := fmt.Sprint(clearing, settlement, fees); got != want {
		h.Errorf("%s: clearing, settlement, fees are %s, want %s", bank, got, want)
	}
}

func TestConfirming(t *testing.T) {
	onEach(t, 1, func(h *house) {
		settled(h)
		h.wantMoney("NRMD", 430_00, 0, 0)
		h.wantMoney("KVRI", -430_00, 0, 0)
		p, err := h.confirm(ConfirmPosition{Bank: "NRMD", Amount: 430_10, Ref: "NEFT1", By: "asha"})
		h.check(err)
		if p.State != ledger.PositionConfirmed || p.Ref != "NEFT1" || p.By != "asha" || p.Updated == 0 {
			h.Errorf("confirmed %+v", p)
		}
		h.wantMoney("NRMD", 0, 430_10, 10)
		// It is late: other windows were closed and other money moved since.
		h.send(0, bankOf("KVRI"), bankOf("NRMD"), 5_00, paid)
		h.at("2026-11-26 09:00")
		_, err = h.nodes[0].CloseDue(context.Background(), h.now.Load(), "test")
		h.check(err)
		_, err = h.confirm(ConfirmPosition{Bank: "KVRI", Amount: -429_97})
		h.check(err)
		h.wantMoney("KVRI", 5_00, -429_97, 13)
		h.wantMoney("NRMD", -5_00, 430_10, 13)
		h.verify()
		h.wantBalanced()
	})
}

func TestConfirmingAgain(t *testing.T) {
	onEach(t, 1, func(h *house) {
		settled(h)
		first, err := h.confirm(ConfirmPosition{Bank: "NRMD", Amount: 430_10, Ref: "NEFT1", By: "asha"})
		h.check(err)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				again, err := h.confirm(ConfirmPosition{Bank: "NRMD", Amount: 430_10, Ref: "NEFT2", By: "ravi"})
				if err != nil || again != first {
					h.Errorf("confirmed again: %+v, %v", again, err)
				}
			})
		}
		wg.Wait()
		_, err = h.confirm(ConfirmPosition{Bank: "NRMD", Amount: 430_10, Failed: true})
		h.refused(err, CodeAlreadyConfirmed)
		h.wantMoney("NRMD", 0, 430_10, 10)
		h.verify()
	})
}

func TestConfirmingAfterItFailed(t *testing.T) {
	onEach(t, 1, func(h *house) {
		settled(h)
		for range 2 {
			p, err := h.confirm(ConfirmPosition{Bank: "KVRI", Amount: -429_97, Failed: true, Ref: "NEFT1"})
			h.check(err)
			if p.State != ledger.PositionFailed || p.Ref != "NEFT1" {
				h.Errorf("failed: %+v", p)
			}
			h.wantMoney("KVRI", -430_00, 0, 0)
			h.verify()
		}
		p, err := h.confirm(ConfirmPosition{Bank: "KVRI", Amount: -429_97, Ref: "NEFT2"})
		h.check(err)
		if p.State != ledger.PositionConfirmed || p.Ref != "NEFT2" {
			h.Errorf("confirmed: %+v", p)
		}
		h.wantMoney("KVRI", 0, -429_97, 3)
		_, err = h.confirm(ConfirmPosition{Bank: "KVRI", Amount: -429_97, Failed: true})
		h.refused(err, CodeAlreadyConfirmed)
		h.wantMoney("KVRI", 0, -429_97, 3)
		// One bank has settled and the other has not: the book shows just that.
		h.wantMoney("NRMD", 430_00, 0, 3)
		h.verify()
		h.wantBalanced()
	})
}

func TestConfirmationsThatAreRefused(t *testing.T) {
	onEach(t, 1, func(h *house) {
		settled(h)
		h.send(0, bankOf("NRMD"), walletOf(1), 1_00, "debit approved")
		h.at("2026-11-25 11:00")
		h.closed(0, "upi-2026-11-25-04")
		for _, c := range []struct {
			confirm ConfirmPosition
			code    string
		}{
			{ConfirmPosition{Bank: "NRMD", Amount: 430_00}, CodeAmountDiffers}, // without the fees
			{ConfirmPosition{Bank: "NRMD", Amount: -430_10}, CodeAmountDiffers},
			{ConfirmPosition{Bank: "NRMD", Amount: 430_11}, CodeAmountDiffers},
			{ConfirmPosition{Bank: "NRMD", Amount: 430_11, Failed: true}, CodeAmountDiffers},
			{ConfirmPosition{Bank: "KVRI", Amount: 429_97}, CodeAmountDiffers},
			{ConfirmPosition{Bank: "STLJ", Amount: 0}, CodePositionNotFound},
		} {
			_, err := h.confirm(c.confirm)
			h.refused(err, c.code)
		}
		for _, c := range []struct {
			confirm ConfirmPosition
			code    string
		}{
			{ConfirmPosition{Window: "upi-2026-11-25-05", Bank: "NRMD", Currency: "INR", Amount: 430_10}, CodeWindowNotFound},
			{ConfirmPosition{Window: third, Bank: "NRMD", Currency: "USD", Amount: 430_10}, CodePositionNotFound},
			{ConfirmPosition{Window: "upi-2026-11-25-04", Bank: "", Currency: "INR", Amount: -1_00}, CodePositionNotFound}, // Bahi itself
		} {
			_, err := h.nodes[0].Confirm(context.Background(), c.confirm)
			h.refused(err, c.code)
		}
		h.wantMoney("NRMD", 431_00, 0, 0)
		h.verify()
	})
}

// A bank that owes exactly nothing is settled without a posting.
func TestConfirmingNothing(t *testing.T) {
	onEach(t, 1, func(h *house) {
		h.nodes[0].Schedule.Fees = Fees{}
		h.send(0, bankOf("NRMD"), bankOf("KVRI"), 500, paid)
		h.send(0, bankOf("KVRI"), bankOf("NRMD"), 500, paid)
		h.closed(0, third, "upi-2026-11-24-12")
		_, err := h.confirm(ConfirmPosition{Bank: "NRMD"})
		h.check(err)
		h.wantMoney("NRMD", 0, 0, 0)
		h.verify()
	})
}

// Positions that do not cancel out, or that differ from what is stored, are not stored.
func TestPositionsThatAreNotStored(t *testing.T) {
	onEach(t, 1, func(h *house) {
		h.closed(0, third, "upi-2026-11-24-12")
		position := func(bank string, remitted, received int64) ledger.Position {
			return ledger.Position{ID: ledger.PositionID(third, bank, "INR"), Window: third, Bank: bank, Currency: "INR", State: ledger.PositionOpen,
				Remitted: ledger.Volume{Count: 1, Minor: remitted}, Received: ledger.Volume{Count: 1, Minor: received}}
		}
		store := func(window string, positions ...ledger.Position) error {
			_, err := ledger.Do[[]ledger.Position](context.Background(), h.nodes[0].Book, StorePositions{Window: window, Positions: positions})
			return err
		}
		h.refused(store(third, position("NRMD", 500, 1), position("KVRI", 1, 499)), CodePositionsDiffer)
		h.refused(store("upi-2026-11-25-04", position("NRMD", 500, 1), position("KVRI", 1, 500)), CodeWindowNotFound)
		h.wantPositions(third, "")
		h.check(store(third, position("NRMD", 500, 1), position("KVRI", 1, 500)))
		first, err := h.nodes[0].Reader.PositionsOf(context.Background(), third)
		h.check(err)
		h.pass(time.Hour)
		h.check(store(third, position("NRMD", 500, 1), position("KVRI", 1, 500)))
		if again, err := h.nodes[0].Reader.PositionsOf(context.Background(), third); err != nil || !slices.Equal(again, first) {
			h.Errorf("stored again: %+v, first %+v, %v", again, first, err)
		}
		h.refused(store(third, position("NRMD", 501, 1), position("KVRI", 1, 501)), CodePositionsDiffer)
		h.wantPositions(third, "KVRI 1-500+0, NRMD 500-1+0")
	})
}

// found stores a break as a run of the reconciliation would.
type found struct{ b ledger.Break }

func (c found) Declare(s *ledger.Set) { s.Breaks.New(c.b.ID) }
func (c found) Apply(s *ledger.Set) (any, error) {
	s.Breaks.Put(c.b.ID, c.b)
	return nil, nil
}

// adjust corrects what a bank moved and we do not show: difference is what it took
// from, or below zero gave, to customers beyond the book.
func (h *house) adjust(bank string, n byte, difference int64) {
	h.Helper()
	s := ledger.Subject{Line: ledger.LineID{Source: ledger.SourceBank, Bank: bank, Key: ledger.LineKey{n}, N: 1}, Bank: bank}
	b := ledger.Break{ID: ledger.BreakID(ledger.ClassNotInBook, s), Class: ledger.ClassNotInBook, Subject: s, Day: ledger.DayAt(h.now.Load(), india) - 1, Currency: "INR",
		Theirs: difference, Bank: ledger.SaysYes, Book: ledger.SaysNo, State: ledger.BreakOpen}
	book, ctx := h.nodes[0].Book, context.Background()
	_, err := ledger.Do[any](ctx, book, found{b})
	h.check(err)
	made, err := ledger.Do[ledger.Correction](ctx, book, ledger.ProposeCorrection{Case: ledger.Case{Break: b, By: "asha"}})
	h.check(err)
	b.Tries++
	_, err = ledger.Do[ledger.Correction](ctx, book, ledger.ApplyCorrection{Case: ledger.Case{Break: b, By: "asha"}, ID: made.ID, Override: "for the test"})
	h.check(err)
}

// Windows for disputes settle what corrections moved between banks and suspense, and nothing else.
func TestDisputes(t *testing.T) {
	onEach(t, 1, func(h *house) {
		h.at("2026-11-25 12:30")
		h.adjust("NRMD", 1, 70_00)
		h.adjust("KVRI", 2, -20_00)
		h.adjust("NRMD", 3, -5_00)
		h.send(0, bankOf("NRMD"), bankOf("STLJ"), 9_00, paid)
		h.closed(0, "upi-2026-11-25-04", "upi-2026-11-25-11")
		h.wantPositions("upi-2026-11-25-11", "bahi 2500-7000+0, KVRI 0-2000+0, NRMD 7000-500+0")
		h.wantPositions("upi-2026-11-25-04", "NRMD 900-0+10, STLJ 0-900+0")
		h.adjust("NRMD", 4, 1_00)
		_, err := h.nodes[0].Confirm(context.Background(), ConfirmPosition{Window: "upi-2026-11-25-11", Bank: "NRMD", Currency: "INR", Amount: 65_00})
		h.check(err)
		h.at("2026-11-26 12:30")
		_, err = h.nodes[0].CloseDue(context.Background(), h.now.Load(), "test")
		h.check(err)
		h.wantPositions("upi-2026-11-25-12", "bahi 0-100+0, NRMD 100-0+0")
		h.wantPositions("upi-2026-11-26-11", "")
		h.verify()
		h.wantBalanced()
	})
}
