package audit_test

import (
	"bytes"
	"runtime"
	"testing"

	"bahi/ledger"
	"bahi/ledger/audit"
)

// BenchmarkVerify verifies an audit file of payments between banks and between wallets.
func BenchmarkVerify(b *testing.B) {
	book := newBook(b)
	by := newSigner(b, origin)
	book.pay(bankOf("NRMD"), walletOf(1), 9_000_000, "debit approved")
	for n := range int64(5000) {
		book.pay(bankOf("NRMD"), bankOf("KVRI"), 1+n, "debit approved, credit approved")
		book.pay(walletOf(1), walletOf(byte(2+n%200)), 1+n%7, "")
	}
	leaves := book.leaves()
	data := copyOf(b, leaves, by, origin, nil).bytes(b)
	b.SetBytes(int64(len(data)))
	b.ResetTimer()
	for range b.N {
		sum, err := audit.Verify(bytes.NewReader(data), audit.VerifyOptions{Keys: []string{by.public}}, func(f audit.Finding) { b.Fatal(f) })
		if err != nil || sum.Leaves != int64(len(leaves)) {
			b.Fatal(err, sum)
		}
	}
	b.ReportMetric(float64(b.N*len(leaves))/b.Elapsed().Seconds(), "leaves/s")
}

// BenchmarkReplay tells what a replay keeps in memory of transfers that are at their end.
func BenchmarkReplay(b *testing.B) {
	const transfers = 200_000
	var before, after runtime.MemStats
	for range b.N {
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := ledger.NewReplay(ledger.Part{Late: true}, func(ledger.Misfit) {})
		for n := range int64(transfers) {
			t := &ledger.Transfer{ID: ledger.NewID(), Payer: bankOf("NRMD"), Payee: bankOf("KVRI"), Amount: ledger.Amount{Minor: 1, Currency: "INR"}, Created: n}
			t.Begin(ledger.Failed, ledger.BankUnavailable)
			r.Leaf(n, t)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(r)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/transfers, "bytes/transfer")
}
