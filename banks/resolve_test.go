package banks_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// telling is a bank that tells whose a UPI id is.
type telling struct {
	scripted
	resolve func(ctx context.Context, upi string) (banks.Account, error)
}

func (b *telling) Resolve(ctx context.Context, upi string) (banks.Account, error) {
	return b.resolve(ctx, upi)
}

func TestResolve(t *testing.T) {
	says := func(a banks.Account, err error) func(context.Context, string) (banks.Account, error) {
		return func(context.Context, string) (banks.Account, error) { return a, err }
	}
	good := banks.Account{Number: "123456789", IFSC: "KVRI0000007", Name: "Ravi"}
	for name, c := range map[string]struct {
		upi     string
		resolve func(context.Context, string) (banks.Account, error)
		want    ledger.Reason
	}{
		"an account":              {"ravi@kaveri", says(good, nil), ""},
		"nobody":                  {"ravi@kaveri", says(banks.Account{}, ledger.ErrNotFound), ledger.PayeeNotFound},
		"nobody's handle":         {"ravi@nowhere", says(good, nil), ledger.PayeeNotFound},
		"a bank that cannot tell": {"asha@narmada", says(good, nil), ledger.PayeeNotFound},
		"an error":                {"ravi@kaveri", says(good, errors.New("broken")), ledger.BankUnavailable},
		"no account at all":       {"ravi@kaveri", says(banks.Account{IFSC: "KVRI0000007"}, nil), ledger.BankUnavailable},
		"another bank's account":  {"ravi@kaveri", says(banks.Account{Number: "123456789", IFSC: "NRMD0000001"}, nil), ledger.BankUnavailable},
		"a panic":                 {"ravi@kaveri", func(context.Context, string) (banks.Account, error) { panic("a bug") }, ledger.BankUnavailable},
		"silence":                 {"ravi@kaveri", func(ctx context.Context, _ string) (banks.Account, error) { <-ctx.Done(); return good, ctx.Err() }, ledger.BankUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, &scripted{}, &scripted{}, func(w *world, r *banks.Registry) {
				payees := &telling{resolve: c.resolve}
				if err := r.Replace([]banks.Bank{{Code: "NRMD", IFSCPrefix: "NRMD", Handles: []string{"narmada"}, Adapter: &scripted{}},
					{Code: "KVRI", IFSCPrefix: "KVRI", Handles: []string{"kaveri"}, Adapter: payees}}); err != nil {
					w.t.Fatal(err)
				}
				began := time.Now()
				end, reason := w.dispatcher.Resolve(context.Background(), c.upi)
				if reason != c.want || end.UPI != c.upi || time.Since(began) > w.policy.Check {
					w.t.Errorf("after %s: %+v, %q", time.Since(began), end, reason)
				}
				if want := (ledger.End{UPI: c.upi, Bank: "KVRI", Account: good.Number, IFSC: good.IFSC, Name: good.Name}); reason == "" && end != want {
					w.t.Errorf("%+v", end)
				}
			})
		})
	}
}

// TestResolveIsBounded: a bank that hangs holds up no more questions than it may.
func TestResolveIsBounded(t *testing.T) {
	inTown(t, &scripted{}, &scripted{}, func(w *world, r *banks.Registry) {
		var asked, refused atomic.Int32
		payees := &telling{resolve: func(ctx context.Context, _ string) (banks.Account, error) {
			asked.Add(1)
			<-ctx.Done()
			return banks.Account{}, ctx.Err()
		}}
		if err := r.Replace([]banks.Bank{{Code: "KVRI", IFSCPrefix: "KVRI", Handles: []string{"kaveri"}, Adapter: payees, MaxInFlight: 3}}); err != nil {
			w.t.Fatal(err)
		}
		for range 10 {
			go func() {
				if _, reason := w.dispatcher.Resolve(context.Background(), "ravi@kaveri"); reason == ledger.BankUnavailable {
					refused.Add(1)
				}
			}()
		}
		w.pass(time.Second, time.Second, func() bool { return false })
		if asked.Load() != 3 || refused.Load() != 7 {
			w.t.Errorf("%d questions were put and %d refused", asked.Load(), refused.Load())
		}
		w.pass(w.policy.Check, time.Second, func() bool { return false })
		if refused.Load() != 10 {
			w.t.Errorf("%d of 10 have ended", refused.Load())
		}
	})
}
