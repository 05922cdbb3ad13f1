package ledger

// Party is somebody who pays or is paid: a person or a shop, known to one app.
type Party struct {
	ID      ID
	App     string // the chat backend that knows the party
	Name    string
	Kind    PartyKind
	Default ID // the instrument that pays and is paid when none is named; zero for none
	Created int64
	Sealed  string // Name, as it is kept
	Closed  int64  // since when it takes part in nothing that begins, to be erased; Unix microseconds, or 0
	Erased  int64  // when its data was erased, Unix microseconds, or 0
}

// PartyKind tells a person from a merchant.
type PartyKind uint8

// The kinds of party.
const (
	Person PartyKind = iota + 1
	Merchant
)

var partyKindNames = [...]string{Person: "person", Merchant: "merchant"}

// String is the kind's word.
func (k PartyKind) String() string { return nameOf(partyKindNames[:], k) }

// ParsePartyKind reads what String wrote.
func ParsePartyKind(s string) (PartyKind, bool) { return parseName[PartyKind](partyKindNames[:], s) }

// InstrumentKind is a way to find or to pay a party.
type InstrumentKind uint8

// The kinds of instrument. A phone and a handle lead to the party; a bank
// account and a wallet also hold money.
const (
	Phone InstrumentKind = iota + 1
	Handle
	BankAccount
	Wallet
)

var instrumentKindNames = [...]string{Phone: "phone", Handle: "handle", BankAccount: "bank_account", Wallet: "wallet"}

// String is the kind's word.
func (k InstrumentKind) String() string { return nameOf(instrumentKindNames[:], k) }

// HoldsMoney says whether an instrument of this kind can pay and be paid.
func (k InstrumentKind) HoldsMoney() bool { return k == BankAccount || k == Wallet }

// Instrument is one way to find or to pay a party.
type Instrument struct {
	ID       ID
	Party    ID
	App      string
	Kind     InstrumentKind
	Value    string   // E.164 phone; handle without "@"; account number; empty for a wallet
	IFSC     string   // bank accounts: the branch
	Bank     string   // bank accounts: the code of the bank that the IFSC names
	UPI      string   // bank accounts: the UPI id that leads to it, lower case, or empty
	Currency Currency // wallets and bank accounts
	Unlinked bool
	Created  int64
	Sealed   string // Value and UPI, as they are kept
}

// AliasKind is a name space in which an alias is unique.
type AliasKind uint8

// The name spaces. All but UPI ids are an app's own; a UPI id is known to everybody.
const (
	AliasPhone AliasKind = iota + 1
	AliasHandle
	AliasAccount // "IFSC/number"
	AliasWallet  // "party/currency"
	AliasUPI
)

var aliasKindNames = [...]string{AliasPhone: "phone", AliasHandle: "handle", AliasAccount: "bank account", AliasWallet: "wallet", AliasUPI: "UPI id"}

// String is the name space's word for people.
func (k AliasKind) String() string { return nameOf(aliasKindNames[:], k) }

// Alias is a name that leads to one active instrument.
type Alias struct {
	App   string // empty for UPI ids
	Kind  AliasKind
	Value string
}

// AliasTarget is what an alias leads to.
type AliasTarget struct {
	Instrument ID
	Party      ID
}

// AccountAlias is the alias of a bank account.
func AccountAlias(app, ifsc, number string) Alias {
	return Alias{App: app, Kind: AliasAccount, Value: ifsc + "/" + number}
}

// WalletAlias is the alias of a party's wallet.
func WalletAlias(app string, party ID, c Currency) Alias {
	return Alias{App: app, Kind: AliasWallet, Value: party.PartyRef() + "/" + string(c)}
}

// Aliases are the names under which the instrument is found.
func (i *Instrument) Aliases() []Alias {
	switch i.Kind {
	case Phone:
		return []Alias{{App: i.App, Kind: AliasPhone, Value: i.Value}}
	case Handle:
		return []Alias{{App: i.App, Kind: AliasHandle, Value: i.Value}}
	case Wallet:
		return []Alias{WalletAlias(i.App, i.Party, i.Currency)}
	}
	aliases := []Alias{AccountAlias(i.App, i.IFSC, i.Value)}
	if i.UPI != "" {
		aliases = append(aliases, Alias{Kind: AliasUPI, Value: i.UPI})
	}
	return aliases
}

// End is the instrument as one end of a transfer.
func (i *Instrument) End(name string) End {
	return End{Party: i.Party, Instrument: i.ID, Name: name, Bank: i.Bank, Account: i.Value, IFSC: i.IFSC, UPI: i.UPI}
}
