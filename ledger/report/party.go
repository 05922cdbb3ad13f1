package report

import (
	"context"
	"errors"
	"slices"

	"bahi/ledger"
)

// rowTransfer is a transfer from or to a party's bank account, as it is now.
const rowTransfer = "transfer"

// Which way money goes, as the party sees it.
const (
	goesIn  = "in"
	goesOut = "out"
)

var partyColumns = []Column{{"row", Text}, {"account", Text}, {"currency", Text}, {"at", Time}, {"entry", Text}, {"event", Text}, {"direction", Text},
	{"amount", Money}, {"balance", Money}, {"counter_account", Text}, {"state", Text}, {"reason", Text}}

// PartyStatement is every posting of a party's wallets in a period, and every transfer
// from or to its bank accounts that was made in the period, with the state that it is
// in now: what such a transfer moved is in the bank's book. It names nobody but by ids.
func PartyStatement(ctx context.Context, r ledger.Reader, party ledger.ID, q Query) (*Report, error) {
	if _, err := r.Party(ctx, party); err != nil {
		return nil, err
	}
	wallets, err := q.of(ctx, r, ledger.WalletAccount(party, "").Path)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	facts := append(q.facts(), fact{"party", text(party.PartyRef())})
	return &Report{Name: "party-statement", Columns: partyColumns, facts: facts, rows: func(ctx context.Context, yield func(...Cell) error) error {
		if err := q.postings(ctx, newNames(r), wallets, walletRow(yield)); err != nil {
			return err
		}
		return q.transfersOf(ctx, r, party, yield)
	}}, nil
}

// walletRow turns a row of the general ledger into one of a party's statement.
func walletRow(yield func(...Cell) error) func(...Cell) error {
	return func(c ...Cell) error {
		row, account, currency, at, entry, event, counter, debit, credit, balance := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9]
		if row.text != rowPosting {
			return yield(row, account, currency, at, Cell{}, Cell{}, Cell{}, Cell{}, balance, Cell{}, Cell{}, Cell{})
		}
		direction, amount := goesIn, credit
		if debit.number > 0 { // a wallet is a liability
			direction, amount = goesOut, debit
		}
		return yield(row, account, currency, at, entry, event, text(direction), money(amount.number, amount.currency), balance, counter, Cell{}, Cell{})
	}
}

// transfersOf yields the transfers from and to the party's bank accounts, oldest first. Lists
// come from the newest: the ids are read first.
func (q *Query) transfersOf(ctx context.Context, r ledger.Reader, party ledger.ID, yield func(...Cell) error) error {
	const page = 200
	var ids []ledger.ID
	filter := ledger.TransferFilter{Party: party, From: q.From, Until: q.To + 1}
	for before := (ledger.ID{}); ; {
		list, err := r.Transfers(ctx, filter, ledger.Page{Before: before, Limit: page})
		if err != nil {
			return err
		}
		for i := range list {
			ids = append(ids, list[i].ID)
		}
		if len(list) < page {
			break
		}
		before = list[page-1].ID
	}
	slices.Reverse(ids)
	for some := range slices.Chunk(ids, page) {
		found, err := r.TransfersOf(ctx, some)
		if err != nil {
			return err
		}
		for _, id := range some {
			t := found[id]
			if err := q.transferRows(party, &t, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// transferRows are a transfer as each of the party's bank accounts that it touches sees it.
func (q *Query) transferRows(party ledger.ID, t *ledger.Transfer, yield func(...Cell) error) error {
	c := t.Amount.Currency
	if q.Currency != "" && c != q.Currency {
		return nil
	}
	for _, leg := range []ledger.Leg{ledger.LegDebit, ledger.LegCredit} {
		here, there := t.Ends(leg)
		if here.Party != party || here.IsWallet() {
			continue
		}
		direction := goesOut
		if leg == ledger.LegCredit {
			direction = goesIn
		}
		if err := yield(text(rowTransfer), text(place(here, c)), text(string(c)), at(t.Created), text(t.ID.TransferRef()), text(t.Kind.String()), text(direction),
			money(t.Amount.Minor, c), Cell{}, text(place(there, c)), text(t.State.String()), text(string(t.Reason))); err != nil {
			return err
		}
	}
	return nil
}

// place says where an end's money is, without saying whose: a bank, a wallet, a pot or suspense.
func place(e *ledger.End, c ledger.Currency) string {
	switch {
	case e.IsSuspense():
		return ledger.SuspenseAccount(c).Path
	case !e.Pot.IsZero():
		return ledger.PotAccount(e.Pot, c).Path
	case e.IsWallet():
		return ledger.WalletAccount(e.Party, c).Path
	}
	return "bank:" + e.Bank
}
