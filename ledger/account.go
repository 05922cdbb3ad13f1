package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
)

// AccountID is the first half of the SHA-256 of an account's currency and name.
// Whoever knows the name knows the id: no look-up comes first, and two nodes
// that open the same account agree on it.
type AccountID [16]byte

// Compare orders AccountIDs by their bytes.
func (id AccountID) Compare(other AccountID) int { return bytes.Compare(id[:], other[:]) }

// String is the id in hexadecimal.
func (id AccountID) String() string { return hex.EncodeToString(id[:]) }

// AccountType is one of the five of double-entry bookkeeping.
type AccountType uint8

// The account types. Assets and expenses grow by debits, the others by credits.
const (
	Asset AccountType = iota + 1
	Liability
	Equity
	Income
	Expense
)

var accountTypeNames = [...]string{Asset: "asset", Liability: "liability", Equity: "equity", Income: "income", Expense: "expense"}

// String is the type's word, such as "asset".
func (t AccountType) String() string { return nameOf(accountTypeNames[:], t) }

// DebitNormal says whether debits make an account of this type grow.
func (t AccountType) DebitNormal() bool { return t == Asset || t == Expense }

// AccountName is an account's place in the chart, with its currency.
type AccountName struct {
	Path     string // "wallet:pty_…", "bank:SBIN:clearing", "transit"
	Currency Currency
}

// ID derives the account's id from its name.
func (n AccountName) ID() AccountID {
	sum := sha256.Sum256([]byte(string(n.Currency) + "\x00" + n.Path)) // a currency never holds a zero byte
	return AccountID(sum[:16])
}

// Account is one account of the book: its totals are in minor units of its currency.
type Account struct {
	ID      AccountID
	Name    AccountName
	Type    AccountType
	Bounded bool  // its balance must not go below zero
	Frozen  bool  // takes part in no new transfer
	Debits  int64 // sum of the postings that debit it
	Credits int64 // sum of the postings that credit it
	Seq     int64 // how many postings touch it
	// Reserved is, of a clearing account, what its bank was asked to debit and has
	// neither done nor denied. Of stripes only the sum has a meaning: it may be below zero.
	// Of a wallet it is what is on its way to it.
	Reserved int64
	Posted   int64 // when it was posted to last: the times of its postings never decrease; Unix microseconds
	Created  int64 // Unix microseconds
}

// Balance is debits - credits by the account's normal side: what an asset
// account holds, what is owed on a liability account.
func (a *Account) Balance() int64 {
	if a.Type.DebitNormal() {
		return a.Debits - a.Credits
	}
	return a.Credits - a.Debits
}

// The chart of accounts.
const (
	walletPath       = "wallet:"
	bankPath         = "bank:"
	clearingSuffix   = ":clearing"
	settlementSuffix = ":settlement"
	transitPath      = "transit"
	suspensePath     = "suspense"
	feesPath         = "fees"
	potPath          = "pot:"
)

// WalletAccount is the money of a party that is held inside Bahi.
func WalletAccount(party ID, c Currency) AccountName {
	return AccountName{Path: walletPath + party.PartyRef(), Currency: c}
}

// PotAccount is the money of a pot, see [RecordPot].
func PotAccount(pot ID, c Currency) AccountName {
	return AccountName{Path: potPath + pot.PotRef(), Currency: c}
}

// ClearingAccount holds a bank's net position: what it owes (debit) or is owed
// for the legs it confirmed and that are not settled yet.
func ClearingAccount(bank string, c Currency) AccountName {
	return AccountName{Path: bankPath + bank + clearingSuffix, Currency: c}
}

// SettlementAccount is what a bank has paid for its net positions, or was paid.
func SettlementAccount(bank string, c Currency) AccountName {
	return AccountName{Path: bankPath + bank + settlementSuffix, Currency: c}
}

