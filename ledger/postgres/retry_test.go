package postgres_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"bahi/ledger"
	"bahi/ledger/postgres/crdbproxy"
)

// reads says whether the statement reads for the book and locks nothing.
func reads(sql string) bool {
	own := strings.Contains(sql, "goose") || strings.Contains(sql, "count(*)") || strings.Contains(sql, "regclass") // of migrations and tests
	return strings.HasPrefix(sql, "SELECT") && !strings.Contains(sql, "FOR UPDATE") && !own
}

// opens says whether the statement may be the first of a snapshot.
func opens(sql string) bool {
	return strings.HasPrefix(sql, "DECLARE") || strings.HasPrefix(sql, "FETCH")
}

// firstTimes lets a fault befall the first statements of a sort.
func firstTimes(times int64, is func(sql string) bool, fault crdbproxy.Fault) (decide func(string) crdbproxy.Fault, hit *atomic.Int64) {
	hit = &atomic.Int64{}
	return func(sql string) crdbproxy.Fault {
		if is(sql) && hit.Add(1) <= times {
			return fault
		}
		return crdbproxy.None
	}, hit
}

// everyRead is each kind of read, with what it finds.
func everyRead(wallets []ledger.End, party, transfer ledger.ID) map[string]func(context.Context, ledger.Reader) (any, error) {
	nobody := ledger.Alias{App: "chat", Kind: ledger.AliasPhone, Value: "+911234567890"}
	wallet := ledger.WalletAccount(wallets[0].Party, "INR").ID()
	page := ledger.Page{Limit: 10}
	return map[string]func(context.Context, ledger.Reader) (any, error){
		"Ping":     func(c context.Context, r ledger.Reader) (any, error) { return nil, r.Ping(c) },
		"Payable":  func(c context.Context, r ledger.Reader) (any, error) { return r.Payable(c, []ledger.ID{party}) },
		"Resolve":  func(c context.Context, r ledger.Reader) (any, error) { return r.Resolve(c, []ledger.Alias{nobody}) },
		"Transfer": func(c context.Context, r ledger.Reader) (any, error) { return r.Transfer(c, transfer) },
		"TransferHistory": func(c context.Context, r ledger.Reader) (any, error) {
			steps, asked, err := r.TransferHistory(c, transfer)
			return []any{steps, asked}, err
		},
		"Transfers": func(c context.Context, r ledger.Reader) (any, error) {
			return r.Transfers(c, ledger.TransferFilter{}, page)
		},
		"Due": func(c context.Context, r ledger.Reader) (any, error) {
			return r.Due(c, ledger.ID{}, ledger.DuePlace{}, 1<<62, 10)
		},
		"Drivers":   func(c context.Context, r ledger.Reader) (any, error) { return r.Drivers(c) },
		"Account":   func(c context.Context, r ledger.Reader) (any, error) { return r.Account(c, wallet) },
		"Accounts":  func(c context.Context, r ledger.Reader) (any, error) { return r.Accounts(c, ledger.AccountName{}, 10) },
		"Statement": func(c context.Context, r ledger.Reader) (any, error) { return r.Statement(c, wallet, 0, 10) },
		"Audit": func(c context.Context, r ledger.Reader) (all any, err error) {
			err = r.Audit(c, func(s ledger.Snapshot) error {
				accounts, err := collect(s.Accounts())
				postings, err2 := collect(s.Postings())
				all = []any{accounts, postings}
				return errors.Join(err, err2)
			})
			return all, err
		},
	}
}

func collect[V any](seq iter.Seq2[V, error]) (vs []V, err error) {
	for v, err := range seq {
		if err != nil {
			return vs, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

// TestReadsAreTriedAgain has every kind of read be asked to begin again, before its
// first row and after its last, a few times and for ever.
func TestReadsAreTriedAgain(t *testing.T) {
	proxy, url, _ := behindProxy(t)
	d := open(t, url)
	defer d.Close()
	book := ledger.NewPipeline(d.Store, ledger.PipelineOptions{})
	defer book.Close()
	wallets := richPeople(t, book, 2, 1000)
	done, err := ledger.Do[ledger.Transfer](t.Context(), book, payment(wallets[0], wallets[1], 10))
	if err != nil {
		t.Fatal(err)
	}
	asked := payment(ledger.End{Name: "Asha", Bank: "SBIN", Account: "314159", IFSC: "SBIN0000300"}, wallets[0], 1)
	if _, err := ledger.Do[ledger.Transfer](t.Context(), book, asked); err != nil {
		t.Fatal(err)
	}
	party, err := ledger.Do[ledger.Party](t.Context(), book, ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: "Asha", Kind: ledger.Person}})
	if err != nil {
		t.Fatal(err)
	}
	either := func(sql string) bool { return reads(sql) || opens(sql) }
	for name, read := range everyRead(wallets, party.ID, done.ID) {
		want, err := read(t.Context(), d.Store)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for when, fault := range map[string]crdbproxy.Fault{"before": crdbproxy.Restart, "after": crdbproxy.RestartLate} {
			decide, hit := firstTimes(4, either, fault)
			proxy.Inject(decide)
			got, err := read(t.Context(), d.Store)
			if err != nil || !reflect.DeepEqual(got, want) || hit.Load() < 5 {
				t.Errorf("%s, asked again %s its rows: got %+v, %v after %d statements\nwant %+v", name, when, got, err, hit.Load(), want)
			}
		}
		decide, hit := firstTimes(1<<62, either, crdbproxy.Restart)
		proxy.Inject(decide)
		if _, err := read(t.Context(), d.Store); !errors.Is(err, ledger.ErrUnavailable) || hit.Load() > 20 {
			t.Errorf("%s, asked again for ever: %v after %d statements", name, err, hit.Load())
		}
		proxy.Inject(nil)
	}
}

// TestSnapshotStays: a snapshot that has told something does not become another,
// even if it told that there is nothing.
func TestSnapshotStays(t *testing.T) {
	proxy, url, _ := behindProxy(t)
	d := open(t, url)
	defer d.Close()
	book := ledger.NewPipeline(d.Store, ledger.PipelineOptions{})
	defer book.Close()
	for _, people := range []int{0, 2} {
		richPeople(t, book, people, 1000)
		err := d.Audit(t.Context(), func(s ledger.Snapshot) error {
			accounts, err := collect(s.Accounts())
			if (len(accounts) > 0) != (people > 0) {
				t.Errorf("%d accounts of %d people", len(accounts), people)
			}
			decide, _ := firstTimes(1, opens, crdbproxy.Restart)
			proxy.Inject(decide)
			_, err2 := collect(s.Postings())
			return errors.Join(err, err2)
		})
		if !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	}
}
