package statement_test

import (
	"errors"
	"strings"
	"testing"

	"bahi/ledger/reconcile/statement"
)

// TestMistakes plants one mistake at a time in a right file, and wants the line,
// the field and what is said of it, both figures where two disagree.
func TestMistakes(t *testing.T) {
	const v02, swift, bai = "camt053_v02.xml", "mt940_swift.sta", "bai2.txt"
	for _, c := range []struct {
		file, mapping string
		old, new      string
		line          int
		field, text   string
	}{
		{v02, "", `INR">1130.50`, `INR">1130.51`, 10, "Bal", "says 1130.51; opening 1000.00 + credits 850.00 - debits 719.50 = 1130.50"},
		{v02, "", "<NbOfNtries>5<", "<NbOfNtries>4<", 12, "TxsSummry/TtlNtries/NbOfNtries", "says 4, its lines give 5"},
		{v02, "", "<Sum>1669.50<", "<Sum>1669.49<", 12, "TxsSummry/TtlNtries/Sum", "says 1669.49, its lines give 1669.50"},
		{v02, "", "Amt>230.50<", "Amt>230.00<", 12, "TxsSummry/TtlNtries/TtlNetNtryAmt", "says 230.00, its lines give 230.50"},
		{v02, "", "<Sum>950.00<", "<Sum>951.00<", 13, "TxsSummry/TtlCdtNtries/Sum", "says 951.00, its lines give 950.00"},
		{v02, "", "<NbOfNtries>2<", "<NbOfNtries>3<", 14, "TxsSummry/TtlDbtNtries/NbOfNtries", "says 3, its lines give 2"},
		{v02, "", `INR">400.00`, `INR">400.01`, 24, "Ntry/Amt", "says 600.00, its lines give 600.01"},
		{v02, "", "<NbOfTxs>2<", "<NbOfTxs>3<", 28, "Ntry/NtryDtls/Btch/NbOfTxs", "says 3, its lines give 2"},
		{v02, "", `TtlAmt Ccy="INR">600.00`, `TtlAmt Ccy="INR">601.00`, 28, "Ntry/NtryDtls/Btch/TtlAmt", "says 601.00, its entry's amount is 600.00"},
		{v02, "", `INR">250.00</Amt><CdtDbtInd>CRDT`, `INR">250.001</Amt><CdtDbtInd>CRDT`, 17, "Ntry/Amt", "more digits after the point"},
		{v02, "", `INR">250.00</Amt><CdtDbtInd>CRDT`, `INR">2.5e2</Amt><CdtDbtInd>CRDT`, 17, "Ntry/Amt", "not a plain decimal"},
		{v02, "", `INR">250.00</Amt><CdtDbtInd>CRDT`, `INR">99999999999999999.00</Amt><CdtDbtInd>CRDT`, 17, "Ntry/Amt", ""},
		{v02, "", `INR">250.00</Amt><CdtDbtInd>CRDT`, `XXZ">250.00</Amt><CdtDbtInd>CRDT`, 17, "Ntry/Amt/@Ccy", `"XXZ"`},
		{v02, "", `INR">250.00</Amt><CdtDbtInd>CRDT`, `EUR">250.00</Amt><CdtDbtInd>CRDT`, 19, "currency", "is EUR, the statement's is INR"},
		{v02, "", "<BookgDt><Dt>2026-11-25<", "<BookgDt><Dt>2026-02-30<", 18, "Ntry/BookgDt/Dt", `"2026-02-30" is not a date`},
		{v02, "", "<Ref>632923371856<", "<Ref>63292337185<", 20, "TxDtls/Refs/Prtry/Ref", "not 12 digits"},
		{v02, "", "<RvslInd>true<", "<RvslInd>yes<", 39, "Ntry/RvslInd", `"yes"`},
		{v02, "", "<CdtDbtInd>DBIT</CdtDbtInd><RvslInd>", "<CdtDbtInd>DEBIT</CdtDbtInd><RvslInd>", 39, "Ntry/CdtDbtInd", `"DEBIT"`},
		{v02, "", "camt.053.001.02", "camt.053.001.13", 2, "namespace", "001.13"},
		{v02, "", "<GrpHdr>", `<!DOCTYPE a [<!ENTITY b "c">]><GrpHdr>`, 4, "XML", "entity"},
		{v02, "", "M1", "&b;", 4, "XML", "entity"},
		{v02, "", "M1", "M\x00", 4, "NUL", ""},
		{v02, "", "M1", "M\xff", 4, "XML", "UTF-8"},
		{v02, "", "M1", strings.Repeat("<a>", 65), 4, "XML", "deeper than 64"},
		{v02, "", "M1", strings.Repeat("a", 2<<20), 4, "record", "longer than"},
		{v02, "", "</GrpHdr>", "</Grp>", 4, "XML", "Grp ends where it has not begun"},
		{v02, "", "UTF-8", "EBCDIC", 1, "encoding", "EBCDIC"},
		{v02, "", "M1", strings.Repeat(strings.Repeat("a", 900_000)+"<!-- -->", 2), 4, "MsgId", "longer than"},
		{v02, "", "<Sts>BOOK<", "<Sts>GONE<", 17, "Ntry/Sts", `"GONE"`},
		{"camt053_v08.xml", "", `JPY">250<`, `JPY">249<`, 10, "Ntry/Amt", "says 200, its lines give 199"},
		{"camt053_v08.xml", "", `JPY">100<`, `JPY">101<`, 8, "Bal", "says 101; opening 300 + credits 50 - debits 250 = 100"},
		{"camt053_v08.xml", "", "Amt>200</n0:Amt><n0:CdtDbtInd>DBIT", "Amt>200</n0:Amt><n0:CdtDbtInd>CRDT", 9, "TtlNetNtry/Amt", "says 200, its lines give -200"},
		{v02, "", `<AmtDtls><TxAmt><Amt Ccy="INR">400.00</Amt></TxAmt></AmtDtls>`, "", 30, "TxDtls/Amt", "missing in others"},
		{v02, "", "<CdtDbtInd>DBIT</CdtDbtInd><RvslInd>", "<RvslInd>", 38, "Ntry/CdtDbtInd", "is missing"},
		{v02, "", "<Id>ST-330</Id>", "", 5, "Id", "is missing"},
		{"camt054_v04.xml", "", "</Refs></TxDtls>", `</Refs><Amt Ccy="KWD">1.235</Amt></TxDtls>`, 5, "Ntry/Amt", "says 1.234, its lines give 1.235"},
		{"camt054_v04.xml", "", "<Sum>1.234<", "<Sum>1.235<", 4, "TxsSummry/TtlCdtNtries/Sum", "says 1.235, its lines give 1.234"},

		{swift, "", ":62F:C261125INR530,50", ":62F:C261125INR530,5", 0, "", ""},
		{swift, "", ":62F:C261125INR530,50", ":62F:C261125INR530,49", 12, ":62F:", "says 530.49; opening 1000.00 + credits 250.00 - debits 719.50 = 530.50"},
		{swift, "", ":62F:C261125INR530,50", ":62F:C261125EUR530,50", 12, ":62F:", "is in EUR, the account in INR"},
		{swift, "", "D469,5N", "D469,555N", 9, ":61: amount", "more digits"},
		{swift, "", "D469,5N", "D469.5N", 9, ":61: amount", "no decimal comma"},
		{swift, "", "2612310101D", "2613310101D", 9, ":61: value date", `"261331" is not a date`},
		{swift, "", "2612310101D", "2612310231D", 9, ":61: entry date", `"0231"`},
		{swift, "", "2612310101D", "2612310101E", 9, ":61:", "is not of the form"},
		{swift, "", ":28C:330/1\r\n", "", 2, ":28C:", "is missing"},
		{swift, "", ":62F:C261125INR530,50\r\n:64:C261125INR530,50\r\n", "", 12, ":62F:", "is missing"},
		{swift, "", ":60F:", ":61:", 5, ":61:", "out of its place"},
		{swift, "", "dinner", "din\x00ner", 8, "character", "NUL"},
		{swift, "", "dinner", "din\xffner", 8, "character", "UTF-8"},
		{swift, "", "dinner", strings.Repeat("a", 2<<20), 8, "record", "longer than"},

		{bai, "", "015,53050", "015,53051", 10, "49 control total", "says 346950, its lines give 346951"},
		{bai, "", "03,910000000001,INR,010,100000,,,015,53050", "03,910000000001,INR,010,100001,,,015,53049", 3, "03 type 015",
			"says 530.49; opening 1000.01 + credits 250.00 - debits 719.50 = 530.51"},
		{bai, "", "49,346950,8", "49,346951,8", 10, "49 control total", "says 346951, its lines give 346950"},
		{bai, "", "49,346950,8", "49,346950,9", 10, "49 number of records", "says 9, its lines give 8"},
		{bai, "", "98,347250,2,12", "98,347251,2,12", 13, "98 control total", "says 347251, its lines give 347250"},
		{bai, "", "98,347250,2,12", "98,347250,3,12", 13, "98 number of accounts", "says 3, its lines give 2"},
		{bai, "", "98,347250,2,12", "98,347250,2,11", 13, "98 number of records", "says 11, its lines give 12"},
		{bai, "", "99,347840,2,19", "99,347840,1,19", 19, "99 number of groups", "says 1, its lines give 2"},
		{bai, "", "99,347840,2,19", "99,347840,2,20", 19, "99 number of records", "says 20, its lines give 19"},
		{bai, "", "88,100,25000,1,Z", "88,100,25000,2,Z", 4, "03 item count of credits", "says 2, its lines give 1"},
		{bai, "", "16,495,46950", "16,495,469.50", 7, "16 amount", "not a plain whole number"},
		{bai, "", "16,495,46950", "16,495," + strings.Repeat("9", 40), 7, "16 amount", "larger"},
		{bai, "", "16,495,46950", "16,790,46950", 7, "16 type", `"790"`},
		{bai, "", ",V,261125,", ",V,261325,", 5, "value date", `"261325"`},
		{bai, "", ",D,2,1", ",D,900000000,1", 7, "funds type D", ""},
		{bai, "", ",,JPY,", ",,XXZ,", 14, "02 currency", `"XXZ"`},
		{bai, "", "NRMDINBB,1,261125,,INR", "NRMDINBB,4,261125,,INR", 2, "02 status", `"4" is not 1`},
		{bai, "", "16,890", "17,890", 9, "record", `"17"`},
		{bai, "", "49,300,2/\n", "", 12, "98", "out of its place"},

		{"upi.csv", "", ",250.00,", ",250.000,", 2, "amount", "more digits"},
		{"upi.csv", "", ",356,250.00", ",999,250.00", 2, "currency", `"999"`},
		{"upi.csv", "", "632923371857", "63292337185", 3, "rrn", "not 12 digits"},
		{"upi.csv", "", "NRMD0000001,0001,KVRI", "SBIN0000001,0001,KVRI", 3, "bank_code", "neither the remitter"},
		{"upi.csv", "", "2026-11-25,23:09:56", "25-11-2026,23:09:56", 2, "date", "not a date"},
		{"upi.csv", "", "transaction_id", "txn", 1, "column", `"transaction_id" is missing`},
		{"upi.csv", "", ",U2,", ",", 3, "row", "wrong number of fields"},
		{"upi.csv", "", ",U2,", ",\"U2" + strings.Repeat("a", 2<<20), 3, "record", "longer than"},
		{"settlement.csv", "", "-239.95", "-239.96", 2, "net", "says -239.96; opening 0.00 + credits 15.50 - debits 255.45 = -239.95"},
		{"settlement.csv", "", "3,255.00", "0,255.00", 2, "remitted_count", "says 0, remitted says 255.00"},
		{"german.csv", "german.yaml", "999,50", "999,51", 3, "Saldo", "says 999.51; 1000.00 and the row's amount give 999.50"},
		{"german.csv", "german.yaml", "-0,5;", "-0.5;", 3, "Betrag", "in the wrong place"},
		{"german.csv", "german.yaml", "1.250,00;", "1250.00;", 2, "Betrag", "in the wrong place"},
		{"sides.csv", "sides.yaml", "7,2026-11-25,,100", "7,2026-11-25,,", 3, "in and out", "exactly one"},
		{"german.csv", "german.yaml", ";-0,5", ";-0,555", 3, "Betrag", "more digits"},
		{"sides.csv", "sides.yaml", "0300,,", "0300,1,", 2, "in and out", "exactly one"},
		{"sides.csv", "sides.yaml", ",,100,", ",,1.00,", 3, "out", "not a plain whole number"},

		{"lines.jsonl", "", `"closing":"-1.00"`, `"closing":"1.00"`, 4, "closing", "says 1.00; opening -1.00 + credits 250.00 - debits 250.00 = -1.00"},
		{"lines.jsonl", "", `"lines":2`, `"lines":3`, 4, "lines", "says 3, its lines give 2"},
		{"lines.jsonl", "", `"credits":"250.00"`, `"credits":"250.01"`, 4, "credits", "says 250.01, its lines give 250.00"},
		{"lines.jsonl", "", `"amount":"250.00","side"`, `"amount":250.00,"side"`, 2, "JSON", ""},
		{"lines.jsonl", "", `"value_date"`, `"valuedate"`, 2, "JSON", ""},
		{"lines.jsonl", "", `"side":"debit"`, `"side":"out"`, 3, "side", `"out"`},
	} {
		right := string(load(t, c.file))
		if !strings.Contains(right, c.old) {
			t.Errorf("%s holds no %q", c.file, c.old)
			continue
		}
		_, err := all([]byte(strings.Replace(right, c.old, c.new, 1)), options(t, c.mapping))
		if c.line == 0 {
			if err != nil {
				t.Errorf("%s, %q for %q: %v", c.file, c.new, c.old, err)
			}
			continue
		}
		m := (*statement.Mistake)(nil)
		if !errors.As(err, &m) || m.Line != c.line || !strings.Contains(m.Error(), c.field) || !strings.Contains(m.Text, c.text) {
			t.Errorf("%s, %.80q for %q: %v; want line %d: %s: %s", c.file, c.new, c.old, err, c.line, c.field, c.text)
		}
	}
}

