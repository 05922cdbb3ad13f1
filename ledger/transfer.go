package ledger

// Kind is what a transfer is for.
type Kind uint8

// The kinds of transfer.
const (
	Payment    Kind = iota + 1 // from one party to another
	TopUp                      // from a party's bank account to its own wallet
	Withdrawal                 // from a party's wallet to its own bank account
	Payout                     // from suspense to a bank account, by a correction
	Refund                     // from the payee of a payment back to its payer
)

var kindNames = [...]string{Payment: "payment", TopUp: "top_up", Withdrawal: "withdrawal", Payout: "payout", Refund: "refund"}

// String is the kind's word.
func (k Kind) String() string { return nameOf(kindNames[:], k) }

// State is where a transfer is in its life.
type State uint8

// The states. See [State.mayBecome] for the ways between them.
const (
	Pending    State = iota + 1 // the payer's bank is asked
	Debited                     // the payer has paid; the payee's bank is asked
	Completed                   // end: the payee has the money
	Failed                      // end: no money moved
	Cancelled                   // end: taken back before anything was sent
	Reversing                   // the payer gets the money back; the payer's bank is asked
	Reversed                    // end: the payer has the money back
	Deemed                      // the payee's bank is silent: perhaps credited; reconciliation decides
	Unresolved                  // the payer's bank is silent: perhaps debited; reconciliation decides
	Held                        // the payer has paid; the money waits until the time to cancel is over
)

var stateNames = [...]string{Pending: "pending", Debited: "debited", Completed: "completed", Failed: "failed",
	Cancelled: "cancelled", Reversing: "reversing", Reversed: "reversed", Deemed: "deemed", Unresolved: "unresolved", Held: "held"}

// String is the state's word.
func (s State) String() string { return nameOf(stateNames[:], s) }

// ParseState reads what String wrote.
func ParseState(s string) (State, bool) { return parseName[State](stateNames[:], s) }

// StateNames are the words of all states.
func StateNames() []string { return stateNames[1:] }

// Final says whether the transfer is at an end that nothing moves it from.
func (s State) Final() bool {
	return s == Completed || s == Failed || s == Cancelled || s == Reversed
}

// Waits says whether the state waits for a bank's answer to an open instruction.
func (s State) Waits() bool { return s == Pending || s == Debited || s == Reversing }

// awaits says whether a transfer in the state may wait for the leg's answer.
func (s State) awaits(l Leg) bool {
	switch l {
	case LegDebit:
		return s == Pending
	case LegDebitReversal:
		return s == Reversing
	default:
		return s == Debited
	}
}

// nextStates is the table of states.
var nextStates = [...][]State{
	Pending:    {Debited, Completed, Failed, Cancelled, Reversing, Unresolved, Held},
	Held:       {Debited, Reversing, Reversed},
	Debited:    {Completed, Reversing, Reversed, Deemed},
	Reversing:  {Reversed, Failed, Unresolved},
	Deemed:     {Completed, Reversing, Reversed},
	Unresolved: {Reversed, Failed, Reversing},
	Completed:  nil, Failed: nil, Cancelled: nil, Reversed: nil,
}

// mayBecome says whether the table of states has a way from s to next.
func (s State) mayBecome(next State) bool {
	for _, n := range nextStates[s] {
		if n == next {
			return true
		}
	}
	return false
}

// End is one end of a transfer: a bank account, or a wallet when Bank is empty.
// It does not change once the transfer is made.
type End struct {
	Party      ID // zero for somebody Bahi does not know
	Pot        ID // it is the money of a pot, whose transfer this is: see [Transfer.Cause]
	Instrument ID // zero for an account named by number only
	Name       string
	Bank       string // the bank's code; empty for a wallet
	Account    string // the account's number at the bank
	IFSC       string
	UPI        string // the UPI id it was addressed by, or empty

	// Name, Account and UPI are kept as Sealed, encrypted under the key of the party
	// (of the other end's, where this one has none), with the payer's the note and the metadata.
	// Mark is a salted SHA-256 of them: what the log knows of them.
	Sealed string
	Mark   [32]byte

	Standing Standing // for [CreateTransfer] only, and not kept
}

// Unreadable says whether it is a bank account whose number was erased with its person.
func (e *End) Unreadable() bool {
	return e.Bank != "" && e.Name == "" && e.Account == "" && e.UPI == ""
}

// IsWallet says whether the end is a wallet.
func (e *End) IsWallet() bool { return e.Bank == "" }

// IsSuspense says whether the end is the suspense account: a wallet of nobody, from
// which a correction pays.
func (e *End) IsSuspense() bool { return e.IsWallet() && e.Party.IsZero() && e.Pot.IsZero() }

// holder is whose money it is: a party's or a pot's.
func (e *End) holder() ID {
	if !e.Pot.IsZero() {
		return e.Pot
	}
	return e.Party
}

