package ledger_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

const invitedPhone = "+919876500042"

// pot is a pot as it is stored.
func (b *book) pot(id ledger.ID) (ledger.Record, ledger.Pot) {
	b.t.Helper()
	r, err := b.store.Record(context.Background(), ledger.PotKey(id))
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := ledger.ReadRecord[ledger.Pot](&r)
	if err != nil {
		b.t.Fatal(err)
	}
	return r, p
}

// wantPot demands the state of a pot and what is in its account.
func (b *book) wantPot(id ledger.ID, state ledger.PotState, holds int64) {
	b.t.Helper()
	r, _ := b.pot(id)
	a, err := b.store.Account(context.Background(), ledger.PotAccount(id, "INR").ID())
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		b.t.Fatal(err)
	}
	if got := ledger.PotState(r.State); got != state || a.Balance() != holds {
		b.t.Fatalf("the pot is %s and holds %d; want %s, %d", got, a.Balance(), state, holds)
	}
	b.verify()
}

func fundPot(from ledger.End, p ledger.Pot) ledger.FundPot {
	if p.Lasts == 0 {
		p.Lasts = 24 * time.Hour
	}
	if p.Mode == "" {
		p.Mode = ledger.EqualShares
	}
	t := ledger.Transfer{ID: ledger.NewID(), App: "chat", Kind: ledger.Payment, Payer: from, Payee: ledger.End{Name: "somebody"}, Note: "Diwali", Conversation: "family", RRN: "630610000001"}
	return ledger.FundPot{ID: ledger.NewID(), Pot: p, Private: ledger.PotPrivate{Note: t.Note}, Payment: ledger.CreateTransfer{Transfer: t}}
}

func invitation(from ledger.End, minor int64) ledger.FundPot {
	c := fundPot(from, ledger.Pot{Type: ledger.Invitation, Amount: inr(minor), Shares: 1})
	c.Private.Phone = invitedPhone
	return c
}

func redPacket(from ledger.End, minor int64, shares int, mode ledger.PotMode, members ...ledger.ID) ledger.FundPot {
	p := ledger.Pot{Type: ledger.RedPacket, Amount: inr(minor), Shares: shares, Mode: mode, Members: ledger.NewPotMembers(members)}
	if mode == ledger.RandomShares {
		p.Seed = ledger.Seed{1, 2, 3}
	}
	return fundPot(from, p)
}

func claimPot(id ledger.ID, to ledger.End, phone string) ledger.ClaimPot {
	return ledger.ClaimPot{Pot: id, Currency: "INR", App: "chat", Payee: to, Phone: phone, Transfer: ledger.NewID(), RRN: "630610000002"}
}

// closing is the command that the agenda gives for a pot.
func (b *book) closing(id ledger.ID) ledger.ClosePot {
	b.t.Helper()
	_, p := b.pot(id)
	funding, err := b.store.Transfer(context.Background(), p.Funding)
	if err != nil {
		b.t.Fatal(err)
	}
	return ledger.ClosePot{Pot: id, Funding: &funding, Return: ledger.NewID(), RRN: "630610000003"}
}

// phone gives a party a phone.
func (b *book) phone(party ledger.ID, number string) ledger.Instrument {
	b.t.Helper()
	return must[ledger.Instrument](b, ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: party, App: "chat", Kind: ledger.Phone, Value: number}})
}

// refuses demands that a command is refused with a code, and changes nothing.
func (b *book) refuses(c ledger.Command, code string) {
	b.t.Helper()
	before := b.fingerprint()
	var refusal *ledger.Refusal
	if _, err := ledger.Do[any](context.Background(), b.pipe, c); !errors.As(err, &refusal) || refusal.Code != code {
		b.t.Fatalf("%T: %v; want %s", c, err, code)
	}
	if b.fingerprint() != before {
		b.t.Fatalf("%T was refused and changed the book", c)
	}
}

