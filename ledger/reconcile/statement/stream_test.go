package statement_test

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"bahi/ledger/reconcile/statement"
)

// TestMemoryStaysFlat streams files far larger than the memory they may take, and
// looks at the heap all along: it must not grow with the file.
func TestMemoryStaysFlat(t *testing.T) {
	const most = 2 << 20 // bytes of heap, over what was there
	for _, f := range []struct {
		name             string
		head, line, tail string
		size             int
	}{
		{"camt.053", `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>1</Id>` +
			`<Acct><Id><Othr><Id>1</Id></Othr></Id><Ccy>INR</Ccy></Acct>` + "\n", `  <Ntry><Amt Ccy="INR">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-25</Dt></BookgDt>` +
			`<NtryDtls><TxDtls><Refs><EndToEndId>BAH%031d</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>` + "\n", "</Stmt></BkToCstmrStmt></Document>\n", 4 << 20},
		{"camt.054, one entry", `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.04"><BkToCstmrDbtCdtNtfctn><Ntfctn><Id>1</Id>` +
			`<Acct><Ccy>INR</Ccy></Acct><Ntry><Amt Ccy="INR">#n.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-11-25</Dt></BookgDt><NtryDtls>` + "\n",
			`  <TxDtls><Refs><EndToEndId>BAH%031d</EndToEndId></Refs><Amt Ccy="INR">1.00</Amt></TxDtls>` + "\n", "</NtryDtls></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>\n", 4 << 20},
		{"mt940", ":20:X\n:25:1\n:28C:1\n:60F:C261125INR0,\n", ":61:261125C1,00NTRFNONREF//NB1\n:86:/EREF/BAH%031d\n", ":62F:C261125INR#n,\n", 3 << 20},
		{"bai2", "01,A,B,261125,0100,1,,,2/\n02,A,B,1,261125,,INR/\n03,1,INR/\n", "16,195,100,Z,NB1,%035d/\n", "49,#n00,#a/\n98,#n00,1,#g/\n99,#n00,1,#f/\n", 3 << 20},
		{"upi", "bank_code,from_account,to_account,rrn,response_code,transaction_id,stan,date,settlement_date,currency,amount,beneficiary_ifsc,remitter_code\n",
			"A,1,2,632923371856,00,BAH%031d,1,2026-11-25,2026-11-25,356,1.00,B,A\n", "", 4 << 20},
		{"jsonl", `{"statement":{"bank":"A","account":"1","id":"1","currency":"INR"}}` + "\n",
			`{"line":{"transaction_id":"BAH%031d","booking_date":"2026-11-25","amount":"1.00","side":"credit"}}` + "\n", `{"end":{"lines":#n}}` + "\n", 4 << 20},
	} {
		t.Run(f.name, func(t *testing.T) {
			n := f.size / len(fmt.Sprintf(f.line, 0))
			r, w := io.Pipe()
			go func() {
				b := bufio.NewWriter(w)
				fill(b, f.head, n)
				for i := range n {
					fmt.Fprintf(b, f.line, i)
				}
				fill(b, f.tail, n)
				_ = b.Flush() // a reader that stopped says so below
				_ = w.Close()
			}()
			before := heap()
			seen := 0
			for item, err := range statement.Read(r, statement.Options{}) {
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := item.(statement.Line); ok {
					seen++
				}
				if seen%5_000 == 0 {
					if now := heap(); now > before+most {
						t.Fatalf("%d bytes of heap after %d lines", now-before, seen)
					}
				}
			}
			if seen != n {
				t.Errorf("%d lines, want %d", seen, n)
			}
		})
	}
}

// fill writes a text with the figures of a file of n lines in it: #n, and the
// records of BAI2's account (#a), group (#g) and file (#f).
func fill(w io.Writer, text string, n int) {
	figures := strings.NewReplacer("#n", strconv.Itoa(n), "#a", strconv.Itoa(n+2), "#g", strconv.Itoa(n+4), "#f", strconv.Itoa(n+6))
	_, _ = figures.WriteString(w, text)
}

// heap is what is in use, garbage apart.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
