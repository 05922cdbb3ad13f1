package statement

import (
	"strings"

	"bahi/ledger"
)

// camtEntry is an entry of a statement and the transaction of it being read. Each
// transaction of a batch is a line of its own; a batch without its transactions'
// amounts is one line.
type camtEntry struct {
	line    Line // what holds for all its lines
	hasSide bool

	batch       sum    // what its batches say they hold
	batchCount  *field // where; nil: they don't say
	batchAmount *field

	detail  *camtDetail
	waiting *camtDetail // the first transaction, until a second says that the entry is a batch
	details int
	whole   bool // transactions have no amounts: the entry is the line
	sum     int64
}

// camtDetail is one TxDtls.
type camtDetail struct {
	line      Line
	own       ledger.Amount // its Amt
	booked    ledger.Amount // its AmtDtls/TxAmt
	direct    bool          // own was there
	hasSide   bool
	endToEnd  string
	tx, instr string
	kind      string // of the proprietary reference being read
	debtor    string
	creditor  string
}

// entryField takes an element of an entry in as it ends.
func (c *camt) entryField(f field) error {
	e := c.entry
	if rest, ok := strings.CutPrefix(f.path, "Ntry/NtryDtls/TxDtls/"); ok {
		return e.detail.take(f, rest)
	}
	var err error
	switch f.path {
	case "Ntry/AcctSvcrRef": // NtryRef may be no more than a place in this statement
		e.line.Reference = f.text
	case "Ntry/Amt":
		e.line.Amount, err = camtAmount(f)
	case "Ntry/CdtDbtInd":
		e.line.Side, err = camtSide(f)
		e.hasSide = true
	case "Ntry/RvslInd":
		e.line.Reversal, err = isTrue(f)
	case "Ntry/Sts", "Ntry/Sts/Cd":
		switch f.text {
		case "BOOK", "": // in later versions the code lies in an element of its own
		case "PDNG", "INFO", "FUTR":
			e.line.Pending = true
		default:
			return mistakef(f.line, f.path, "%s is not BOOK, PDNG, INFO or FUTR", clip(f.text))
		}
	case "Ntry/BookgDt/Dt", "Ntry/BookgDt/DtTm":
		e.line.BookingDate, err = camtDay(f)
	case "Ntry/ValDt/Dt", "Ntry/ValDt/DtTm":
		e.line.ValueDate, err = camtDay(f)
	case "Ntry/NtryDtls/Btch/NbOfTxs", "Ntry/NtryDtls/Btch/TtlAmt":
		return e.takeBatch(f)
	case "Ntry/NtryDtls/TxDtls":
		return c.detailEnds(f.line)
	case "Ntry":
		return c.entryEnds()
	}
	return err
}

func (d *camtDetail) take(f field, path string) error {
	var err error
	switch path {
	case "Refs/AcctSvcrRef":
		d.line.Reference = f.text
	case "Refs/EndToEndId":
		d.endToEnd = f.text
	case "Refs/TxId":
		d.tx = f.text
	case "Refs/InstrId":
		d.instr = f.text
	case "Refs/ClrSysRef":
		if isRRN(f.text) {
			d.line.RRN = f.text
		}
	case "Refs/Prtry/Tp":
		d.kind = f.text
	case "Refs/Prtry/Ref":
		if d.kind == "RRN" {
			if !isRRN(f.text) {
				return mistakef(f.line, f.path, "the RRN %s is not 12 digits", clip(f.text))
			}
			d.line.RRN = f.text
		}
	case "Amt":
		d.own, err = camtAmount(f)
		d.direct = true
	case "AmtDtls/TxAmt/Amt":
		d.booked, err = camtAmount(f)
	case "CdtDbtInd":
		d.line.Side, err = camtSide(f)
		d.hasSide = true
	case "RltdPties/DbtrAcct/Id/IBAN", "RltdPties/DbtrAcct/Id/Othr/Id":
		d.debtor = compact(f.text)
	case "RltdPties/CdtrAcct/Id/IBAN", "RltdPties/CdtrAcct/Id/Othr/Id":
		d.creditor = compact(f.text)
	}
	return err
}

// complete says what an entry must have before its lines can be handed on.
func (c *camt) complete() error {
	l := &c.entry.line
	if l.BookingDate.IsZero() {
		l.BookingDate = l.ValueDate
	}
	switch {
	case l.Amount.Currency == "":
		return mistakef(l.Line, "Ntry/Amt", "is missing")
	case !c.entry.hasSide:
		return mistakef(l.Line, "Ntry/CdtDbtInd", "is missing")
	}
	if err := c.begin(l.Amount.Currency); err != nil {
		return err
	}
	if l.BookingDate.IsZero() {
		l.BookingDate = c.head.Date
	}
	if l.BookingDate.IsZero() {
		return mistakef(l.Line, "Ntry/BookgDt", "is missing")
	}
	return nil
}

func (c *camt) detailBegins(line int) error {
	e := c.entry
	if e.details == 0 {
		if err := c.complete(); err != nil {
			return err
		}
	}
	e.detail = &camtDetail{line: e.line}
	e.detail.line.Line = line
	return nil
}

