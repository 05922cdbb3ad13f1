package statement_test

import (
	"strings"
	"testing"

	"bahi/ledger/reconcile/statement"
)

// keyOf is the key of one JSON line.
func keyOf(t *testing.T, line string) string {
	t.Helper()
	file := `{"statement":{"bank":"A","account":"1","id":"1","currency":"INR"}}` + "\n" + line + "\n" + `{"end":{"lines":1}}` + "\n"
	items, err := all([]byte(file), statement.Options{})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return items[1].(statement.Line).Key.String()
}

// TestKey: what tells movements apart is in the key, what formats leave out is not.
func TestKey(t *testing.T) {
	const line = `{"line":{"transaction_id":"BAH1","rrn":"632923371856","booking_date":"2026-11-25","amount":"250.00","side":"credit","code":"00","reference":"NB1"}}`
	key := keyOf(t, line)
	for _, c := range []struct {
		old, new string
		same     bool
	}{
		{`2026-11-25`, `2036-11-25`, false}, // an RRN comes again after ten years
		{`250.00`, `250.01`, false},
		{`credit`, `debit`, false},
		{`"code":"00"`, `"code":"Z9"`, false},
		{`"code"`, `"reversal":true,"code"`, false},
		{`632923371856`, `632923371857`, false},
		{`"rrn":"632923371856",`, ``, false},
		{`"code":"00"`, `"code":"RB"`, true},
		{`"code":"00",`, ``, true},
		{`"transaction_id":"BAH1",`, ``, true},
		{`,"reference":"NB1"`, ``, true},
		{`"code"`, `"value_date":"2026-11-26","counterparty":"7","code"`, true},
	} {
		changed := strings.Replace(line, c.old, c.new, 1)
		if got := keyOf(t, changed) == key; got != c.same || changed == line {
			t.Errorf("%q for %q: the same key: %t", c.new, c.old, got)
		}
	}
}

// TestKeyOverFormats: the payment and its reversal that three formats show have
// the same keys, and not one for both.
func TestKeyOverFormats(t *testing.T) {
	camt, mt, bai := lines(t, "camt053_v02.xml"), lines(t, "mt940_swift.sta"), lines(t, "bai2.txt")
	payment, reversal := camt[0].Key, camt[4].Key
	if mt[0].Key != payment || bai[0].Key != payment {
		t.Errorf("payment: %s, %s, %s", payment, mt[0].Key, bai[0].Key)
	}
	if mt[2].Key != reversal || bai[2].Key != reversal {
		t.Errorf("reversal: %s, %s, %s", reversal, mt[2].Key, bai[2].Key)
	}
	if payment == reversal {
		t.Error("a payment and its reversal share a key")
	}
}