// SuspenseAccount is what the reconciliation found and cannot explain yet: what banks
// took too much or gave too little, less what they gave too much or took too little.
func SuspenseAccount(c Currency) AccountName {
	return AccountName{Path: suspensePath, Currency: c}
}

// FeesAccount is what banks paid for their transfers.
func FeesAccount(c Currency) AccountName {
	return AccountName{Path: feesPath, Currency: c}
}

// TransitAccount is money debited and neither credited nor returned yet.
func TransitAccount(c Currency) AccountName {
	return AccountName{Path: transitPath, Currency: c}
}

// Accounts that every batch touches would make nodes wait for each other: each
// node has a stripe of its own of transit and of the clearing accounts. Any
// stripe may take any posting; only their sum has a meaning.
const stripeMark = "#"

// Stripe is the stripe of an account that bears a number; the account itself is number 0.
func (n AccountName) Stripe(number int) AccountName {
	if number != 0 {
		n.Path += stripeMark + strconv.Itoa(number)
	}
	return n
}

// Whole is the account that n is a stripe of; n itself where it is none.
func (n AccountName) Whole() AccountName {
	path, number, ok := strings.Cut(n.Path, stripeMark)
	shared := path == transitPath || (strings.HasPrefix(path, bankPath) && strings.HasSuffix(path, clearingSuffix))
	whole := AccountName{Path: path, Currency: n.Currency}
	if k, err := strconv.Atoi(number); !ok || !shared || err != nil || k <= 0 || whole.Stripe(k) != n {
		return n
	}
	return whole
}

// Bank is the code of the bank whose account it is, or empty.
func (n AccountName) Bank() string {
	rest, ok := strings.CutPrefix(n.Whole().Path, bankPath)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(rest, clearingSuffix), settlementSuffix)
}

// Wallet is the party whose wallet it is, if it is one.
func (n AccountName) Wallet() (party ID, ok bool) {
	ref, ok := strings.CutPrefix(n.Path, walletPath)
	if !ok {
		return party, false
	}
	party, err := ParsePartyRef(ref)
	return party, err == nil
}

// Stripes are the account and all of its stripes, as far as they were used.
func Stripes(ctx context.Context, r Reader, whole AccountName) ([]Account, error) {
	all, err := StripesAt(ctx, r, whole.Path)
	return slices.DeleteFunc(all, func(a Account) bool { return a.Name.Currency != whole.Currency }), err
}

// StripesAt are the accounts at a place of the chart, in every currency, and all of their stripes.
func StripesAt(ctx context.Context, r Reader, path string) (stripes []Account, err error) {
	const page = 100
	after := AccountName{Path: path} // no currency comes before all currencies
	for {
		accounts, err := r.Accounts(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for i := range accounts {
			if accounts[i].Name.Whole().Path == path {
				stripes = append(stripes, accounts[i])
			}
			after = accounts[i].Name
		}
		// All paths that begin alike lie together.
		if len(accounts) < page || !strings.HasPrefix(after.Path, path) {
			return stripes, nil
		}
	}
}

// Type is what the chart makes of the place.
func (n AccountName) Type() AccountType {
	switch {
	case strings.HasPrefix(n.Path, bankPath):
		return Asset
	case n.Path == feesPath:
		return Income
	}
	return Liability
}

// newAccount opens an account with the type and bounds its place in the chart gives it.
func newAccount(n AccountName, at int64) Account {
	return Account{ID: n.ID(), Name: n, Type: n.Type(), Bounded: strings.HasPrefix(n.Path, walletPath) || strings.HasPrefix(n.Path, potPath), Created: at}
}

// room says whether amount may be debited from (or credited to) the account
// without overflow and without taking a bounded account below zero.
func (a *Account) room(amount int64, debit bool) bool {
	total := a.Credits
	if debit {
		total = a.Debits
	}
	if total > math.MaxInt64-amount {
		return false
	}
	lowers := debit != a.Type.DebitNormal()
	return !(a.Bounded && lowers && a.Balance() < amount)
}
