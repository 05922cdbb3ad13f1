package settle

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/shopspring/decimal"

	"bahi/ledger"
)

// The elements of pain.001.001.09 and camt.054.001.08 that are written, in the
// order that the schemas have.

type painDocument struct {
	XMLName    xml.Name     `xml:"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09 Document"`
	Initiation painInitiate `xml:"CstmrCdtTrfInitn"`
}

type painInitiate struct {
	Header   painHeader    `xml:"GrpHdr"`
	Payments []painPayment `xml:"PmtInf"`
}

type painHeader struct {
	MessageID string `xml:"MsgId"`
	Created   string `xml:"CreDtTm"`
	Count     int    `xml:"NbOfTxs"`
	Sum       string `xml:"CtrlSum"`
	Initiator string `xml:"InitgPty>Nm"`
}

type painPayment struct {
	ID            string      `xml:"PmtInfId"`
	Method        string      `xml:"PmtMtd"`
	Count         int         `xml:"NbOfTxs"`
	Sum           string      `xml:"CtrlSum"`
	Date          string      `xml:"ReqdExctnDt>Dt"`
	Debtor        string      `xml:"Dbtr>Id>OrgId>Othr>Id"`
	DebtorAccount isoAccount  `xml:"DbtrAcct"`
	DebtorAgent   string      `xml:"DbtrAgt>FinInstnId>Othr>Id"`
	Transfer      painCredits `xml:"CdtTrfTxInf"`
}

type painCredits struct {
	EndToEndID      string     `xml:"PmtId>EndToEndId"`
	Amount          isoAmount  `xml:"Amt>InstdAmt"`
	Creditor        string     `xml:"Cdtr>Nm"`
	CreditorAccount isoAccount `xml:"CdtrAcct"`
	Text            string     `xml:"RmtInf>Ustrd"`
}

type camtDocument struct {
	XMLName      xml.Name         `xml:"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08 Document"`
	Notification camtNotification `xml:"BkToCstmrDbtCdtNtfctn"`
}

type camtNotification struct {
	MessageID string       `xml:"GrpHdr>MsgId"`
	Created   string       `xml:"GrpHdr>CreDtTm"`
	Notices   []camtNotice `xml:"Ntfctn"`
}

type camtNotice struct {
	ID      string      `xml:"Id"`
	Created string      `xml:"CreDtTm"`
	Account camtAccount `xml:"Acct"`
	Count   int         `xml:"TxsSummry>TtlCdtNtries>NbOfNtries"`
	Sum     string      `xml:"TxsSummry>TtlCdtNtries>Sum"`
	Entry   camtEntry   `xml:"Ntry"`
}

type camtAccount struct {
	ID       string `xml:"Id>Othr>Id"`
	Currency string `xml:"Ccy"`
	Servicer string `xml:"Svcr>FinInstnId>Othr>Id"`
}

type camtEntry struct {
	Amount     isoAmount `xml:"Amt"`
	Side       string    `xml:"CdtDbtInd"`
	Status     string    `xml:"Sts>Cd"`
	Date       string    `xml:"BookgDt>Dt"`
	Reference  string    `xml:"AcctSvcrRef"`
	Code       string    `xml:"BkTxCd>Prtry>Cd"`
	EndToEndID string    `xml:"NtryDtls>TxDtls>Refs>EndToEndId"`
	Text       string    `xml:"NtryDtls>TxDtls>RmtInf>Ustrd"`
}

type isoAmount struct {
	Currency string `xml:"Ccy,attr"`
	Value    string `xml:",chardata"`
}

type isoAccount struct {
	ID       string `xml:"Id>Othr>Id"`
	Currency string `xml:"Ccy"`
}

// operator is who the banks pay, and who pays them.
const operator = "Bahi"

// instruction is what the banks that owe are to pay: a pain.001 with a payment for each.
func (r *Report) instruction(w io.Writer) error {
	var payments []painPayment
	total := decimal.Zero
	for _, p := range r.Positions {
		if p.Bank == "" || Owes(&p) <= 0 {
			continue
		}
		amount := ledger.Amount{Minor: Owes(&p), Currency: p.Currency}
		value, err := decimal.NewFromString(amount.String())
		if err != nil {
			return err
		}
		total = total.Add(value)
		account := ledger.SettlementAccount(p.Bank, p.Currency)
		payments = append(payments, painPayment{ID: reference(&p), Method: "TRF", Count: 1, Sum: amount.String(), Date: r.Window.Day.String(),
			Debtor: p.Bank, DebtorAccount: isoAccount{account.Path, string(p.Currency)}, DebtorAgent: p.Bank,
			Transfer: painCredits{EndToEndID: reference(&p), Amount: isoAmount{string(p.Currency), amount.String()}, Creditor: operator,
				CreditorAccount: isoAccount{Itself, string(p.Currency)}, Text: r.text()}})
	}
	if len(payments) == 0 {
		return refuse(CodeNothingToInstruct, "no bank has anything to pay for window %s", r.Window.ID)
	}
	return writeXML(w, painDocument{Initiation: painInitiate{Payments: payments,
		Header: painHeader{MessageID: r.Window.ID, Created: utc(r.Window.Closed), Count: len(payments), Sum: total.String(), Initiator: operator}}})
}

// notification is what the banks that are owed will get: a camt.054 with a notice for each.
func (r *Report) notification(w io.Writer) error {
	out := camtNotification{MessageID: r.Window.ID, Created: utc(r.Window.Closed)}
	for _, p := range r.Positions {
		if p.Bank == "" || Owes(&p) >= 0 {
			continue
		}
		amount := ledger.Amount{Minor: -Owes(&p), Currency: p.Currency}
		out.Notices = append(out.Notices, camtNotice{ID: reference(&p), Created: out.Created, Count: 1, Sum: amount.String(),
			Account: camtAccount{ledger.SettlementAccount(p.Bank, p.Currency).Path, string(p.Currency), p.Bank},
			Entry: camtEntry{Amount: isoAmount{string(p.Currency), amount.String()}, Side: "CRDT", Status: "PDNG", Date: r.Window.Day.String(),
				Reference: reference(&p), Code: "NET", EndToEndID: reference(&p), Text: r.text()}})
	}
	if len(out.Notices) == 0 {
		return refuse(CodeNothingToInstruct, "no bank gets anything for window %s", r.Window.ID)
	}
	return writeXML(w, camtDocument{Notification: out})
}

// reference names a position in a payment: at most 35 characters, as ISO 20022 has it.
func reference(p *ledger.Position) string {
	return p.Window + "-" + p.Bank + "-" + string(p.Currency)
}

func (r *Report) text() string { return fmt.Sprintf("net settlement of %s", r.Window.ID) }

func writeXML(w io.Writer, document any) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(document); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