func TestMappingRefuses(t *testing.T) {
	right := string(load(t, "german.yaml"))
	for _, c := range []struct{ old, new, text string }{
		{"signed: true", "", "exactly one"},
		{"amount: Betrag", "amount: Betrag\n  side: S", "exactly one"},
		{"EUR", "XXZ", "currency"},
		{"currency: EUR", "", "currency"},
		{"DD.MM.YYYY", "DD.MM", "date"},
		{"DD.MM.YYYY", "DD.MM.YYYY hh", "date"},
		{`decimal: ","`, `decimal: "'"`, "decimal"},
		{`thousands: "."`, `thousands: ","`, "thousands"},
		{"ISO-8859-1", "EBCDIC", "charset"},
		{"  booking_date: Buchungstag\n", "", "booking_date"},
		{"reversal: [ja]\n", "", "reversal"},
		{"signed", "sined", "sined"},
	} {
		if _, err := statement.ReadMapping(strings.NewReader(strings.Replace(right, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q for %q: %v", c.new, c.old, err)
		}
	}
}

// TestNothingInIt: a file without a statement is none.
func TestNothingInIt(t *testing.T) {
	upi, _, _ := strings.Cut(string(load(t, "upi.csv")), "\n")
	settlement, _, _ := strings.Cut(string(load(t, "settlement.csv")), "\n")
	for _, file := range []string{
		"", "\n", "{}\n", "nonsense\n", upi + "\n", settlement + "\n", "01,A,B,261125,0100,1,,,2/\n99,0,0,2/\n",
		"<Document/>", "<Document><BkToCstmrStmt></BkToCstmrStmt></Document>",
	} {
		m := (*statement.Mistake)(nil)
		if items, err := all([]byte(file), statement.Options{}); !errors.As(err, &m) || len(items) > 0 {
			t.Errorf("%.60q: %d items, %v", file, len(items), err)
		}
	}
}

// TestSumsAreCounted: each amount is one that can be, and their sum is not.
func TestSumsAreCounted(t *testing.T) {
	line := `{"line":{"booking_date":"2026-11-25","amount":"10000000000000.00","side":"debit"}}` + "\n"
	file := `{"statement":{"bank":"A","id":"1","currency":"INR"}}` + "\n" + strings.Repeat(line, 9300)
	m := (*statement.Mistake)(nil)
	if _, err := all([]byte(file), statement.Options{}); !errors.As(err, &m) || m.Line != 9225 || m.Field != "amount" {
		t.Error(err)
	}
}
