package export_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/export"
	"bahi/ledger/privacy"
	"bahi/ledger/privacy/mark"
)

// An audit file with personal data says of each transfer whom its marks stand for, and
// verifies; without, it says nothing of anybody. Of who was erased it says no more than that.
func TestAuditFileWithPeople(t *testing.T) {
	w := memoryWorld(t)
	w.busy(60)
	people := w.store.(*privacy.Store).People
	verified := func(content []byte) audit.Report {
		keys, err := audit.ReadKeys(ctx, w.store)
		w.no(err)
		sum, err := audit.Verify(bytes.NewReader(content), audit.VerifyOptions{Keys: []string{keys[0].Verifier}}, func(f audit.Finding) { t.Errorf("found: %+v", f) })
		w.no(err)
		return sum
	}
	o := export.Options{Format: export.JSONL, Range: w.whole()}
	without := w.export(o)
	o.People = people
	with := w.export(o)
	if sum := verified(without); sum.People != 0 || bytes.Contains(without, []byte("somebody")) {
		t.Errorf("without personal data: %d persons", sum.People)
	}
	_, leaves, _ := readAudit(t, with)
	transfers, persons := 0, int64(0)
	for _, l := range leaves {
		made, ok := l.Leaf.(*ledger.Transfer)
		if !ok {
			continue
		}
		transfers++
		var p mark.People
		w.no(json.Unmarshal(l.People, &p))
		for end, person := range map[*ledger.End]*mark.Person{&made.Payer: p.Payer, &made.Payee: p.Payee} {
			if person == nil {
				continue
			}
			persons++
			if !mark.Check(end.Mark, *person) || (person.Name != "somebody" && !end.IsSuspense()) {
				t.Errorf("place %d: %+v is not whom the mark stands for", l.Place, person)
			}
		}
	}
	if sum := verified(with); transfers == 0 || sum.People != persons || persons < int64(transfers) {
		t.Errorf("%d persons of %d transfers, of which %d were verified", persons, transfers, sum.People)
	}
	for _, format := range []export.Format{export.CSV, export.Parquet, export.HLedger, export.Beancount} {
		o.Format = format
		if _, err := export.Write(ctx, w.store, &bytes.Buffer{}, o); err == nil {
			t.Errorf("%s with personal data", format)
		}
	}
}
