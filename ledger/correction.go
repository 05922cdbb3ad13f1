package ledger

import (
	"crypto/sha256"
	"encoding/binary"
)

// Action is what a [Correction] does about a break.
type Action uint8

// The actions. The first three end a transfer in doubt as the bank's statement
// says; the others bring the bank's clearing account in line with the statement,
// against the suspense account, and may pay from there.
const (
	ConfirmCredit Action = iota + 1 // the payee has the money (UPI's TCC 102): completed
	ReturnToPayer                   // the payee has not (UPI's RET): the payer gets it back
	ReverseDebit                    // the payer has paid: the debit is reversed
	ConfirmFailed                   // the payer has not paid, or has the money back: failed or reversed
	ToSuspense                      // the difference is put on suspense, or taken back from there
	RefundPayer                     // to suspense, and from there to the payer
	CreditLater                     // to suspense, and from there to the payee (UPI's TCC 103)
	ReturnLater                     // to suspense, and from there to the payer, since the payee was never credited
	PayAgain                        // a payout that failed is paid from suspense once more
)

var actionNames = [...]string{ConfirmCredit: "confirm_credit", ReturnToPayer: "return", ReverseDebit: "reverse", ConfirmFailed: "confirm_failed",
	ToSuspense: "suspense", RefundPayer: "refund", CreditLater: "credit_later", ReturnLater: "return_later", PayAgain: "pay_again"}

// String is the action's word.
func (a Action) String() string { return nameOf(actionNames[:], a) }

// ParseAction reads what String wrote.
func ParseAction(s string) (Action, bool) { return parseName[Action](actionNames[:], s) }

// Adjusts says whether the action moves the difference to suspense.
func (a Action) Adjusts() bool { return a >= ToSuspense && a != PayAgain }

// CorrectionState is how far a correction is.
type CorrectionState uint8

// The states of a correction.
const (
	CorrectionProposed CorrectionState = iota + 1
	CorrectionApproved
	CorrectionApplied
	CorrectionWithdrawn
)

var correctionStateNames = [...]string{CorrectionProposed: "proposed", CorrectionApproved: "approved", CorrectionApplied: "applied", CorrectionWithdrawn: "withdrawn"}

// String is the state's word.
func (s CorrectionState) String() string { return nameOf(correctionStateNames[:], s) }

// Correction is one attempt to mend a break. It owns the posting that it makes.
type Correction struct {
	ID         ID // see [CorrectionID]
	Break      ID
	Transfer   ID  // zero where the break is about none
	Leg        Leg // likewise
	Bank       string
	Action     Action
	Currency   Currency
	Difference int64 // of the break when it was proposed
	State      CorrectionState
	Payout     ID     // the transfer that pays from suspense, once it is applied; or zero
	Override   string // why it was applied on the day itself, or empty
	ProposedBy string
	ApprovedBy string // or empty
	AppliedBy  string // or empty
	Created    int64  // Unix microseconds
	Updated    int64
}

// CorrectionID names the n-th correction (1, 2, …) of a break.
func CorrectionID(brk ID, n int) ID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte("correction "), brk[:]...), uint32(n)))
	return ID(sum[:16])
}

// Adjusted is what an applied correction has adjusted on its side of the transfer.
func (c *Correction) Adjusted() int64 {
	if c.State != CorrectionApplied || !c.Action.Adjusts() {
		return 0
	}
	return c.Difference
}

// sides are the accounts that the correction's adjustment debits and credits: the bank's
// clearing account, so that it is what the bank's statement says, and suspense.
func (c *Correction) sides(clearing AccountName) (debit, credit AccountName) {
	debit, credit = clearing, SuspenseAccount(c.Currency)
	if taken := c.Difference > 0; taken == c.Leg.PayeeSide() { // what a bank gave, it is owed
		return credit, debit
	}
	return debit, credit
}

// PayeeSide says whether a leg is about the payee.
func (l Leg) PayeeSide() bool { return l == LegCredit || l == LegCreditReversal }
