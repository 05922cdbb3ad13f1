package export_test

import (
	"strings"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/export"
)

// TestCauses: a transfer says by which record it was made and until when it is held, and a
// pot is not taken for suspense.
func TestCauses(t *testing.T) {
	w := memoryWorld(t)
	w.send(0, "chat", bankOf("NRMD", 1), walletOf(1), 1000, "INR", "debit approved")
	until := w.now().Add(time.Hour)
	put := func(payee ledger.End, cause ledger.RecordKey, until int64) ledger.Transfer {
		return w.do(0, ledger.CreateTransfer{Transfer: ledger.Transfer{ID: w.id(), App: "chat", Kind: ledger.Payment, Payer: walletOf(1), Payee: payee,
			Amount: ledger.Amount{Minor: 100, Currency: "INR"}, RRN: "632900000001", Cause: cause, Until: until}}).(ledger.Transfer)
	}
	schedule := ledger.RecordKey{Kind: ledger.RecordSchedule, ID: w.id()}
	pot := ledger.RecordKey{Kind: ledger.RecordPot, ID: w.id()}
	held := put(walletOf(2), schedule, until.UnixMicro())
	into := put(ledger.End{Pot: pot.ID}, pot, until.UnixMicro())
	if held.State != ledger.Held || into.State != ledger.Held {
		t.Fatalf("they are %s and %s", held.State, into.State)
	}
	w.do(0, ledger.ReleaseTransfer{Transfer: &held}) // too early
	w.seal()
	at := until.UTC().Format("2006-01-02T15:04:05.000000Z")
	rows := string(w.export(export.Options{Format: export.CSV, Of: export.Transfers, Range: w.whole()}))
	for _, want := range []string{",held,,schedule," + schedule.Ref() + "," + at, ",held,,pot," + pot.ID.PotRef() + "," + at, ",pending,,,,"} {
		if !strings.Contains(rows, want+"\r\n") {
			t.Errorf("%q is not in\n%s", want, rows)
		}
	}
	journal := string(w.export(export.Options{Format: export.Beancount, Range: w.whole()}))
	if want := party(1).PartyRef() + " -> " + pot.ID.PotRef(); !strings.Contains(journal, want) {
		t.Errorf("%q is not in\n%s", want, journal)
	}
}
