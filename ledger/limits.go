package ledger

import "time"

// Limits are how much may be paid, how often, and what waits before it is paid. They are
// part of the [Policy]: the same for all nodes, since each applies its own.
type Limits struct {
	Default AppLimits
	Apps    map[string]AppLimits // of apps that have limits of their own
}

// AppLimits are the limits of one app's parties. What is absent is no limit.
//
// They are about payments, and about persons: what merchants pay and receive is not
// limited, nor is what goes from somebody to the same, back to whom it came from, or out by
// a correction. An account that no app has linked is taken for a person's, and what it
// receives is its own bank's affair.
//
//	                          ToPerson, ToMerchant,   Received   Wallet-    Wallet-
//	                          NewUser                            Transfer   Balance
//	payment by a person       the payer's             the payee's  yes      yes
//	payment by a merchant                             the payee's           yes
//	into a pot                the payer's, ToPerson                yes
//	out of a pot                                      the payee's           yes
//	out of a pot, to its owner; refund; payout; withdrawal
//	top-up                                                                  yes
type AppLimits struct {
	HoldAbove map[Currency]int64 // a payment of more than so many minor units waits before its payee is paid
	HoldFor   time.Duration      // how long it does

	Window     time.Duration // the rolling time in which payments add up
	ToPerson   Limit         // what an account pays to persons
	ToMerchant Limit         // what an account pays to merchants
	Received   Limit         // what an account is paid; there is no limit to each
	NewUser    Limit         // what a person pays from all accounts, who is known for less than NewFor
	NewFor     time.Duration

	WalletTransfer Sums // one payment from a wallet
	WalletBalance  Sums // what a wallet holds, with what is on its way to it
}

// Limit bounds payments in their amount and number.
type Limit struct {
	Each  Sums // one of them
	Sum   Sums // all of a window
	Count int  // how many in a window; 0: any number
}

// Sums are amounts in minor units, by currency.
type Sums map[Currency]int64

// windowed says whether payments add up.
func (r *Limit) windowed(c Currency) bool {
	_, ok := r.Sum[c]
	return ok || r.Count > 0
}

// forbids says whether so much is more than the currency's sum, if there is one.
func (s Sums) forbids(minor int64, c Currency) bool {
	most, ok := s[c]
	return ok && minor > most
}

// IndiaLimits are those of UPI, and of a wallet whose owner gave no more than a name.
func IndiaLimits() *Limits {
	rupees := func(n int64) Sums { return Sums{"INR": n * 100} }
	return &Limits{Default: AppLimits{
		HoldAbove:      rupees(10_000),
		HoldFor:        time.Hour,
		Window:         24 * time.Hour,
		ToPerson:       Limit{Each: rupees(1_00_000), Sum: rupees(1_00_000), Count: 20},
		ToMerchant:     Limit{Each: rupees(5_00_000), Sum: rupees(5_00_000)},
		Received:       Limit{Sum: rupees(4_00_000), Count: 25},
		NewUser:        Limit{Sum: rupees(5_000)},
		NewFor:         24 * time.Hour,
		WalletTransfer: rupees(1_000),
		WalletBalance:  rupees(5_000),
	}}
}

// of are the limits of an app; nil limits allow everything.
func (l *Limits) of(app string) *AppLimits {
	if l == nil {
		return &unlimited
	}
	if own, ok := l.Apps[app]; ok {
		return &own
	}
	return &l.Default // each payment asks several times, and it is large
}

var unlimited AppLimits
