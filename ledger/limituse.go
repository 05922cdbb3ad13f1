package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// LimitUse is how much of a limit is used.
type LimitUse struct {
	Name       LimitName
	Instrument ID       // the account that it bounds; zero: the party with all of its accounts
	Currency   Currency // of the figures, in minor units; empty: they count payments
	Figure     int64
	Used       int64
	Frees      int64 // when less of it is used, if nothing else happens; Unix microseconds, or 0
}

// LimitName is which limit it is.
type LimitName string

// The limits.
const (
	EachToPerson     LimitName = "to_person_each"
	SumToPersons     LimitName = "to_person_sum"
	CountToPersons   LimitName = "to_person_count"
	EachToMerchant   LimitName = "to_merchant_each"
	SumToMerchants   LimitName = "to_merchant_sum"
	CountToMerchants LimitName = "to_merchant_count"
	SumReceived      LimitName = "received_sum"
	CountReceived    LimitName = "received_count"
	SumOfNewUser     LimitName = "new_user_sum"
	CountOfNewUser   LimitName = "new_user_count"
	EachFromWallet   LimitName = "wallet_each"
	WalletHolds      LimitName = "wallet_balance"
)

// Refuses is the reason of transfers that break it.
func (n LimitName) Refuses() Reason {
	switch n {
	case EachToPerson, EachToMerchant, EachFromWallet:
		return LimitTransfer
	case SumToPersons, SumToMerchants:
		return LimitAmount
	case CountToPersons, CountToMerchants:
		return LimitCount
	case SumReceived:
		return LimitReceivedAmount
	case CountReceived:
		return LimitReceivedCount
	case WalletHolds:
		return LimitWalletBalance
	}
	return LimitNewUser
}

// Left is how much of it is left; it may have been lowered below what is used.
func (u *LimitUse) Left() int64 { return max(0, u.Figure-u.Used) }

// LimitUses are the limits of a party and how much of each is used now, those of each
// account together. A merchant has none.
func LimitUses(ctx context.Context, r Reader, l *Limits, p Party, now int64) ([]LimitUse, error) {
	if l == nil || p.Kind == Merchant {
		return nil, nil
	}
	limits := l.of(p.App)
	u := limitUses{ctx: ctx, reader: r, now: now}
	if frees := p.Created + limits.NewFor.Microseconds(); now < frees {
		if err := u.newUser(limits, p.ID, frees); err != nil {
			return nil, err
		}
	}
	instruments, err := r.Instruments(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	for _, i := range instruments {
		if !i.Kind.HoldsMoney() {
			continue
		}
		if err := u.account(limits, &i); err != nil {
			return nil, err
		}
	}
	return u.all, nil
}

type limitUses struct {
	ctx    context.Context
	reader Reader
	now    int64
	all    []LimitUse
}

// usage is what is used of an account or by a new person.
func (u *limitUses) usage(k RecordKey) (v usage, err error) {
	r, err := u.reader.Record(u.ctx, k)
	if errors.Is(err, ErrNotFound) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	return v, v.UnmarshalJSON(r.Body)
}

// newUser adds what is left to a new person, in each currency for itself.
func (u *limitUses) newUser(limits *AppLimits, party ID, frees int64) error {
	currencies := slices.Sorted(maps.Keys(limits.NewUser.Sum))
	if limits.NewUser.Count > 0 {
		currencies = slices.Compact(slices.Sorted(slices.Values(append(currencies, "INR"))))
	}
	for _, c := range currencies {
		v, err := u.usage(newUserKey(party, c))
		if err != nil {
			return err
		}
		window := limits.NewFor.Microseconds()
		u.windows(LimitUse{Currency: c}, &limits.NewUser, since(v[paidNew], u.now-window), SumOfNewUser, CountOfNewUser, func(int64) int64 { return frees })
	}
	return nil
}

// account adds the limits of an account.
func (u *limitUses) account(limits *AppLimits, i *Instrument) error {
	v, err := u.usage(RecordKey{RecordUsage, i.ID})
	if err != nil {
		return err
	}
	of, window := LimitUse{Instrument: i.ID, Currency: i.Currency}, limits.Window.Microseconds()
	frees := func(first int64) int64 { return first + window }
	u.each(of, EachToPerson, limits.ToPerson.Each)
	u.windows(of, &limits.ToPerson, since(v[paidPersons], u.now-window), SumToPersons, CountToPersons, frees)
	u.each(of, EachToMerchant, limits.ToMerchant.Each)
	u.windows(of, &limits.ToMerchant, since(v[paidMerchants], u.now-window), SumToMerchants, CountToMerchants, frees)
	u.windows(of, &limits.Received, since(v[received], u.now-window), SumReceived, CountReceived, frees)
	if i.Kind != Wallet {
		return nil
	}
	u.each(of, EachFromWallet, limits.WalletTransfer)
	if most, ok := limits.WalletBalance[i.Currency]; ok {
		wallet, err := u.reader.Account(u.ctx, WalletAccount(i.Party, i.Currency).ID())
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		of.Name, of.Figure, of.Used = WalletHolds, most, plus(wallet.Balance(), wallet.Reserved)
		u.all = append(u.all, of)
	}
	return nil
}

// each adds a limit to one payment, of which nothing is used.
func (u *limitUses) each(of LimitUse, name LimitName, most Sums) {
	if figure, ok := most[of.Currency]; ok {
		of.Name, of.Figure = name, figure
		u.all = append(u.all, of)
	}
}

// windows adds the limits to what adds up.
func (u *limitUses) windows(of LimitUse, l *Limit, list []used, sum, count LimitName, frees func(first int64) int64) {
	amount, number := total(list)
	if len(list) > 0 {
		of.Frees = frees(list[0].at)
	}
	if most, ok := l.Sum[of.Currency]; ok {
		of.Name, of.Figure, of.Used = sum, most, amount
		u.all = append(u.all, of)
	}
	if l.Count > 0 {
		of.Name, of.Currency, of.Figure, of.Used = count, "", int64(l.Count), number
		u.all = append(u.all, of)
	}
}