// account is the book's account that stands for the end.
func (e *End) account(c Currency) AccountName {
	switch {
	case e.IsSuspense():
		return SuspenseAccount(c)
	case !e.Pot.IsZero():
		return PotAccount(e.Pot, c)
	case e.IsWallet():
		return WalletAccount(e.Party, c)
	}
	return ClearingAccount(e.Bank, c)
}

// Transfer is an order to move an amount from the payer to the payee, and how far it is.
type Transfer struct {
	ID           ID
	App          string
	Kind         Kind
	Payer, Payee End
	Amount       Amount
	Note         string
	Conversation string // the chat's own ids, kept as given
	Message      string
	Metadata     string // a JSON object as text, or empty
	RRN          string // retrieval reference number, 12 digits; repeats after ten years: never a key
	Created      int64  // Unix microseconds, like all times of the book
	// Credential means that the payer's bank gets a credential block with the debit.
	// The block itself is in no book: whoever lost it must not send the debit.
	Credential bool
	// Cause is the record by which it was made, such as a request for money, which takes part
	// in each of its commits; or zero.
	Cause RecordKey
	// Until is when the payee of a held transfer is paid: until then the payer may take it back.
	// Of one that a limit refused it is when the limit lets as much through; Unix microseconds, or 0.
	Until int64
	Born  State // where its first commit left it; the rest is what the steps after that say

	State    State
	Reason   Reason // why it failed, is reversed or in doubt; empty otherwise
	BankCode string // the response code of the bank behind the reason, or empty
	Updated  int64
	Deadline int64 // when a state in doubt must be decided, or 0
	Steps    int   // how many lines its history has
}

// PayoutFailed says whether it is a correction's payout that did not reach its payee,
// so that the money is on suspense again.
func (t *Transfer) PayoutFailed() bool {
	return t.Kind == Payout && t.State.Final() && t.State != Completed
}

// holds says whether it is one that waits before its payee is paid.
func (t *Transfer) holds() bool { return t.Until != 0 && t.Born != Failed }

// FindPot says of the ends of a transfer that was read which is a pot's: of two that are
// nobody's account none is told apart in the book's rows but by its cause.
func (t *Transfer) FindPot() {
	if t.Cause.Kind != RecordPot {
		return
	}
	for _, e := range []*End{&t.Payer, &t.Payee} {
		if e.IsSuspense() {
			e.Pot = t.Cause.ID
		}
	}
}

// Begin puts the transfer where its first commit leaves it.
func (t *Transfer) Begin(born State, reason Reason) {
	t.Born, t.Reason = born, reason
	t.Take(t.Birth())
}

// Take moves the transfer to a line of its history.
func (t *Transfer) Take(s Step) {
	t.State, t.Reason, t.BankCode, t.Updated, t.Deadline, t.Steps = s.State, s.Reason, s.BankCode, s.At, s.Deadline, s.N
}

// Birth is the last line of the first commit: the first one, or the second where
// that commit did more than to make the transfer.
func (t *Transfer) Birth() Step {
	s := Step{Transfer: t.ID, N: 1, State: t.Born, At: t.Created}
	if t.Born != Pending {
		s.N = 2
	}
	if t.Born == Failed { // an end: the reason is still the one of that time
		s.Reason, s.BankCode = t.Reason, refusedCodes[t.Reason]
	}
	return s
}

// Beginning are the lines of the first commit. The transfer's own row holds them:
// most transfers between wallets have no others.
func (t *Transfer) Beginning() []Step {
	born := t.Birth()
	if born.N == 1 {
		return []Step{born}
	}
	return []Step{{Transfer: t.ID, N: 1, State: Pending, At: t.Created}, born}
}

// refusedCodes are the response codes of what is refused in a bank's name, before it is asked.
var refusedCodes = map[Reason]string{BankUnavailable: "U28", BankLimitExceeded: "Z8", NetDebitCap: CodeNetDebitCap}

// CodeNetDebitCap says that the payer's bank would have owed more than it may. It is
// our own code, none of UPI's.
const CodeNetDebitCap = "NETCAP"

// Reason says in one stable word why a transfer did not simply complete.
type Reason string