// news are the notices of records so far, by their types and numbers.
func (b *book) news() string {
	b.t.Helper()
	rows, err := b.store.Outbox(context.Background(), 10_000)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, row := range rows {
		notices, err := ledger.ParseNotices(row.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, n := range notices {
			if kind, ok := strings.CutPrefix(n.Type, "pot."); ok {
				if n.N > 0 {
					kind += " " + string(rune('0'+n.N))
				}
				out = append(out, kind)
			}
		}
	}
	return strings.Join(out, ", ")
}

func (b *book) wantNews(want string) {
	b.t.Helper()
	if got := b.news(); got != want {
		b.t.Errorf("news: %s; want %s", got, want)
	}
}

func (b *book) approve(t ledger.Transfer, leg ledger.Leg) ledger.Transfer {
	b.t.Helper()
	return must[ledger.Recorded](b, ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: ledger.SaysApproved}).Transfer
}

func (b *book) decline(t ledger.Transfer, leg ledger.Leg) ledger.Transfer {
	b.t.Helper()
	return must[ledger.Recorded](b, ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: ledger.SaysDeclined, Code: "XI"}).Transfer
}

// TestInvitationClaimed: money for a phone that nobody has waits, and is its owner's as soon as there is one.
func TestInvitationClaimed(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, raviWallet := b.person("Ravi", "HDFC")
	b.fund(account, wallet, 500)

	made := must[ledger.Funded](b, invitation(wallet, 300))
	id := made.Pot.ID
	if made.Funding.State != ledger.Completed || b.wallet(wallet) != 200 {
		t.Fatalf("the funding is %s; the sender has %d", made.Funding.State, b.wallet(wallet))
	}
	b.wantPot(id, ledger.PotOpen, 300)
	b.refuses(claimPot(id, raviWallet, invitedPhone), ledger.CodeNotInvited) // whose phone it is not yet
	b.phone(raviWallet.Party, invitedPhone)
	claimed := must[ledger.Claim](b, claimPot(id, raviWallet, invitedPhone))
	if claimed.N != 1 || claimed.Transfer.State != ledger.Completed || b.wallet(raviWallet) != 300 {
		t.Fatalf("share %d is %s; the payee has %d", claimed.N, claimed.Transfer.State, b.wallet(raviWallet))
	}
	b.wantPot(id, ledger.PotClosed, 0)
	b.refuses(claimPot(id, raviWallet, invitedPhone), ledger.CodePotClaimed)
	b.wantNews("opened, claimed 1, closed")
}

// TestInvitationIsForWhoHasThePhoneNow: neither who had it, nor who says so, nor another app's.
func TestInvitationIsForWhoHasThePhoneNow(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, first := b.person("Ravi", "HDFC")
	_, second := b.person("Mina", "HDFC")
	b.fund(account, wallet, 500)
	id := must[ledger.Funded](b, invitation(wallet, 300)).Pot.ID
	phone := b.phone(first.Party, invitedPhone)
	b.refuses(claimPot(id, second, invitedPhone), ledger.CodeNotInvited)
	other := b.phone(second.Party, "+919876500043")
	b.refuses(claimPot(id, second, other.Value), ledger.CodeNotInvited)
	b.refuses(claimPot(id, second, ""), ledger.CodeNotInvited)
	foreign := claimPot(id, first, invitedPhone)
	foreign.App = "other"
	b.refuses(foreign, ledger.CodePotNotFound)

	must[ledger.Instrument](b, ledger.UnlinkInstrument{Instrument: phone})
	b.refuses(claimPot(id, first, invitedPhone), ledger.CodeNotInvited)
	b.phone(second.Party, invitedPhone)
	b.refuses(claimPot(id, first, invitedPhone), ledger.CodeNotInvited)
	must[ledger.Claim](b, claimPot(id, second, invitedPhone))
	b.wantPot(id, ledger.PotClosed, 0)
	if b.wallet(second) != 300 || b.wallet(first) != 0 {
		t.Errorf("who has the phone has %d, who had it has %d", b.wallet(second), b.wallet(first))
	}
}

// TestInvitationOfSomebodyRegistered: whose phone is known is paid, not invited.
func TestInvitationOfSomebodyRegistered(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.fund(account, wallet, 500)
	b.phone(ravi.Party, invitedPhone)
	b.refuses(invitation(wallet, 300), ledger.CodePhoneRegistered)
}

