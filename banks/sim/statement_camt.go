package sim

import (
	"encoding/xml"
	"io"
	"time"

	"bahi/ledger"
)

const camtNamespace = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"

// The parts of a camt.053, in the order of its schema.
type (
	camtGroup struct {
		XMLName xml.Name `xml:"GrpHdr"`
		ID      string   `xml:"MsgId"`
		Created string   `xml:"CreDtTm"`
	}
	camtAccount struct {
		XMLName  xml.Name        `xml:"Acct"`
		ID       string          `xml:"Id>Othr>Id"`
		Currency ledger.Currency `xml:"Ccy"`
		Bank     string          `xml:"Svcr>FinInstnId>Othr>Id"`
	}
	camtBalance struct {
		XMLName xml.Name   `xml:"Bal"`
		Code    string     `xml:"Tp>CdOrPrtry>Cd"`
		Amount  camtAmount `xml:"Amt"`
		Side    string     `xml:"CdtDbtInd"`
		Day     string     `xml:"Dt>Dt"`
	}
	camtAmount struct {
		Currency ledger.Currency `xml:"Ccy,attr"`
		Value    string          `xml:",chardata"`
	}
	camtSummary struct {
		XMLName     xml.Name `xml:"TxsSummry"`
		Count       int      `xml:"TtlNtries>NbOfNtries"`
		CreditCount int      `xml:"TtlCdtNtries>NbOfNtries"`
		Credits     string   `xml:"TtlCdtNtries>Sum"`
		DebitCount  int      `xml:"TtlDbtNtries>NbOfNtries"`
		Debits      string   `xml:"TtlDbtNtries>Sum"`
	}
	camtEntry struct {
		XMLName   xml.Name    `xml:"Ntry"`
		Amount    camtAmount  `xml:"Amt"`
		Side      string      `xml:"CdtDbtInd"`
		Reversal  bool        `xml:"RvslInd,omitempty"`
		Status    string      `xml:"Sts>Cd"`
		Booked    string      `xml:"BookgDt>Dt"`
		Value     string      `xml:"ValDt>Dt"`
		Reference string      `xml:"AcctSvcrRef"`
		Code      string      `xml:"BkTxCd>Prtry>Cd"`
		Details   camtDetails `xml:"NtryDtls>TxDtls"`
	}
	camtDetails struct {
		EndToEnd string         `xml:"Refs>EndToEndId"`
		RRN      *camtReference `xml:"Refs>Prtry"`
		Amount   camtAmount     `xml:"Amt"`
		Side     string         `xml:"CdtDbtInd"`
		Debtor   *camtParty     `xml:"RltdPties>DbtrAcct"`
		Creditor *camtParty     `xml:"RltdPties>CdtrAcct"`
	}
	camtReference struct {
		Kind string `xml:"Tp"`
		Ref  string `xml:"Ref"`
	}
	camtParty struct {
		Account string `xml:"Id>Othr>Id"`
	}
)

func (s *Statement) writeCamt(w io.Writer) error {
	t := s.totals()
	created := (s.Day + 1).Time(s.Zone).Format(time.RFC3339)
	c := camtWriter{e: xml.NewEncoder(w)}
	c.put(xml.ProcInst{Target: "xml", Inst: []byte(`version="1.0" encoding="UTF-8"`)}, xml.CharData("\n"))
	c.open("Document", xml.Attr{Name: xml.Name{Local: "xmlns"}, Value: camtNamespace})
	c.open("BkToCstmrStmt")
	c.part(camtGroup{ID: s.id(), Created: created})
	c.open("Stmt")
	c.text("Id", s.id())
	c.text("CreDtTm", created)
	c.part(camtAccount{ID: poolAccount, Currency: s.Currency, Bank: s.Bank})
	c.part(s.camtBalance("OPBD", s.Opening))
	c.part(s.camtBalance("CLBD", t.closing))
	c.part(camtSummary{Count: t.creditCount + t.debitCount, CreditCount: t.creditCount, Credits: s.amount(t.credits),
		DebitCount: t.debitCount, Debits: s.amount(t.debits)})
	for e := range s.Entries {
		if c.part(s.camtEntry(&e)); c.err != nil {
			break
		}
	}
	c.close("Stmt", "BkToCstmrStmt", "Document")
	return c.end()
}

func (s *Statement) camtBalance(code string, minor int64) camtBalance {
	return camtBalance{Code: code, Amount: s.camtAmount(minor), Side: camtSide(minor < 0), Day: s.Day.String()}
}

func (s *Statement) camtAmount(minor int64) camtAmount {
	return camtAmount{Currency: s.Currency, Value: s.amount(minor)}
}

func (s *Statement) camtEntry(e *Entry) camtEntry {
	side, amount := camtSide(takes(e.ID.Leg)), s.camtAmount(e.Amount)
	d := camtDetails{EndToEnd: e.ID.Transfer.TransferRef(), Amount: amount, Side: side}
	if e.RRN != "" {
		d.RRN = &camtReference{"RRN", e.RRN}
	}
	if takes(e.ID.Leg) != e.reverses() { // who was the debtor of a payment is so of its reversal
		d.Debtor = &camtParty{e.Account}
	} else {
		d.Creditor = &camtParty{e.Account}
	}
	return camtEntry{Amount: amount, Side: side, Reversal: e.reverses(), Status: "BOOK", Booked: s.Day.String(), Value: s.valueDay(e).String(),
		Reference: e.Ref, Code: "UPI", Details: d}
}

func camtSide(debit bool) string {
	if debit {
		return "DBIT"
	}
	return "CRDT"
}

// camtWriter writes a document piece by piece and keeps the first error.
type camtWriter struct {
	e   *xml.Encoder
	err error
}

func (c *camtWriter) put(tokens ...xml.Token) {
	for _, token := range tokens {
		if c.err == nil {
			c.err = c.e.EncodeToken(token)
		}
	}
}

func (c *camtWriter) open(name string, attributes ...xml.Attr) {
	c.put(xml.StartElement{Name: xml.Name{Local: name}, Attr: attributes}, xml.CharData("\n"))
}

func (c *camtWriter) close(names ...string) {
	for _, name := range names {
		c.put(xml.EndElement{Name: xml.Name{Local: name}}, xml.CharData("\n"))
	}
}

func (c *camtWriter) text(name, text string) {
	if c.err == nil {
		c.err = c.e.EncodeElement(text, xml.StartElement{Name: xml.Name{Local: name}})
	}
	c.put(xml.CharData("\n"))
}

func (c *camtWriter) part(v any) {
	if c.err == nil {
		c.err = c.e.Encode(v)
	}
	c.put(xml.CharData("\n"))
}

func (c *camtWriter) end() error {
	if c.err != nil {
		return c.err
	}
	return c.e.Close()
}
