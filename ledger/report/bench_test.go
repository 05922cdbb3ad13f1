package report_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/report"
	"bahi/ledger/sqlite"
)

// postingsEach is how many postings each account of the benchmarks has, half of them
// before the instant that is asked for.
const postingsEach = 10

// benchEngines open an empty book.
var benchEngines = []struct {
	name string
	open func(b *testing.B) (ledger.Store, error)
}{
	{"sqlite", func(b *testing.B) (ledger.Store, error) {
		return sqlite.Open(background, filepath.Join(b.TempDir(), "bahi.db"))
	}},
	{"postgres", func(b *testing.B) (ledger.Store, error) { return postgres.Open(background, pgtest.NewDatabase(b)) }},
}

// fill posts from fees to each of some wallets, round by round, a second each. It returns the
// time of the round in the middle.
func fill(b *testing.B, store ledger.Store, accounts int) (middle int64) {
	b.Helper()
	const batch = 5000
	policy := ledger.DefaultPolicy()
	fees := ledger.FeesAccount("INR")
	wallet := func(n int) ledger.AccountName {
		return ledger.WalletAccount(ledger.ID{11: byte(n >> 24), 12: byte(n >> 16), 13: byte(n >> 8), 14: byte(n), 15: 1}, "INR")
	}
	for round := range postingsEach {
		at := noon.Add(time.Duration(round) * time.Second).UnixMicro()
		if round == postingsEach/2-1 {
			middle = at
		}
		for from := 0; from < accounts; from += batch {
			until := min(from+batch, accounts)
			err := store.Commit(background, func() *ledger.Set {
				s := ledger.NewSet(at, &policy)
				s.WantAccount(fees)
				for n := from; n < until; n++ {
					s.WantAccount(wallet(n))
				}
				return s
			}, func(s *ledger.Set) error {
				for n := from; n < until; n++ {
					s.Post(ledger.NewID(), ledger.EventFee, fees, wallet(n), int64(1+n))
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	return middle
}

// BenchmarkTrialBalance is a trial balance of an instant in the middle of the book's life,
// and of the present, which needs no search.
func BenchmarkTrialBalance(b *testing.B) {
	for _, e := range benchEngines {
		for _, accounts := range []int{10_000, 100_000} {
			store, err := e.open(b)
			if err != nil {
				b.Fatal(err)
			}
			middle := fill(b, store, accounts)
			for name, p := range map[string]report.Period{"past": {To: middle}, "now": {To: noon.Add(time.Hour).UnixMicro()}, "turnover": {From: middle, To: middle + 2_500_000}} {
				b.Run(fmt.Sprintf("%s/%d/%s", e.name, accounts, name), func(b *testing.B) {
					for b.Loop() {
						if err := report.TrialBalance(store, report.Query{Period: p}).Write(background, io.Discard, report.CSV); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(accounts)*float64(b.N)/b.Elapsed().Seconds(), "accounts/s")
				})
			}
			if err := store.Close(); err != nil {
				b.Error(err)
			}
		}
	}
}