// TestPotExpires: what nobody claims goes back to where it came from, once, when its time is over.
func TestPotExpires(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	_, mina := b.person("Mina", "HDFC")
	b.fund(account, wallet, 500)
	id := must[ledger.Funded](b, redPacket(wallet, 301, 3, ledger.EqualShares)).Pot.ID
	if c := must[ledger.Claim](b, claimPot(id, ravi, "")); c.Transfer.Amount != inr(101) {
		t.Errorf("the first share is %v", c.Transfer.Amount)
	}
	b.now = b.now.Add(24*time.Hour - time.Microsecond)
	must[ledger.Record](b, b.closing(id)) // too early
	b.wantPot(id, ledger.PotOpen, 200)
	b.now = b.now.Add(time.Microsecond)
	b.refuses(claimPot(id, mina, ""), ledger.CodePotNotOpen)
	b.wantPot(id, ledger.PotOpen, 200)
	must[ledger.Record](b, b.closing(id))
	b.wantPot(id, ledger.PotClosed, 0)
	if b.wallet(wallet) != 399 {
		t.Errorf("the sender has %d", b.wallet(wallet))
	}
	before := b.fingerprint()
	must[ledger.Record](b, b.closing(id)) // again
	if b.fingerprint() != before {
		t.Error("closing again changed the book")
	}
	b.refuses(claimPot(id, mina, ""), ledger.CodePotNotOpen)
	b.wantNews("opened, claimed 1, returned 1, closed")
}

// TestPotOfABank: the money comes from a bank, goes to banks, and back to the bank.
func TestPotOfABank(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, _ := b.person("Asha", "SBIN")
	ravi, _ := b.person("Ravi", "HDFC")
	mina, _ := b.person("Mina", "HDFC")
	made := must[ledger.Funded](b, redPacket(account, 300, 3, ledger.EqualShares))
	id := made.Pot.ID
	b.wantPot(id, ledger.PotFunding, 0)
	b.refuses(claimPot(id, ravi, ""), ledger.CodePotNotOpen)
	b.now = b.now.Add(10 * time.Second)
	b.approve(made.Funding, ledger.LegDebit)
	b.wantPot(id, ledger.PotOpen, 300)
	if _, p := b.pot(id); p.Expires != b.now.Add(24*time.Hour).UnixMicro() {
		t.Errorf("it expires at %v", time.UnixMicro(p.Expires))
	}
	first, second := must[ledger.Claim](b, claimPot(id, ravi, "")), must[ledger.Claim](b, claimPot(id, mina, ""))
	b.wantPot(id, ledger.PotOpen, 100)
	b.approve(first.Transfer, ledger.LegCredit)
	b.now = b.now.Add(24 * time.Hour)
	must[ledger.Record](b, b.closing(id)) // while the second is under way
	b.wantPot(id, ledger.PotClosing, 0)
	_, p := b.pot(id)
	back, err := b.store.Transfer(context.Background(), p.Returns[0].Transfer)
	if err != nil || back.Payee.Account != account.Account || back.Kind != ledger.Refund {
		t.Fatalf("it goes back to %+v (%v)", back.Payee, err)
	}
	b.approve(back, ledger.LegCredit)
	b.wantPot(id, ledger.PotClosing, 0)
	b.decline(second.Transfer, ledger.LegCredit) // late: due again
	b.wantPot(id, ledger.PotClosing, 100)
	b.refuses(claimPot(id, mina, ""), ledger.CodePotNotOpen) // it is too late to try again
	must[ledger.Record](b, b.closing(id))
	_, p = b.pot(id)
	if back, err = b.store.Transfer(context.Background(), p.Returns[1].Transfer); err != nil {
		t.Fatal(err)
	}
	b.approve(back, ledger.LegCredit)
	b.wantPot(id, ledger.PotClosed, 0)
	b.wantNews("opened, claimed 1, returned 1, claim_failed 2, returned 2, closed")
}

