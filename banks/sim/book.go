package sim

import (
	"fmt"
	"iter"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"bahi/banks"
	"bahi/ledger"
)

// Entry is one line of the bank's ledger: money that it moved.
type Entry struct {
	ID      ledger.InstructionID // its leg says which way the money went
	Account string
	Amount  int64  // above zero, in minor units of the bank's currency
	RRN     string // as instructed
	Ref     string // the bank's own reference
	At      time.Time
}

// Net is the entry's part of [Bank.Net]: above zero for what left the account.
func (e *Entry) Net() int64 {
	if takes(e.ID.Leg) {
		return e.Amount
	}
	return -e.Amount
}

// takes says whether the leg takes money out of the account.
func takes(l ledger.Leg) bool { return l == debit || l == creditReversal }

// fact is an instruction that the bank has decided, and its answer for good.
// Money moved if, and only if, it was approved.
type fact struct {
	n       int // its place in the book, from 0
	id      ledger.InstructionID
	account string
	amount  int64
	rrn     string
	at      int64 // Unix microseconds
	outcome ledger.Outcome
	code    string
}

// book is what the bank knows. It holds no lock, no file and no clock.
type book struct {
	code     string
	currency ledger.Currency
	opening  int64   // every account's first balance
	facts    []*fact // in order; never changed
	index    map[ledger.InstructionID]*fact
	moved    map[string]int64 // by account: into it minus out of it
}

func newBook(code string, currency ledger.Currency, opening int64) *book {
	return &book{code: code, currency: currency, opening: opening,
		index: map[ledger.InstructionID]*fact{}, moved: map[string]int64{}}
}

func (k *book) find(id ledger.InstructionID) (*fact, bool) {
	f, ok := k.index[id]
	return f, ok
}

// add takes in the next fact, once it is safely written.
func (k *book) add(f *fact) {
	k.index[f.id] = f
	k.facts = append(k.facts, f)
	switch {
	case f.outcome != ledger.SaysApproved:
	case takes(f.id.Leg):
		k.moved[f.account] -= f.amount
	default:
		k.moved[f.account] += f.amount
	}
}

// ref is the bank's own reference of a fact.
func (k *book) ref(f *fact) string { return fmt.Sprintf("%s%010d", k.code, f.n+1) }

// answer is what the bank says of a fact, every time.
func (k *book) answer(f *fact) banks.Answer {
	return banks.Answer{Outcome: f.outcome, Code: f.code, Ref: k.ref(f)}
}

func (k *book) balance(account string) int64 {
	if missing(account) {
		return 0
	}
	return k.opening + k.moved[account]
}

// entries are the facts that moved money.
func (k *book) entries(facts []*fact) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, f := range facts {
			if f.outcome == ledger.SaysApproved && !yield(Entry{ID: f.id, Account: f.account, Amount: f.amount,
				RRN: f.rrn, Ref: k.ref(f), At: time.UnixMicro(f.at).UTC()}) {
				return
			}
		}
	}
}

// missing says whether no such account can be: every other number is opened by its first use.
func missing(account string) bool {
	return account == "" || strings.HasPrefix(account, "0000") || !utf8.ValidString(account)
}

// decide makes a fact of an instruction that the bank has not decided before.
func (k *book) decide(i *banks.Instruction, act Act, at time.Time) *fact {
	f := &fact{n: len(k.facts), id: i.ID, account: i.Account.Number, amount: i.Amount.Minor, rrn: i.RRN, at: at.UnixMicro()}
	if original, ok := original(i.ID); ok {
		k.reverse(f, original, act)
	} else {
		k.submit(f, i.Amount.Currency, act)
	}
	return f
}

// codes are the response codes that differ by the side of the bank.
type codes struct{ noAccount, other, notDone, unseen string }

var (
	remitter    = codes{noAccount: "XH", other: "XB", notDone: "ND", unseen: "OD"}
	beneficiary = codes{noAccount: "XI", other: "XC", notDone: "NC", unseen: "OC"}
)

func codesOf(l ledger.Leg) *codes {
	if l == debit || l == debitReversal {
		return &remitter
	}
	return &beneficiary
}

const (
	approved          = "00"
	insufficientFunds = "Z9"
	expired           = "U69" // an original that comes after its reversal
	creditStands      = "CS"
)

// submit decides a debit or a credit.
func (k *book) submit(f *fact, currency ledger.Currency, act Act) {
	code := codesOf(f.id.Leg)
	_, reversed := k.find(ledger.InstructionID{Transfer: f.id.Transfer, Leg: reversalOf(f.id.Leg)})
	refuse := (act.Does == Declines || act.Does == Contradicts) && act.Code != ""
	balance := k.balance(f.account)
	f.outcome = ledger.SaysDeclined
	switch {
	case reversed:
		f.code = expired
	case missing(f.account):
		f.code = code.noAccount
	case refuse:
		f.code = act.Code
	case currency != k.currency || f.amount <= 0:
		f.code = code.other
	case f.id.Leg == debit && balance < f.amount:
		f.code = insufficientFunds
	case f.id.Leg == credit && balance > math.MaxInt64-f.amount:
		f.code = code.other
	default:
		f.outcome, f.code = ledger.SaysApproved, approved
	}
}

// reverse decides a reversal.
func (k *book) reverse(f *fact, id ledger.InstructionID, act Act) {
	code := codesOf(f.id.Leg)
	o, seen := k.find(id)
	switch {
	case !seen:
		f.outcome, f.code = ledger.SaysNotDone, code.unseen
		return
	case o.outcome != ledger.SaysApproved:
		f.outcome, f.code = ledger.SaysNotDone, code.notDone
		return
	}
	spent := act.Does == Stands || k.balance(o.account) < o.amount
	if f.id.Leg == creditReversal && spent {
		f.outcome, f.code = ledger.SaysStands, creditStands
		return
	}
	f.outcome, f.code = ledger.SaysApproved, approved
}

// original is what a reversal undoes.
func original(id ledger.InstructionID) (ledger.InstructionID, bool) {
	switch id.Leg {
	case debitReversal:
		return ledger.InstructionID{Transfer: id.Transfer, Leg: debit}, true
	case creditReversal:
		return ledger.InstructionID{Transfer: id.Transfer, Leg: credit}, true
	}
	return id, false
}

func reversalOf(l ledger.Leg) ledger.Leg {
	if l == debit {
		return debitReversal
	}
	return creditReversal
}
