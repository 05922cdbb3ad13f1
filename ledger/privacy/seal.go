package privacy

import (
	"crypto/rand"
	"encoding/binary"

	"bahi/ledger"
	"bahi/ledger/privacy/mark"
)

// What is sealed is bound to its place: it opens nowhere else.
const (
	placePayer byte = iota + 1
	placePayee
	placeParty
	placeInstrument
	placeAnswer
	placeRecord
)

func place(b []byte, what byte, id ledger.ID) []byte { return append(append(b[:0], what), id[:]...) }

func recordPlace(b []byte, k ledger.RecordKey) []byte {
	return append(append(b[:0], placeRecord, byte(k.Kind)), k.ID[:]...)
}

// sealer seals the rows of a batch, one after the other.
type sealer struct {
	plain, at []byte
	salts     []byte
}

// salt is 16 random bytes.
func (s *sealer) salt() (salt mark.Salt) {
	if len(s.salts) < len(salt) {
		s.salts = make([]byte, 64*len(salt))
		_, _ = rand.Read(s.salts) // never fails
	}
	s.salts = s.salts[copy(salt[:], s.salts):]
	return salt
}

// transfer seals what the ends of a transfer can be known by. Of who was erased nothing
// is kept but the mark.
func (s *sealer) transfer(t *ledger.Transfer, keyOf func(party, other ledger.ID) *key) error {
	payer := mark.Person{Name: t.Payer.Name, Account: t.Payer.Account, UPI: t.Payer.UPI, Note: t.Note, Metadata: t.Metadata}
	payee := mark.Person{Name: t.Payee.Name, Account: t.Payee.Account, UPI: t.Payee.UPI}
	if err := s.end(keyOf(t.Payer.Party, t.Payee.Party), &t.Payer, &payer, placePayer, t.ID); err != nil {
		return err
	}
	return s.end(keyOf(t.Payee.Party, t.Payer.Party), &t.Payee, &payee, placePayee, t.ID)
}

func (s *sealer) end(k *key, e *ledger.End, p *mark.Person, what byte, id ledger.ID) (err error) {
	e.Sealed, e.Mark = "", [32]byte{}
	if p.Empty() {
		return nil
	}
	p.Salt = s.salt()
	s.plain, s.at = p.Append(s.plain[:0]), place(s.at, what, id)
	e.Mark = mark.Of(s.plain)
	e.Sealed, err = s.text(k)
	return err
}

// text seals what is in plain.
func (s *sealer) text(k *key) (string, error) {
	if k == nil {
		return "", nil
	}
	b, err := k.aead.Encrypt(s.plain, s.at)
	return string(b), err
}

func (s *sealer) party(k *key, p *ledger.Party) (err error) {
	if p.Name == "" {
		return nil
	}
	s.plain, s.at = appendTexts(s.plain[:0], p.Name), place(s.at, placeParty, p.ID)
	p.Sealed, err = s.text(k)
	return err
}

func (s *sealer) instrument(k *key, i *ledger.Instrument) (err error) {
	if i.Value == "" && i.UPI == "" {
		return nil
	}
	s.plain, s.at = appendTexts(s.plain[:0], i.Value, i.UPI), place(s.at, placeInstrument, i.ID)
	i.Sealed, err = s.text(k)
	return err
}

// record seals the text of a record. Of an owner who was erased nothing is kept.
func (s *sealer) record(k *key, r *ledger.Record) (err error) {
	s.plain, s.at = append(s.plain[:0], r.Private...), recordPlace(s.at, r.RecordKey)
	if r.Sealed, err = s.text(k); r.Sealed == "" {
		r.Private = ""
	}
	return err
}

// answer seals an answer so that it opens only while the keys of all whom it tells of
// are there. Before what is sealed stands who they are.
func (s *sealer) answer(a *ledger.Answer, book *key, of found) error {
	head := make([]byte, 4, 4+16*len(a.About)+len(a.Body)+128)
	var keys []*key
	for _, id := range a.About {
		if k := of[id]; k != nil { // who was erased before can be told of no more
			keys, head = append(keys, k), append(head, id[:]...)
		}
	}
	binary.BigEndian.PutUint32(head, uint32(len(keys)))
	if len(keys) == 0 {
		keys = []*key{book}
	}
	k, err := keyOfAll(keys)
	if err != nil {
		return err
	}
	s.plain, s.at = append(append(s.plain[:0], a.RequestHash[:]...), a.Body...), placeOf(s.at, &a.Key, head)
	b, err := k.aead.Encrypt(s.plain, s.at)
	a.Sealed = append(head, b...)
	return err
}

func placeOf(b []byte, k *ledger.IdempotencyKey, head []byte) []byte {
	return append(appendTexts(append(b[:0], placeAnswer), k.App, k.Key), head...)
}

// appendTexts appends texts, each with its length before it in 4 bytes.
func appendTexts(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(t)))
		b = append(b, t...)
	}
	return b
}