// TestPotFundingFails: a payment into a pot is refused like any other, and the pot is never open.
func TestPotFundingFails(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	poor := must[ledger.Funded](b, redPacket(wallet, 300, 3, ledger.EqualShares))
	if poor.Funding.Reason != ledger.InsufficientFunds {
		t.Errorf("the funding is %s, %s", poor.Funding.State, poor.Funding.Reason)
	}
	b.wantPot(poor.Pot.ID, ledger.PotFailed, 0)
	declined := must[ledger.Funded](b, redPacket(account, 300, 3, ledger.EqualShares))
	b.decline(declined.Funding, ledger.LegDebit)
	b.wantPot(declined.Pot.ID, ledger.PotFailed, 0)
	b.refuses(claimPot(declined.Pot.ID, ravi, ""), ledger.CodePotNotOpen)
	b.wantNews("failed, failed")
}

// TestPotFundingHeld: what the sender may still take back is not in the pot yet.
func TestPotFundingHeld(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	b.fund(account, wallet, 600)
	held := func() ledger.Funded {
		c := redPacket(wallet, 300, 3, ledger.EqualShares)
		c.Payment.Transfer.Until = b.now.Add(time.Hour).UnixMicro()
		return must[ledger.Funded](b, c)
	}
	kept, taken := held(), held()
	b.wantPot(kept.Pot.ID, ledger.PotFunding, 0)
	must[ledger.Transfer](b, ledger.CancelTransfer{Transfer: &taken.Funding})
	b.wantPot(taken.Pot.ID, ledger.PotFailed, 0)
	b.now = b.now.Add(time.Hour)
	must[ledger.Transfer](b, ledger.ReleaseTransfer{Transfer: &kept.Funding})
	b.wantPot(kept.Pot.ID, ledger.PotOpen, 300)
	if b.wallet(wallet) != 300 {
		t.Errorf("the sender has %d", b.wallet(wallet))
	}
}

// TestClaimAgain: whose bank declined may try again, for the same share and nobody else's.
func TestClaimAgain(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	ravi, raviWallet := b.person("Ravi", "HDFC")
	_, mina := b.person("Mina", "HDFC")
	_, gita := b.person("Gita", "HDFC")
	b.fund(account, wallet, 1000)
	made := must[ledger.Funded](b, redPacket(wallet, 1000, 2, ledger.RandomShares))
	id := made.Pot.ID
	shares := func() []int64 { _, p := b.pot(id); return p.Divide() }()
	first := must[ledger.Claim](b, claimPot(id, ravi, ""))
	b.refuses(claimPot(id, ravi, ""), ledger.CodePotClaimed) // under way
	b.decline(first.Transfer, ledger.LegCredit)
	b.wantPot(id, ledger.PotOpen, 1000)
	if c := must[ledger.Claim](b, claimPot(id, mina, "")); c.N != 2 || c.Transfer.Amount.Minor != shares[1] {
		t.Errorf("the second person gets share %d, %v", c.N, c.Transfer.Amount)
	}
	b.refuses(claimPot(id, gita, ""), ledger.CodePotEmpty) // the other share waits for its owner
	b.wantPot(id, ledger.PotOpen, shares[0])
	if c := must[ledger.Claim](b, claimPot(id, raviWallet, "")); c.N != 1 || c.Transfer.Amount.Minor != shares[0] {
		t.Errorf("whose bank declined gets share %d, %v", c.N, c.Transfer.Amount)
	}
	b.wantPot(id, ledger.PotClosed, 0)
	b.wantNews("opened, claim_failed 1, claimed 2, claimed 1, closed")
}

// TestClaimRefused: a claim that could not be paid takes no share.
func TestClaimRefused(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.fund(account, wallet, 1000)
	id := must[ledger.Funded](b, redPacket(wallet, 1000, 2, ledger.EqualShares)).Pot.ID
	must[ledger.Account](b, ledger.FreezeWallet{Party: ravi.Party, Currency: "INR", Frozen: true})
	b.refuses(claimPot(id, ravi, ""), ledger.CodeClaimRefused)
	must[ledger.Account](b, ledger.FreezeWallet{Party: ravi.Party, Currency: "INR"})
	unavailable := claimPot(id, ravi, "")
	unavailable.Refused = ledger.BankUnavailable
	b.refuses(unavailable, ledger.CodeClaimRefused)
	must[ledger.Claim](b, claimPot(id, ravi, ""))
	b.wantPot(id, ledger.PotOpen, 500)
}

