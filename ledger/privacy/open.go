package privacy

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"

	"bahi/ledger"
	"bahi/ledger/privacy/mark"
)

// opening is what is to be opened together.
type opening struct {
	persons     []ledger.ID
	transfers   []*ledger.Transfer
	parties     []*ledger.Party
	instruments []*ledger.Instrument
	answers     []*ledger.Answer
	records     []*ledger.Record
	keep        bool // the sealed form too: the rows may be written again
}

func (o *opening) transfer(t *ledger.Transfer) {
	if t.Payer.Sealed != "" || t.Payee.Sealed != "" {
		o.transfers = append(o.transfers, t)
		o.persons = append(o.persons, t.Payer.Party, t.Payee.Party)
	}
}

func (o *opening) party(p *ledger.Party) {
	if p.Sealed != "" {
		o.parties, o.persons = append(o.parties, p), append(o.persons, p.ID)
	}
}

func (o *opening) instrument(i *ledger.Instrument) {
	if i.Sealed != "" {
		o.instruments, o.persons = append(o.instruments, i), append(o.persons, i.Party)
	}
}

func (o *opening) payee(p *ledger.Payee) {
	o.party(&p.Party)
	o.instrument(&p.Instrument)
}

func (o *opening) answer(a *ledger.Answer) {
	if a.Sealed != nil {
		o.answers, o.persons = append(o.answers, a), append(o.persons, told(a.Sealed)...)
	}
}

func (o *opening) record(r *ledger.Record) {
	if r.Sealed != "" {
		o.records, o.persons = append(o.records, r), append(o.persons, r.Owner)
	}
}

// told are those whom a sealed answer tells of.
func told(sealed []byte) (all []ledger.ID) {
	if len(sealed) < 4 || uint64(len(sealed)) < 4+16*uint64(binary.BigEndian.Uint32(sealed)) {
		return nil
	}
	for i := range int(binary.BigEndian.Uint32(sealed)) {
		all = append(all, ledger.ID(sealed[4+16*i:]))
	}
	return all
}

// open opens what persons' keys are there for.
func (s *Store) open(ctx context.Context, o *opening) error {
	keys, err := s.keys(ctx, o.persons, true)
	if err != nil {
		return err
	}
	for _, t := range o.transfers {
		p := s.people(keys, t)
		if p.Payer != nil {
			t.Payer.Name, t.Payer.Account, t.Payer.UPI = p.Payer.Name, p.Payer.Account, p.Payer.UPI
			t.Note, t.Metadata = p.Payer.Note, p.Payer.Metadata
		}
		if p.Payee != nil {
			t.Payee.Name, t.Payee.Account, t.Payee.UPI = p.Payee.Name, p.Payee.Account, p.Payee.UPI
		}
	}
	for _, p := range o.parties {
		readTexts(unseal(keys[p.ID], p.Sealed, place(nil, placeParty, p.ID)), &p.Name)
	}
	for _, i := range o.instruments {
		readTexts(unseal(keys[i.Party], i.Sealed, place(nil, placeInstrument, i.ID)), &i.Value, &i.UPI)
	}
	for _, a := range o.answers {
		if err := s.openAnswer(keys, a); err != nil {
			return err
		}
	}
	for _, r := range o.records {
		r.Private = string(unseal(keys.of(s.book, r.Owner, ledger.ID{}), r.Sealed, recordPlace(nil, r.RecordKey)))
	}
	if !o.keep {
		o.drop()
	}
	return nil
}

// drop drops the sealed form of what was opened.
func (o *opening) drop() {
	for _, t := range o.transfers {
		t.Payer.Sealed, t.Payee.Sealed = "", ""
	}
	for _, p := range o.parties {
		p.Sealed = ""
	}
	for _, i := range o.instruments {
		i.Sealed = ""
	}
	for _, r := range o.records {
		r.Sealed = ""
	}
}

// people are the persons of a transfer, as far as they can be read.
func (s *Store) people(keys found, t *ledger.Transfer) (p mark.People) {
	p.Payer = person(keys.of(s.book, t.Payer.Party, t.Payee.Party), &t.Payer, placePayer, t.ID)
	p.Payee = person(keys.of(s.book, t.Payee.Party, t.Payer.Party), &t.Payee, placePayee, t.ID)
	return p
}

func person(k *key, e *ledger.End, what byte, id ledger.ID) *mark.Person {
	b := unseal(k, e.Sealed, place(nil, what, id))
	if b == nil {
		return nil
	}
	p, err := mark.Parse(b)
	if err != nil {
		slog.Error("a transfer's personal data is damaged", "transfer", id.TransferRef(), "error", err)
		return nil
	}
	return &p
}

// unseal is nil where there is no key, or where what is sealed was changed: then it
// is as if it were erased, and the log's mark tells.
func unseal(k *key, sealed string, at []byte) []byte {
	if k == nil || sealed == "" {
		return nil
	}
	b, err := k.aead.Decrypt([]byte(sealed), at)
	if err != nil {
		slog.Error("personal data was changed outside of the book", "error", err)
		return nil
	}
	return b
}

func readTexts(b []byte, texts ...*string) {
	for _, t := range texts {
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			return
		}
		n := 4 + int(binary.BigEndian.Uint32(b))
		*t, b = string(b[4:n]), b[n:]
	}
}

var errAnswer = errors.New("a first answer was changed outside of the book")

// openAnswer opens a first answer. One that was changed is an error: its request must
// neither be done again nor be answered by what somebody else wrote.
func (s *Store) openAnswer(of found, a *ledger.Answer) error {
	about := told(a.Sealed)
	keys := make([]*key, 0, max(1, len(about)))
	for _, id := range about {
		k := of[id]
		if k == nil {
			a.Erased = true
			return nil
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		keys = append(keys, s.book)
	}
	k, err := keyOfAll(keys)
	if err != nil {
		return err
	}
	head := 4 + 16*len(about)
	if len(a.Sealed) < head {
		return errAnswer
	}
	b, err := k.aead.Decrypt(a.Sealed[head:], placeOf(nil, &a.Key, a.Sealed[:head]))
	if err != nil || len(b) < len(a.RequestHash) {
		return errAnswer
	}
	a.Body, a.About = b[copy(a.RequestHash[:], b):], about
	return nil
}