// detailEnds holds the first transaction back: only with a second is it known
// whether its amount or the entry's is the line's.
func (c *camt) detailEnds(line int) error {
	e, d := c.entry, c.entry.detail
	e.details++
	d.settle(e.line.Amount.Currency)
	if e.details == 1 {
		e.waiting = d
		return nil
	}
	if first := e.waiting; first != nil {
		e.waiting = nil
		if first.own.Currency == "" {
			e.whole = true
		} else if err := c.part(first); err != nil {
			return err
		}
	}
	if e.whole != (d.own.Currency == "") {
		return mistakef(line, "Ntry/NtryDtls/TxDtls/Amt", "is in some transactions of the entry and missing in others")
	}
	if e.whole {
		return nil
	}
	return c.part(d)
}

// settle chooses among the amounts and names of a transaction.
func (d *camtDetail) settle(code ledger.Currency) {
	if d.own.Currency != code {
		d.own = ledger.Amount{}
	}
	if d.own.Currency == "" && d.booked.Currency == code {
		d.own = d.booked
	}
	for _, id := range []string{d.instr, d.tx, d.endToEnd} {
		if id != "" && id != "NOTPROVIDED" {
			d.line.TransactionID = id
		}
	}
	d.line.Counterparty = d.debtor
	if (d.line.Side == Debit) != d.line.Reversal {
		d.line.Counterparty = d.creditor
	}
}

// part hands one transaction of a batch on.
func (c *camt) part(d *camtDetail) error {
	e := c.entry
	d.line.Amount = d.own
	signed := d.own.Minor
	if d.line.Side != e.line.Side {
		signed = -signed
	}
	var ok bool
	if e.sum, ok = plus(e.sum, signed); !ok {
		return mistakef(d.line.Line, "Ntry/NtryDtls/TxDtls/Amt", "the sum is larger than can be counted")
	}
	return c.t.add(d.line)
}

func (c *camt) entryEnds() error {
	e := c.entry
	defer func() { c.entry = nil }()
	if e.details == 0 {
		if err := c.complete(); err != nil {
			return err
		}
	}
	if err := c.countEntry(); err != nil {
		return err
	}
	if err := e.checkBatch(); err != nil {
		return err
	}
	single := e.waiting != nil && e.batch.n <= 1
	switch {
	case single && e.waiting.direct && e.waiting.own.Currency != "" && e.waiting.own != e.line.Amount:
		return differ(e.line.Line, "Ntry/Amt", e.line.Amount, e.waiting.own)
	case single:
		l := e.waiting.line
		l.Amount, l.Side = e.line.Amount, e.line.Side
		return c.t.add(l)
	case e.waiting != nil || e.details == 0 || e.whole: // one of many shown is not all of them
		l := e.line
		l.Count = max(e.batch.n, e.details)
		return c.t.add(l)
	case e.sum != e.line.Amount.Minor:
		return differ(e.line.Line, "Ntry/Amt", e.line.Amount, Balance{Minor: e.sum, Currency: e.line.Amount.Currency})
	}
	return nil
}

// takeBatch adds up what the batches of an entry say of themselves.
func (e *camtEntry) takeBatch(f field) error {
	if strings.HasSuffix(f.path, "NbOfTxs") {
		n, err := count(f.line, f.path, f.text)
		e.batch.n += n
		e.batchCount = &f
		return err
	}
	a, err := camtAmount(f)
	if err != nil {
		return err
	}
	if a.Currency == e.line.Amount.Currency {
		var ok bool
		if e.batch.minor, ok = plus(e.batch.minor, a.Minor); !ok {
			return mistakef(f.line, f.path, "the sum is larger than can be counted")
		}
		e.batchAmount = &f
	}
	return nil
}

func (e *camtEntry) checkBatch() error {
	if f := e.batchCount; f != nil && e.details > 1 && e.batch.n != e.details {
		return differ(f.line, f.path, e.batch.n, e.details)
	}
	if f := e.batchAmount; f != nil && e.batch.minor != e.line.Amount.Minor {
		says := Balance{Minor: e.batch.minor, Currency: e.line.Amount.Currency}
		return mistakef(f.line, f.path, "says %v, its entry's amount is %v", says, e.line.Amount)
	}
	return nil
}

// countEntry counts an entry for the summary, booked or not.
func (c *camt) countEntry() error {
	l := c.entry.line
	side := &c.booked[0]
	if l.Side == Debit {
		side = &c.booked[1]
	}
	side.n++
	var ok bool
	if side.minor, ok = plus(side.minor, l.Amount.Minor); !ok {
		return mistakef(l.Line, "Ntry/Amt", "the sum of entries is larger than can be counted")
	}
	return nil
}

func camtSide(f field) (Side, error) {
	debit, err := isDebit(f)
	if debit {
		return Debit, err
	}
	return Credit, err
}

func isTrue(f field) (bool, error) {
	switch f.text {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, mistakef(f.line, f.path, "%s is not true or false", clip(f.text))
}