// TestPotMembers: a pot for some is nobody else's, not even its sender's.
func TestPotMembers(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	_, mina := b.person("Mina", "HDFC")
	b.fund(account, wallet, 1000)
	id := must[ledger.Funded](b, redPacket(wallet, 1000, 2, ledger.EqualShares, mina.Party, ravi.Party, mina.Party)).Pot.ID
	b.refuses(claimPot(id, wallet, ""), ledger.CodeNotInvited)
	must[ledger.Claim](b, claimPot(id, mina, ""))
	must[ledger.Claim](b, claimPot(id, ravi, ""))
	b.wantPot(id, ledger.PotClosed, 0)
	for party, want := range map[ledger.ID]int{wallet.Party: 1, mina.Party: 1, account.Instrument: 0} {
		found, err := b.store.Records(context.Background(), ledger.RecordFilter{Kind: ledger.RecordPot, Party: party}, ledger.Page{Limit: 10})
		if err != nil || len(found) != want {
			t.Errorf("%d pots of %s (%v)", len(found), party.PartyRef(), err)
		}
	}
}

// TestPotMemberSets: membership is found wherever it stands.
func TestPotMemberSets(t *testing.T) {
	var all []ledger.ID
	for range 33 {
		all = append(all, ledger.NewID())
	}
	for n := range len(all) {
		m := ledger.NewPotMembers(all[:n])
		for i, id := range all {
			if m.Has(id) != (i < n) {
				t.Fatalf("of %d, number %d: %v", n, i, m.Has(id))
			}
		}
	}
}

// TestCancelInvitation: the sender has the money back, unless it was claimed.
func TestCancelInvitation(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	ravi, raviWallet := b.person("Ravi", "HDFC")
	b.fund(account, wallet, 900)
	cancel := func(id ledger.ID) ledger.ClosePot {
		c := b.closing(id)
		c.Cancel = true
		return c
	}
	first, second := must[ledger.Funded](b, invitation(wallet, 300)).Pot.ID, must[ledger.Funded](b, invitation(wallet, 300)).Pot.ID
	must[ledger.Record](b, cancel(first))
	b.wantPot(first, ledger.PotClosed, 0)
	before := b.fingerprint()
	must[ledger.Record](b, cancel(first)) // again
	if b.fingerprint() != before || b.wallet(wallet) != 600 {
		t.Errorf("cancelling again changed the book; the sender has %d", b.wallet(wallet))
	}
	b.phone(ravi.Party, invitedPhone)
	b.refuses(claimPot(first, ravi, invitedPhone), ledger.CodePotNotOpen)
	claim := must[ledger.Claim](b, claimPot(second, ravi, invitedPhone))
	b.refuses(cancel(second), ledger.CodePotNotCancellable)
	b.decline(claim.Transfer, ledger.LegCredit)
	must[ledger.Record](b, cancel(second)) // whose bank declined has not got it
	b.wantPot(second, ledger.PotClosed, 0)

	red := must[ledger.Funded](b, redPacket(wallet, 300, 1, ledger.EqualShares)).Pot.ID
	b.refuses(cancel(red), ledger.CodePotNotCancellable)
	must[ledger.Claim](b, claimPot(red, raviWallet, ""))
	b.wantPot(red, ledger.PotClosed, 0)
	if b.wallet(wallet) != 600 || b.wallet(raviWallet) != 300 {
		t.Errorf("the sender has %d, the other %d", b.wallet(wallet), b.wallet(raviWallet))
	}
}