// The reasons.
const (
	InsufficientFunds   Reason = "insufficient_funds"
	PayeeNotFound       Reason = "payee_not_found"
	PayeeNotPayable     Reason = "payee_not_payable"
	PayerNotPayable     Reason = "payer_not_payable"
	AccountFrozen       Reason = "account_frozen"
	InstrumentUnlinked  Reason = "instrument_unlinked"
	SameAccount         Reason = "same_account"
	CurrencyMismatch    Reason = "currency_mismatch"
	BankUnknown         Reason = "bank_unknown"
	BankLimitExceeded   Reason = "bank_limit_exceeded"
	NetDebitCap         Reason = "net_debit_cap"
	AmountTooLarge      Reason = "amount_too_large"
	DebitDeclined       Reason = "debit_declined"
	CreditDeclined      Reason = "credit_declined"
	BankUnavailable     Reason = "bank_unavailable"
	RequestExpired      Reason = "request_expired"
	DebitTimedOut       Reason = "debit_timed_out"
	CreditTimedOut      Reason = "credit_timed_out"
	ReversalFailed      Reason = "reversal_failed"
	BankContradiction   Reason = "bank_contradiction"
	CancelledBySender   Reason = "cancelled_by_sender"
	CredentialLost      Reason = "credential_lost"
	PaymentsStopped     Reason = "payments_stopped"
	LimitTransfer       Reason = "limit_transfer"
	LimitAmount         Reason = "limit_amount"
	LimitCount          Reason = "limit_count"
	LimitNewUser        Reason = "limit_new_user"
	LimitReceivedAmount Reason = "limit_received_amount"
	LimitReceivedCount  Reason = "limit_received_count"
	LimitWalletBalance  Reason = "limit_wallet_balance"
)

// Leg is one of the four things a bank can be asked to do for a transfer.
type Leg uint8

// The legs.
const (
	LegDebit Leg = iota + 1
	LegCredit
	LegDebitReversal
	LegCreditReversal
)

// legs are all legs, in the order of their numbers.
var legs = [...]Leg{LegDebit, LegCredit, LegDebitReversal, LegCreditReversal}

var legNames = [...]string{LegDebit: "debit", LegCredit: "credit", LegDebitReversal: "debit_reversal", LegCreditReversal: "credit_reversal"}

// String is the leg's word.
func (l Leg) String() string { return nameOf(legNames[:], l) }

// ParseLeg reads what String wrote.
func ParseLeg(s string) (Leg, bool) { return parseName[Leg](legNames[:], s) }

// Reverses is the leg that l undoes, or 0 where l is no reversal.
func (l Leg) Reverses() Leg {
	switch l {
	case LegDebitReversal:
		return LegDebit
	case LegCreditReversal:
		return LegCredit
	}
	return 0
}

// Ends are the end of the transfer that a leg is about, and the other one.
func (t *Transfer) Ends(l Leg) (here, there *End) {
	if l == LegCredit || l == LegCreditReversal {
		return &t.Payee, &t.Payer
	}
	return &t.Payer, &t.Payee
}

// InstructionID names an instruction to a bank; it stays the same over retries
// and is what a bank recognises a repeat by.
type InstructionID struct {
	Transfer ID
	Leg      Leg
}

// String is the outside form: the transfer's reference, a point and the leg.
func (i InstructionID) String() string { return i.Transfer.TransferRef() + "." + i.Leg.String() }

// InstructionState is what is known of an instruction.
type InstructionState uint8

// The states of an instruction; the first three are open.
const (
	Queued   InstructionState = iota + 1 // not sent: may be cancelled
	Sent                                 // may have reached the bank
	InDoubt                              // the bank did not answer in time: it is asked what became of it
	Approved                             // the bank did it
	Declined                             // the bank refused to
	NotDone                              // the bank never saw it, or it was never sent
	Stands                               // a credit's reversal: the credit was done and stands
	Silent                               // given up: the bank never said
	Dropped                              // cancelled before it was sent
)

var instructionStateNames = [...]string{Queued: "queued", Sent: "sent", InDoubt: "in_doubt", Approved: "approved", Declined: "declined",
	NotDone: "not_done", Stands: "stands", Silent: "silent", Dropped: "dropped"}

// String is the state's word.
func (s InstructionState) String() string { return nameOf(instructionStateNames[:], s) }

// Open says whether the instruction still waits for an answer.
func (s InstructionState) Open() bool { return s >= Queued && s <= InDoubt }

// Instruction asks one bank to carry out one leg of a transfer.
type Instruction struct {
	ID       InstructionID
	Bank     string
	Node     ID // which node drives it
	State    InstructionState
	Attempts int    // how often the bank was asked without a usable answer
	Due      int64  // open: when it is to be taken up (again); Unix microseconds
	Code     string // the bank's response code, or empty
	Ref      string // the bank's own reference (approval number), or empty
	Created  int64
	Updated  int64
}

// Step is one line of a transfer's history. Steps are only ever added.
type Step struct {
	Transfer ID
	N        int // 1, 2, 3 …
	State    State
	Reason   Reason
	BankCode string
	At       int64
	Deadline int64 // of a state in doubt: when it must be decided; else 0
}

// Contradiction is a word of a bank that contradicts an earlier one, kept for reconciliation. It moves no money.
type Contradiction struct {
	Instruction InstructionID
	Was         InstructionState // what the bank had said before
	Says        Outcome          // what it says now
	Code        string
	At          int64
}
