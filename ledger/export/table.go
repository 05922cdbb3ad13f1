package export

import (
	"encoding/hex"

	"bahi/ledger"
)

// line is a row of a table: the posting, the transfer or the step that it is of.
type line struct {
	*fact
	posting  *ledger.Posting
	transfer *ledger.Transfer
	step     *ledger.Step
}

// currency is that of the row's money.
func (l *line) currency() ledger.Currency {
	if l.posting != nil {
		return l.posting.Currency
	}
	return l.transfer.Amount.Currency
}

// table is what the rows are made from, and what stands in each.
type table struct {
	kinds   []ledger.LeafKind
	rows    func(f *fact, yield func(line) error) error
	columns []column
}

// column is one of a table: a text, or a number that its kind gives a meaning.
type column struct {
	name   string
	kind   columnKind
	text   func(b []byte, l *line) []byte
	number func(l *line) int64
}

type columnKind uint8

const (
	whole   columnKind = iota + 1 // a whole number
	moment                        // Unix microseconds
	perhaps                       // likewise; 0: none
	money                         // minor units of the row's currency
	word                          // a text that many rows have in common
	text
)

func words(name string, of func(l *line) string) column {
	return column{name: name, kind: word, text: func(b []byte, l *line) []byte { return append(b, of(l)...) }}
}

func ref(name, prefix string, of func(l *line) ledger.ID) column {
	return column{name: name, kind: text, text: func(b []byte, l *line) []byte { return appendRef(b, of(l), prefix) }}
}

func numbers(name string, kind columnKind, of func(l *line) int64) column {
	return column{name: name, kind: kind, number: of}
}

// appendRef appends the outside form of an ID, nothing where it is zero.
func appendRef(b []byte, id ledger.ID, prefix string) []byte {
	if id.IsZero() {
		return b
	}
	if prefix == transferPrefix {
		b = append(b, prefix...)
		for _, v := range id {
			b = append(b, capitals[v>>4], capitals[v&15])
		}
		return b
	}
	return hex.AppendEncode(append(b, prefix...), id[:])
}

// appendEntry appends the outside form of a posting's entry: nearly always a transfer.
func appendEntry(b []byte, p *ledger.Posting) []byte {
	switch p.Event {
	case ledger.EventAdjustment, ledger.EventSettlement, ledger.EventFee:
		return append(b, p.EntryRef()...)
	}
	return appendRef(b, p.Entry, transferPrefix)
}

const (
	transferPrefix = "BAH"
	partyPrefix    = "pty_"
	potPrefix      = "pot_"
	capitals       = "0123456789ABCDEF"
)

// place is where the leaf stands in the log, which a row can be found and proved by.
var place = numbers("place", whole, func(l *line) int64 { return l.place })

var postingTable = table{
	kinds: []ledger.LeafKind{ledger.LeafPosting},
	rows: func(f *fact, yield func(line) error) error {
		return yield(line{fact: f, posting: f.leaf.(*ledger.Posting)})
	},
	columns: []column{
		place,
		numbers("time", moment, func(l *line) int64 { return l.posting.At }),
		{name: "entry", kind: text, text: func(b []byte, l *line) []byte { return appendEntry(b, l.posting) }},
		words("event", func(l *line) string { return l.posting.Event.String() }),
		words("undoes", func(l *line) string { return undone(l.posting) }),
		ref("transfer", transferPrefix, func(l *line) ledger.ID { return l.about.transfer }),
		words("app", func(l *line) string { return l.about.app }),
		ref("payer_party", partyPrefix, func(l *line) ledger.ID { return l.about.payer.party }),
		ref("payee_party", partyPrefix, func(l *line) ledger.ID { return l.about.payee.party }),
		words("debit_account", func(l *line) string { return l.debit.Path }),
		words("credit_account", func(l *line) string { return l.credit.Path }),
		numbers("amount", money, func(l *line) int64 { return l.posting.Amount }),
		words("currency", func(l *line) string { return string(l.posting.Currency) }),
		numbers("debit_balance", money, func(l *line) int64 { return l.posting.DebitBalance }),
		numbers("credit_balance", money, func(l *line) int64 { return l.posting.CreditBalance }),
		{name: "rrn", kind: text, text: func(b []byte, l *line) []byte { return append(b, l.about.rrn...) }},
	},
}

// undone is the event that a posting takes back, or empty.
func undone(p *ledger.Posting) string {
	if p.Undoes == 0 {
		return ""
	}
	return p.Undoes.String()
}

// cause is the kind of the record by which a transfer was made, or empty.
func cause(t *ledger.Transfer) string {
	if t.Cause.IsZero() {
		return ""
	}
	return t.Cause.Kind.String()
}

var transferTable = table{
	kinds: []ledger.LeafKind{ledger.LeafTransfer},
	rows: func(f *fact, yield func(line) error) error {
		return yield(line{fact: f, transfer: f.leaf.(*ledger.Transfer)})
	},
	columns: []column{
		place,
		numbers("time", moment, func(l *line) int64 { return l.transfer.Created }),
		ref("transfer", transferPrefix, func(l *line) ledger.ID { return l.transfer.ID }),
		words("app", func(l *line) string { return l.transfer.App }),
		words("kind", func(l *line) string { return l.transfer.Kind.String() }),
		ref("payer_party", partyPrefix, func(l *line) ledger.ID { return l.transfer.Payer.Party }),
		words("payer_bank", func(l *line) string { return l.transfer.Payer.Bank }),
		ref("payee_party", partyPrefix, func(l *line) ledger.ID { return l.transfer.Payee.Party }),
		words("payee_bank", func(l *line) string { return l.transfer.Payee.Bank }),
		numbers("amount", money, func(l *line) int64 { return l.transfer.Amount.Minor }),
		words("currency", func(l *line) string { return string(l.transfer.Amount.Currency) }),
		{name: "rrn", kind: text, text: func(b []byte, l *line) []byte { return append(b, l.transfer.RRN...) }},
		words("state", func(l *line) string { return l.transfer.Born.String() }),
		words("reason", func(l *line) string { return string(l.transfer.Birth().Reason) }),
		words("cause", func(l *line) string { return cause(l.transfer) }),
		{name: "cause_id", kind: text, text: func(b []byte, l *line) []byte { return append(b, l.transfer.Cause.Ref()...) }},
		numbers("until", perhaps, func(l *line) int64 { return l.transfer.Until }),
	},
}

var stepTable = table{
	kinds: []ledger.LeafKind{ledger.LeafTransfer, ledger.LeafStep},
	rows: func(f *fact, yield func(line) error) error {
		if s, ok := f.leaf.(*ledger.Step); ok {
			return yield(line{fact: f, step: s})
		}
		for _, s := range f.leaf.(*ledger.Transfer).Beginning() {
			if err := yield(line{fact: f, step: &s}); err != nil {
				return err
			}
		}
		return nil
	},
	columns: []column{
		place,
		numbers("time", moment, func(l *line) int64 { return l.step.At }),
		ref("transfer", transferPrefix, func(l *line) ledger.ID { return l.step.Transfer }),
		words("app", func(l *line) string { return l.about.app }),
		numbers("n", whole, func(l *line) int64 { return int64(l.step.N) }),
		words("state", func(l *line) string { return l.step.State.String() }),
		words("reason", func(l *line) string { return string(l.step.Reason) }),
		words("bank_code", func(l *line) string { return l.step.BankCode }),
		numbers("deadline", perhaps, func(l *line) int64 { return l.step.Deadline }),
	},
}