// TestReturnFails: what cannot be given back is tried again, ever more seldom, and never lost.
func TestReturnFails(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	b.fund(account, wallet, 300)
	id := must[ledger.Funded](b, redPacket(wallet, 300, 1, ledger.EqualShares)).Pot.ID
	must[ledger.Account](b, ledger.FreezeWallet{Party: wallet.Party, Currency: "INR", Frozen: true})
	b.now = b.now.Add(24 * time.Hour)
	for n, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, 64 * time.Minute,
		128 * time.Minute, 256 * time.Minute, 512 * time.Minute, 1024 * time.Minute, 24 * time.Hour, 24 * time.Hour} {
		must[ledger.Record](b, b.closing(id))
		b.wantPot(id, ledger.PotClosing, 300)
		r, p := b.pot(id)
		if got := time.UnixMicro(r.Due).Sub(b.now); got != want || p.Failures != n+1 || p.Reason != ledger.AccountFrozen || p.Moves != 0 {
			t.Fatalf("after try %d it is due in %v (%+v); want %v", n+1, got, p, want)
		}
		before := b.fingerprint()
		must[ledger.Record](b, b.closing(id)) // too early
		if b.fingerprint() != before {
			t.Fatal("it was tried too early")
		}
		b.now = b.now.Add(want)
	}
	must[ledger.Account](b, ledger.FreezeWallet{Party: wallet.Party, Currency: "INR"})
	must[ledger.Record](b, b.closing(id))
	b.wantPot(id, ledger.PotClosed, 0)
	if b.wallet(wallet) != 300 {
		t.Errorf("the sender has %d", b.wallet(wallet))
	}
}

