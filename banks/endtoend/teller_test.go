package endtoend

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strconv"
	"time"

	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/reconcile"
	"bahi/ledger/reconcile/statement"
)

// teller writes what a bank says of its days: its own journal, with mistakes.
type teller struct {
	bank    *sim.Bank
	code    string
	wrong   map[ledger.InstructionID][]sim.Entry // told in place of what the bank did
	invents map[ledger.Day][]sim.Entry           // told beside it
	closing int64                                // of the last statement
}

func newTeller(code string) *teller {
	return &teller{code: code, wrong: map[ledger.InstructionID][]sim.Entry{}, invents: map[ledger.Day][]sim.Entry{}}
}

// statement is what the bank says of a day. The days are told in order.
func (c *teller) statement(day ledger.Day) *sim.Statement {
	var told []sim.Entry
	for e := range c.bank.Statement(day, zone).Entries {
		if wrong, ok := c.wrong[e.ID]; ok {
			told = append(told, wrong...)
		} else {
			told = append(told, e)
		}
	}
	told = append(told, c.invents[day]...)
	s := &sim.Statement{Bank: c.code, Currency: "INR", Day: day, Zone: zone, Opening: c.closing, Entries: slices.Values(told)}
	for _, e := range told {
		c.closing -= e.Net()
	}
	return s
}

// formats are how each bank sends its statements. Kaveri's one has no room for a
// transaction id.
var formats = map[string][]statement.Format{
	"NRMD": {statement.Camt053, statement.JSONL},
	"KVRI": {statement.MT940},
	"GDVR": {statement.JSONL, statement.MT940, statement.Camt053},
	"STLJ": {statement.Camt053},
}

// names says whether the bank tells transaction ids.
func names(bank string) bool { return bank != "KVRI" }

// files are the files of a day from all banks.
func (w *world) files(day ledger.Day, tellers map[string]*teller) (files [][]byte) {
	w.Helper()
	for _, code := range codes {
		tellers[code].bank = w.banks[code]
		s := tellers[code].statement(day)
		for _, f := range formats[code] {
			var file bytes.Buffer
			w.no(s.Write(&file, f))
			files = append(files, file.Bytes())
		}
	}
	return files
}

// row is what the switch's raw file says of a transfer to one of its banks.
type row struct {
	bank string
	t    ledger.Transfer
	code string
}

// switchCode is the switch's code for what became of a transfer; empty while that is open.
func switchCode(t *ledger.Transfer) string {
	switch t.State {
	case ledger.Completed:
		return "00"
	case ledger.Deemed:
		return "RB"
	case ledger.Failed, ledger.Cancelled, ledger.Reversed, ledger.Unresolved:
		if t.BankCode == "" || t.BankCode == "00" {
			return "U30"
		}
		return t.BankCode
	}
	return ""
}

// switchRows are the rows of the transfers that were made on a day, one for each of their banks.
func (w *world) switchRows(day ledger.Day) (rows []row) {
	w.Helper()
	for _, t := range w.transfers() {
		code := switchCode(&t)
		if code == "" || w.day(&t) != day {
			continue
		}
		banks := []string{t.Payer.Bank, t.Payee.Bank}
		slices.Sort(banks)
		for _, bank := range slices.Compact(banks) {
			if bank != "" {
				rows = append(rows, row{bank, t, code})
			}
		}
	}
	return rows
}

// switchFile is the switch's raw file, bank by bank.
func (w *world) switchFile(rows []row) []byte {
	w.Helper()
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b row) int { return bytes.Compare([]byte(a.bank), []byte(b.bank)) })
	var file bytes.Buffer
	to := csv.NewWriter(&file)
	w.no(to.Write([]string{"bank_code", "transaction_type", "from_account", "to_account", "rrn", "response_code", "transaction_id", "stan", "date", "time",
		"settlement_date", "currency", "amount", "mode", "beneficiary_ifsc", "beneficiary_account", "remitter_code", "remitter_account"}))
	for i, r := range rows {
		made := time.UnixMicro(r.t.Created).In(zone)
		remitter := r.t.Payer.Bank
		if remitter == "" {
			remitter = "BAHI"
		}
		w.no(to.Write([]string{r.bank, "U3", r.t.Payer.Account, r.t.Payee.Account, r.t.RRN, r.code, r.t.ID.TransferRef(), strconv.Itoa(100_000 + i),
			made.Format(time.DateOnly), made.Format(time.TimeOnly), made.Format(time.DateOnly), "356", r.t.Amount.String(), "UPI",
			r.t.Payee.IFSC, r.t.Payee.Account, remitter, r.t.Payer.Account}))
	}
	to.Flush()
	w.no(to.Error())
	return file.Bytes()
}

// ingest takes files in.
func (w *world) ingest(files ...[]byte) {
	w.Helper()
	for _, file := range files {
		_, err := reconcile.Ingest(w.Context(), w.book, w.store, bytes.NewReader(file), reconcile.IngestOptions{By: "meera"})
		w.no(err)
	}
}
