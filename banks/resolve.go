package banks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bahi/ledger"
	"bahi/ledger/address"
)

// Resolver is an [Adapter] that tells which account a UPI id of its bank leads to.
// At the bank of one that does not, only those are paid by UPI id whom Bahi knows.
type Resolver interface {
	// Resolve finds the account, or is ledger.ErrNotFound. It MUST return when ctx
	// ends, like the methods of Adapter.
	Resolve(ctx context.Context, upi string) (Account, error)
}

// Resolve asks the bank that issued a UPI id which account it leads to. The reason
// is empty where it leads to one: nobody is debited for an address that does not.
func (d *Dispatcher) Resolve(ctx context.Context, upi string) (ledger.End, ledger.Reason) {
	_, handle, _ := strings.Cut(upi, "@")
	b, ok := d.registry.ByHandle(handle)
	if !ok {
		return ledger.End{UPI: upi}, ledger.PayeeNotFound
	}
	bank, ok := b.Adapter.(Resolver)
	if !ok {
		return ledger.End{UPI: upi}, ledger.PayeeNotFound
	}
	l, _ := d.lane(b.Code)
	defer l.resolving.Add(-1)
	if int(l.resolving.Add(1)) > b.MaxInFlight || !l.breaker.admits(d.opt.Clock.Now()) {
		return ledger.End{UPI: upi, Bank: b.Code}, ledger.BankUnavailable
	}
	a, err := d.resolve(ctx, bank, upi)
	if err == nil {
		_, err = address.AccountNumber(a.Number)
	}
	if err == nil && !strings.HasPrefix(a.IFSC, b.IFSCPrefix) {
		err = fmt.Errorf("the IFSC %q is not the bank's own", a.IFSC)
	}
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return ledger.End{UPI: upi}, ledger.PayeeNotFound
	case err != nil:
		d.opt.Log.Warn("a bank cannot say whose a UPI id is", "bank", b.Code, "error", err)
		return ledger.End{UPI: upi, Bank: b.Code}, ledger.BankUnavailable
	}
	return ledger.End{UPI: upi, Bank: b.Code, Account: a.Number, IFSC: a.IFSC, Name: a.Name}, ""
}

// resolve asks within the time of a question.
func (d *Dispatcher) resolve(ctx context.Context, bank Resolver, upi string) (a Account, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer d.opt.Clock.AfterFunc(d.opt.Policy.Check, cancel)()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the adapter panicked: %v", r)
		}
	}()
	return bank.Resolve(ctx, upi)
}
