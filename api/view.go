package api

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"bahi/ledger"
)

// The views turn what the ledger holds into what the contract shows.

func timeView(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func moneyView(a ledger.Amount) Money {
	return Money{Value: a.String(), Currency: string(a.Currency)}
}

// balanceView shows a sum that may be below zero.
func balanceView(minor int64, c ledger.Currency) Balance {
	return Balance{Value: ledger.Amount{Minor: minor, Currency: c}.String(), Currency: string(c)}
}

// masked shows the last four digits of an account's number.
func masked(number string) string {
	if number == "" {
		return ""
	}
	return "••••" + number[max(0, len(number)-4):]
}

func partyView(p ledger.Party, see sight) Party {
	return Party{ID: p.ID.PartyRef(), App: p.App, Name: see.text(p.Name), Kind: PartyKind(p.Kind.String()),
		DefaultInstrument: p.Default.InstrumentRef(), CreatedAt: timeView(p.Created), ClosedAt: timeView(p.Closed), ErasedAt: timeView(p.Erased)}
}

func instrumentView(i ledger.Instrument, isDefault bool, see sight) Instrument {
	v := Instrument{ID: i.ID.InstrumentRef(), Party: i.Party.PartyRef(), Kind: InstrumentKind(i.Kind.String()),
		Bank: i.Bank, UPI: see.text(i.UPI), Currency: string(i.Currency), Default: isDefault, CreatedAt: timeView(i.Created)}
	switch i.Kind {
	case ledger.Phone:
		v.Phone = see.text(i.Value)
	case ledger.Handle:
		v.Handle = see.text(i.Value)
	case ledger.BankAccount:
		v.Account = MaskedAccount{Number: see.account(i.Value), IFSC: i.IFSC}
	}
	return v
}

func endView(e *ledger.End, see sight) TransferEnd {
	return TransferEnd{Party: e.Party.PartyRef(), Name: see.text(e.Name), Bank: e.Bank, Account: see.account(e.Account), IFSC: e.IFSC, UPI: see.text(e.UPI),
		Wallet: e.IsWallet() && !e.Instrument.IsZero(), Pot: e.Pot.PotRef()}
}

func transferView(t *ledger.Transfer, see sight) Transfer {
	v := Transfer{ID: t.ID.TransferRef(), Kind: TransferKind(t.Kind.String()), State: TransferState(t.State.String()), StatusText: statusText(t),
		Amount: moneyView(t.Amount), Payer: endView(&t.Payer, see), Payee: endView(&t.Payee, see),
		Note: see.text(t.Note), Conversation: see.text(t.Conversation), Message: see.text(t.Message), RRN: t.RRN,
		CreatedAt: timeView(t.Created), UpdatedAt: timeView(t.Updated), DecideBy: timeView(t.Deadline), Cause: causeView(t.Cause)}
	if t.State == ledger.Held {
		v.HeldUntil = timeView(t.Until)
	}
	if t.Cause.Kind == ledger.RecordRefunds { // also to and from a wallet that was unlinked since
		v.Payer.Wallet, v.Payee.Wallet = t.Payer.IsWallet(), t.Payee.IsWallet()
	}
	if see.text(t.Metadata) != "" {
		_ = json.Unmarshal([]byte(t.Metadata), &v.Metadata) // written by metadataText
	}
	if t.Reason != "" {
		v.Failure = Failure{Reason: FailureReason(t.Reason), BankCode: t.BankCode, Detail: reasonTexts[t.Reason]}
		if t.Born == ledger.Failed {
			v.Failure.RetryAt = timeView(t.Until)
		}
	}
	return v
}

func metadataText(m Metadata) string {
	if len(m) == 0 {
		return ""
	}
	return strings.TrimSuffix(string(mustMarshal(m)), "\n")
}

// statusText says in plain words, for a chat bubble, how far a transfer is.
func statusText(t *ledger.Transfer) string {
	switch t.State {
	case ledger.Pending:
		return "being sent"
	case ledger.Held:
		return "paid by the payer, held until the time to cancel is over"
	case ledger.Debited:
		return "paid by the payer, on its way to the payee"
	case ledger.Completed:
		if !t.Payee.Pot.IsZero() {
			return "paid, and put aside until it is claimed"
		}
		return completedTexts[t.Kind]
	case ledger.Failed:
		return "failed, " + reasonShort(t.Reason)
	case ledger.Cancelled:
		return "cancelled"
	case ledger.Reversing:
		return "not paid, the money is on its way back to the payer"
	case ledger.Reversed:
		return "not paid, the payer has the money back"
	default: // deemed, unresolved
		return "being confirmed"
	}
}

var completedTexts = map[ledger.Kind]string{ledger.Payment: "paid", ledger.TopUp: "added to the wallet", ledger.Withdrawal: "sent to the bank account",
	ledger.Payout: "paid by a correction", ledger.Refund: "refunded"}

// reasonShort is the first sentence of a reason's text, in the middle of another.
func reasonShort(r ledger.Reason) string {
	first, _, _ := strings.Cut(reasonTexts[r], ".")
	return strings.ToLower(first[:1]) + first[1:]
}

// reasonTexts say what was wrong and what to do.
var reasonTexts = map[ledger.Reason]string{
	ledger.InsufficientFunds:   "The wallet holds less than the amount. Top it up or pay from a bank account.",
	ledger.PayeeNotFound:       "Nobody is known by this address. Check it, or invite the payee: send to a phone with invite.",
	ledger.PayeeNotPayable:     "The payee has no account to be paid on. Ask the payee to link one.",
	ledger.PayerNotPayable:     "The payer has no account to pay from. Link a bank account or open a wallet.",
	ledger.AccountFrozen:       "One of the wallets is frozen. Ask the operator.",
	ledger.InstrumentUnlinked:  "One of the accounts was just unlinked. Try again.",
	ledger.SameAccount:         "Payer and payee are the same account.",
	ledger.CurrencyMismatch:    "One of the accounts is in another currency.",
	ledger.BankUnknown:         "One of the accounts is at no bank that is connected.",
	ledger.BankLimitExceeded:   "The amount is more than one of the banks allows in one transfer. Pay less at once.",
	ledger.NetDebitCap:         "The payer's bank may not owe the others more before it has settled. Pay from another bank, or later.",
	ledger.AmountTooLarge:      "The amount is more than the book can hold for one of the accounts.",
	ledger.DebitDeclined:       "The payer's bank declined. The bank's code says why.",
	ledger.CreditDeclined:      "The payee's bank declined. The bank's code says why.",
	ledger.BankUnavailable:     "A bank could not be reached, or never got the request. Try again later.",
	ledger.RequestExpired:      "The payer's bank was too busy to be asked in time. Try again later.",
	ledger.DebitTimedOut:       "The payer's bank did not answer in time. Whatever it took is given back.",
	ledger.CreditTimedOut:      "The payee's bank did not answer in time.",
	ledger.ReversalFailed:      "The payer's bank did not confirm that the money is back. Reconciliation decides.",
	ledger.BankContradiction:   "A bank said two things that cannot both be true. Reconciliation decides.",
	ledger.CancelledBySender:   "The sender took it back.",
	ledger.CredentialLost:      "The payer's credential was lost before the bank was asked. Ask for it again and send a new transfer.",
	ledger.PaymentsStopped:     "The payer has stopped all payments. Start them again first.",
	ledger.LimitTransfer:       "More than may be paid at once. Pay less.",
	ledger.LimitAmount:         "The payer has paid as much within a day as one may. Pay less, or later.",
	ledger.LimitCount:          "The payer has paid as often within a day as one may. Pay later.",
	ledger.LimitNewUser:        "Who is new may pay less on the first day. Pay less, or later.",
	ledger.LimitReceivedAmount: "The payee has received as much within a day as one may. Pay less, or later.",
	ledger.LimitReceivedCount:  "The payee was paid as often within a day as one may. Pay later.",
	ledger.LimitWalletBalance:  "The payee's wallet would hold more than it may. Pay less, or to a bank account.",
}

func walletView(party ledger.ID, a *ledger.Account) Wallet {
	return Wallet{Party: party.PartyRef(), Currency: string(a.Name.Currency), Balance: balanceView(a.Balance(), a.Name.Currency),
		Frozen: a.Frozen, Account: a.Name.Path}
}

func accountView(a *ledger.Account) Account {
	c := a.Name.Currency
	return Account{Name: a.Name.Path, Currency: string(c), Type: AccountType(a.Type.String()), Balance: balanceView(a.Balance(), c),
		Debits: balanceView(a.Debits, c), Credits: balanceView(a.Credits, c), Postings: a.Seq, Frozen: a.Frozen}
}

func keyView(k ledger.Key) Key {
	return Key{ID: k.ID.KeyRef(), Role: Role(k.Role.String()), App: k.App, Bank: k.Bank, Label: k.Label, PublicKey: k.PublicKey,
		CreatedAt: timeView(k.Created), RevokedAt: timeView(k.Revoked)}
}

// causeView says by what a transfer was made, where it was not asked for by itself.
func causeView(k ledger.RecordKey) TransferCause {
	if k.IsZero() {
		return TransferCause{}
	}
	return TransferCause{Kind: TransferCauseKind(k.Kind.String()), ID: k.Ref()}
}
