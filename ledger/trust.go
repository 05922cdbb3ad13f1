package ledger

import (
	"encoding/json"
	"slices"
)

// Whom a person trusts is a part of its [Safety]: one of the app's parties by its ID,
// anybody else by the account that is paid, which is kept in the record's private part.

// maxTrusted is how many a person may trust.
const maxTrusted = 100

// CodeTooManyTrusted refuses to trust yet another payee.
const CodeTooManyTrusted = "too_many_trusted"

// TrustedPayee is somebody whom a person pays without a hold.
type TrustedPayee struct {
	ID    ID  // of the entry
	Party ID  // one of the app's parties; zero: it is the account that is trusted
	Payee End // the account, where Party is zero
	Since int64
}

type trustedBody struct {
	ID    ID    `json:"id"`
	Party ID    `json:"party,omitzero"`
	Since int64 `json:"since"`
}

// trustedAccount is what is private of an entry.
type trustedAccount struct {
	Name    string `json:"name,omitempty"`
	Bank    string `json:"bank,omitempty"`
	IFSC    string `json:"ifsc,omitempty"`
	Account string `json:"account,omitempty"`
	UPI     string `json:"upi,omitempty"`
}

func accountOf(e *End) trustedAccount {
	return trustedAccount{Name: e.Name, Bank: e.Bank, IFSC: e.IFSC, Account: e.Account, UPI: e.UPI}
}

// is says whether an end is the account: by its number, and where that is not known by its UPI id.
func (a *trustedAccount) is(e *End) bool {
	if a.Account != "" || e.Account != "" {
		return a.Account == e.Account && a.IFSC == e.IFSC && a.Bank == e.Bank
	}
	return a.UPI != "" && a.UPI == e.UPI
}

// trustedAccounts reads the private part of a record, by the entries' IDs. Of who was erased there is none.
func trustedAccounts(private string) (accounts map[ID]trustedAccount) {
	if private == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(private), &accounts); err != nil {
		panic(err)
	}
	return accounts
}

// find is where the list has an end, if it does.
func (v *Safety) find(private string, e *End) (n int, ok bool) {
	accounts := trustedAccounts(private)
	n = slices.IndexFunc(v.Trusted, func(one trustedBody) bool {
		if !one.Party.IsZero() {
			return one.Party == e.Party
		}
		a, ok := accounts[one.ID]
		return ok && a.is(e)
	})
	return n, n >= 0
}

// Payees are whom the record's owner trusts, oldest first.
func (v *Safety) Payees(r *Record) []TrustedPayee {
	accounts := trustedAccounts(r.Private)
	out := make([]TrustedPayee, len(v.Trusted))
	for i, one := range v.Trusted {
		a := accounts[one.ID]
		out[i] = TrustedPayee{ID: one.ID, Party: one.Party, Since: one.Since,
			Payee: End{Name: a.Name, Bank: a.Bank, IFSC: a.IFSC, Account: a.Account, UPI: a.UPI}}
	}
	return out
}

// TrustPayee lets a party pay somebody without a hold from now on. Doing it again changes
// nothing. It returns the [TrustedPayee].
type TrustPayee struct {
	Party ID
	ID    ID  // of the entry, where it is a new one
	Payee End // where its address leads to; without Party where that is none of the app's
}

// Declare implements [Command].
func (c TrustPayee) Declare(s *Set) { declareSafety(s, c.Party) }

// Apply implements [Command].
func (c TrustPayee) Apply(s *Set) (any, error) {
	r, kept, err := safetyOf(s, c.Party)
	if err != nil {
		return nil, err
	}
	if n, ok := kept.find(r.Private, &c.Payee); ok {
		return kept.Payees(&r)[n], nil
	}
	if p, _ := s.Parties.Get(c.Party); p.Closed != 0 {
		return nil, refuse(CodePartyClosed, "the party was closed to be erased")
	}
	if len(kept.Trusted) >= maxTrusted {
		return nil, refuse(CodeTooManyTrusted, "a party trusts at most %d payees; take one off the list first", maxTrusted)
	}
	kept.Trusted = append(kept.Trusted, trustedBody{ID: c.ID, Party: c.Payee.Party, Since: s.Now})
	if c.Payee.Party.IsZero() {
		accounts := trustedAccounts(r.Private)
		if accounts == nil {
			accounts = map[ID]trustedAccount{}
		}
		accounts[c.ID] = accountOf(&c.Payee)
		r.keepPrivate(accounts)
	}
	putRecord(s, r, kept)
	return kept.Payees(&r)[len(kept.Trusted)-1], nil
}

// DistrustPayee takes a payee off the list. Doing it again changes nothing. It returns nothing.
type DistrustPayee struct {
	Party ID
	ID    ID // of the entry
}

// Declare implements [Command].
func (c DistrustPayee) Declare(s *Set) { declareSafety(s, c.Party) }

// Apply implements [Command].
func (c DistrustPayee) Apply(s *Set) (any, error) {
	r, kept, err := safetyOf(s, c.Party)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(kept.Trusted, func(one trustedBody) bool { return one.ID == c.ID })
	if n < 0 {
		return nil, nil
	}
	kept.Trusted = slices.Delete(kept.Trusted, n, n+1)
	if accounts := trustedAccounts(r.Private); accounts != nil {
		delete(accounts, c.ID)
		r.keepPrivate(accounts)
	}
	putRecord(s, r, kept)
	return nil, nil
}

// keepPrivate replaces the private part of a record.
func (r *Record) keepPrivate(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	r.Private, r.Sealed = string(b), ""
}