// TestReturnDeclined: a bank that declines to take the money back is asked again, and the
// payer has it even if the account was unlinked.
func TestReturnDeclined(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, _ := b.person("Asha", "SBIN")
	made := must[ledger.Funded](b, redPacket(account, 300, 1, ledger.EqualShares))
	id := made.Pot.ID
	b.approve(made.Funding, ledger.LegDebit)
	i, err := b.store.Instrument(context.Background(), account.Instrument)
	if err != nil {
		t.Fatal(err)
	}
	must[ledger.Instrument](b, ledger.UnlinkInstrument{Instrument: i})
	b.now = b.now.Add(24 * time.Hour)
	back := func() ledger.Transfer {
		must[ledger.Record](b, b.closing(id))
		b.wantPot(id, ledger.PotClosing, 0)
		_, p := b.pot(id)
		back, err := b.store.Transfer(context.Background(), p.Returns[0].Transfer)
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	first := back()
	b.decline(first, ledger.LegCredit)
	b.wantPot(id, ledger.PotClosing, 300)
	if r, p := b.pot(id); p.Reason != ledger.CreditDeclined || r.Due != b.now.Add(time.Minute).UnixMicro() {
		t.Errorf("it is due at %v: %+v", time.UnixMicro(r.Due), p)
	}
	b.now = b.now.Add(time.Minute)
	second := back()
	if second.ID == first.ID {
		t.Fatal("it was not tried again")
	}
	b.approve(second, ledger.LegCredit)
	b.wantPot(id, ledger.PotClosed, 0)
	b.wantNews("opened, returned 1, closed")
}

// TestErasureWaitsForPots: who may still get money back is not erased.
func TestErasureWaitsForPots(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.fund(account, wallet, 300)
	id := must[ledger.Funded](b, redPacket(wallet, 300, 2, ledger.EqualShares, ravi.Party)).Pot.ID
	erase := func(party ledger.ID) string {
		_, err := ledger.Erase(context.Background(), b.pipe, b.store, party, "test")
		var refusal *ledger.Refusal
		if errors.As(err, &refusal) {
			return refusal.Code
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	if code := erase(wallet.Party); code != ledger.CodePartyBusy {
		t.Errorf("the sender: %q", code)
	}
	if code := erase(ravi.Party); code != "" { // who might have claimed it can go
		t.Errorf("a member: %q", code)
	}
	b.refuses(claimPot(id, ravi, ""), ledger.CodeClaimRefused)
	b.now = b.now.Add(24 * time.Hour)
	must[ledger.Record](b, b.closing(id))
	b.wantPot(id, ledger.PotClosed, 0)
	if code := erase(wallet.Party); code != ledger.CodeWalletNotEmpty {
		t.Errorf("the sender, after: %q", code)
	}
	must[ledger.Transfer](b, create(wallet, account, 300))
	if code := erase(wallet.Party); code != ledger.CodePartyBusy { // the money is on its way to the bank
		t.Errorf("the sender, whose money is under way: %q", code)
	}
}

// TestVerifyFindsSpoiltPots: each rule about pots, broken, is named.
func TestVerifyFindsSpoiltPots(t *testing.T) {
	for _, c := range []struct {
		rule  string
		spoil func(*ledger.Record, *ledger.Pot)
	}{
		{"pot_transfers", func(_ *ledger.Record, p *ledger.Pot) { p.Taken[0].Party = ledger.ID{1} }},
		{"pot_transfers", func(_ *ledger.Record, p *ledger.Pot) { p.Taken[0].Transfer = ledger.ID{1} }},
		{"pot_transfers", func(_ *ledger.Record, p *ledger.Pot) { p.Taken[0].State = ledger.PartUnderWay }},
		{"pot_transfers", func(_ *ledger.Record, p *ledger.Pot) { p.Moves++ }},
		{"pot_transfers", func(_ *ledger.Record, p *ledger.Pot) { p.Funding = ledger.ID{1} }},
		{"pot_transfers", func(r *ledger.Record, _ *ledger.Pot) { r.State = uint8(ledger.PotFailed) }},
		{"pot_balance", func(_ *ledger.Record, p *ledger.Pot) { p.Taken = p.Taken[:1] }},
		{"pot_state", func(r *ledger.Record, _ *ledger.Pot) { r.State, r.Due = uint8(ledger.PotClosed), 0 }},
		{"pot_due", func(r *ledger.Record, _ *ledger.Pot) { r.Due = 0 }},
		{"pot_due", func(r *ledger.Record, _ *ledger.Pot) { r.State, r.Due = uint8(ledger.PotClosing), 0 }},
		{"pot_commitment", func(_ *ledger.Record, p *ledger.Pot) { p.Seed[0]++ }},
		{"pot_terms", func(_ *ledger.Record, p *ledger.Pot) { p.Shares = 1 }},
		{"pot_share", func(_ *ledger.Record, p *ledger.Pot) { p.Taken[0], p.Taken[1] = p.Taken[1], p.Taken[0] }},
		{"pot_share", func(_ *ledger.Record, p *ledger.Pot) { p.Taken[1].Party = p.Taken[0].Party }},
		{"pot_exists", func(r *ledger.Record, _ *ledger.Pot) { r.ID = ledger.ID{1} }},
		{"pot_record", func(r *ledger.Record, _ *ledger.Pot) { r.Body = []byte("{") }},
	} {
		b := newBook(t)
		account, wallet := b.person("Asha", "SBIN")
		_, ravi := b.person("Ravi", "HDFC")
		_, mina := b.person("Mina", "HDFC")
		b.fund(account, wallet, 1000)
		id := must[ledger.Funded](b, redPacket(wallet, 1000, 3, ledger.RandomShares)).Pot.ID
		must[ledger.Claim](b, claimPot(id, ravi, ""))
		must[ledger.Claim](b, claimPot(id, mina, ""))
		b.verify()
		must[any](b, spoilt{ledger.PotKey(id), c.spoil})
		var found []string
		if _, err := ledger.Verify(context.Background(), b.store, func(v ledger.Violation) { found = append(found, v.Rule) }); err != nil || !slices.Contains(found, c.rule) {
			t.Errorf("%s was broken; found: %v (%v)", c.rule, found, err)
		}
		b.close()
	}
}

// spoilt changes the record of a pot as no rule does.
type spoilt struct {
	key   ledger.RecordKey
	spoil func(*ledger.Record, *ledger.Pot)
}

func (c spoilt) Declare(s *ledger.Set) {
	s.Records.Want(c.key)
	s.Records.Want(ledger.PotKey(ledger.ID{1}))
}

func (c spoilt) Apply(s *ledger.Set) (any, error) {
	r, _ := s.Records.Get(c.key)
	p, err := ledger.ReadRecord[ledger.Pot](&r)
	if err != nil {
		return nil, err
	}
	body := r.Body
	c.spoil(&r, &p)
	if string(r.Body) == string(body) {
		r.Body = mustJSON(p)
	}
	if r.RecordKey != c.key {
		s.Records.Delete(c.key)
	}
	s.Records.Put(r.RecordKey, r)
	return nil, nil
}
