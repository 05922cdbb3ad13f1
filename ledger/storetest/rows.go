package storetest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"

	"bahi/ledger"
)

// texts are what people and machines write.
var texts = []string{"", "a", "Ravi Iyer", "आशा राव", "चाय ☕️ और 🧋", "it's \"quoted\"; -- DROP TABLE postings", "line\nbreak\ttab", `{"k":"v","n":1.50}`, "é é", "%_\\"}

// some makes random values; every kind of value comes up in a few hundred.
type some struct{ *rand.Rand }

func (s some) text() string   { return texts[s.IntN(len(texts))] }
func (s some) time() int64    { return s.Int64N(math.MaxInt64) }
func (s some) hash() [32]byte { return [32]byte(s.bytes(32)) }
func (s some) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return b
}
func (s some) id() ledger.ID { return ledger.ID(s.bytes(16)) }
func (s some) maybe() ledger.ID {
	if s.IntN(3) == 0 {
		return ledger.ID{}
	}
	return s.id()
}

// upTo is a number of a small enumeration, from 1.
func (s some) upTo(n uint8) uint8 { return uint8(s.IntN(int(n))) + 1 }

func (s some) amount() int64 {
	if s.IntN(4) == 0 {
		return math.MaxInt64 - s.Int64N(3)
	}
	return 1 + s.Int64N(1e6)
}

func (s some) account() ledger.Account {
	n := ledger.AccountName{Path: "test:" + s.id().PartyRef(), Currency: "KWD"}
	a := ledger.Account{ID: n.ID(), Reserved: s.Int64N(2e6) - 1e6, Name: n, Type: ledger.AccountType(s.upTo(5)), Bounded: s.IntN(2) == 0, Frozen: s.IntN(2) == 0,
		Debits: s.amount(), Credits: s.amount(), Seq: s.time(), Posted: s.time(), Created: s.time()}
	a.Bounded = a.Bounded && a.Balance() >= 0
	return a
}

// sealed is as what persons can be known by comes to an engine: any bytes.
func (s some) sealed() string { return string(s.bytes(s.IntN(3) * 40)) }

func (s some) end() ledger.End {
	e := ledger.End{Party: s.maybe(), Instrument: s.maybe(), Bank: s.text(), IFSC: s.text(), Sealed: s.sealed()}
	if s.IntN(3) > 0 { // the mark outlives what was sealed
		e.Mark = s.hash()
	}
	return e
}

func (s some) transfer() ledger.Transfer {
	t := ledger.Transfer{ID: s.id(), App: s.text(), Kind: ledger.Kind(s.upTo(5)), Payer: s.end(), Payee: s.end(),
		Amount: ledger.Amount{Minor: s.amount(), Currency: "JPY"}, Conversation: s.text(), Message: s.text(), RRN: s.text(), Created: s.time(), Credential: s.IntN(2) == 0, Until: s.time() * int64(s.IntN(2))}
	if s.IntN(2) == 0 {
		t.Cause = s.recordKey()
		t.FindPot()
	}
	born, reason := ledger.State(s.upTo(5)), ledger.Reason("") // pending, debited, completed, failed or held
	if born > ledger.Failed {
		born = ledger.Held
	}
	if born == ledger.Failed {
		reason = ledger.Reason(s.text())
	}
	t.Begin(born, reason)
	return t
}

func (s some) instruction(of ledger.ID) ledger.Instruction {
	return ledger.Instruction{ID: ledger.InstructionID{Transfer: of, Leg: ledger.Leg(s.upTo(4))}, Bank: s.text(), Node: s.maybe(),
		State: ledger.InstructionState(s.upTo(9)), Attempts: s.IntN(math.MaxInt32), Due: s.time(), Code: s.text(), Ref: s.text(),
		Created: s.time(), Updated: s.time()}
}

// step follows the transfer's last one.
func (s some) step(t *ledger.Transfer) ledger.Step {
	return ledger.Step{Transfer: t.ID, N: t.Steps + 1, State: ledger.State(s.upTo(10)), Reason: ledger.Reason(s.text()), BankCode: s.text(),
		At: s.time(), Deadline: s.time() * int64(s.IntN(2))}
}

func (s some) posting(of ledger.ID) ledger.Posting {
	return ledger.Posting{Entry: of, Event: ledger.Event(s.upTo(5)), Undoes: ledger.Event(s.IntN(3)),
		Debit: ledger.AccountID(s.id()), Credit: ledger.AccountID(s.id()), Amount: s.amount(), Currency: "INR",
		DebitSeq: 1 + s.Int64N(1e9), CreditSeq: 1 + s.Int64N(1e9), DebitBalance: -s.amount(), CreditBalance: s.amount(), At: s.time()}
}

func (s some) party() ledger.Party {
	return ledger.Party{ID: s.id(), App: s.text(), Sealed: s.sealed(), Kind: ledger.PartyKind(s.upTo(2)), Default: s.maybe(), Created: s.time(),
		Closed: s.time() * int64(s.IntN(2)), Erased: s.time() * int64(s.IntN(2))}
}

func (s some) instrument() ledger.Instrument {
	return ledger.Instrument{ID: s.id(), Party: s.id(), App: s.text(), Kind: ledger.InstrumentKind(s.upTo(4)), Sealed: s.sealed(),
		IFSC: s.text(), Bank: s.text(), Currency: "USD", Unlinked: s.IntN(2) == 0, Created: s.time()}
}

func (s some) key() ledger.Key {
	k := ledger.Key{ID: s.id(), Role: ledger.Role(s.upTo(uint8(len(ledger.RoleNames())))), App: s.text(), Bank: s.text(), Label: s.text(), Hash: s.hash(),
		Created: s.time(), Revoked: s.time() * int64(s.IntN(2))}
	if s.IntN(2) == 0 {
		k.PublicKey = s.bytes(32)
	}
	return k
}

func (s some) answer() ledger.Answer {
	return ledger.Answer{Key: ledger.IdempotencyKey{App: s.text(), Key: s.text() + s.id().KeyRef()},
		Status: 100 + s.IntN(500), Sealed: s.bytes(1 + s.IntN(2000)), Created: s.time()}
}

func (s some) node() ledger.Node {
	return ledger.Node{ID: s.id(), Beat: s.time(), Stripe: s.IntN(1000), Gone: s.IntN(2) == 0, Started: s.time()}
}

// rows is one row of each kind.
type rows struct {
	account     ledger.Account
	transfer    ledger.Transfer
	instruction ledger.Instruction
	steps       []ledger.Step // all lines of the transfer's history, with its beginning
	posting     ledger.Posting
	party       ledger.Party
	instrument  ledger.Instrument
	alias       ledger.Alias
	target      ledger.AliasTarget
	key         ledger.Key
	answer      ledger.Answer
	node        ledger.Node
}

func (s some) rows() rows {
	r := rows{account: s.account(), transfer: s.transfer(), party: s.party(), instrument: s.instrument(), key: s.key(), answer: s.answer(), node: s.node()}
	r.instruction, r.posting = s.instruction(r.transfer.ID), s.posting(r.transfer.ID)
	r.steps = r.transfer.Beginning()
	if r.transfer.Born != ledger.Failed && s.IntN(3) > 0 {
		r.steps = append(r.steps, s.step(&r.transfer))
		r.transfer.Take(r.steps[len(r.steps)-1])
	}
	r.instrument.Party = r.party.ID
	r.alias = ledger.Alias{App: s.text(), Kind: ledger.AliasKind(s.upTo(5)), Value: s.text() + s.id().PartyRef()}
	r.target = ledger.AliasTarget{Instrument: r.instrument.ID, Party: r.party.ID}
	return r
}

// put writes the rows past the rules.
func (f *fixture) put(rs ...rows) {
	f.Helper()
	declare := func(s *ledger.Set) {
		for _, r := range rs {
			s.Accounts.Want(r.account.ID)
			s.Transfers.Want(r.transfer.ID)
			s.Instructions.Want(r.instruction.ID)
			s.Parties.Want(r.party.ID)
			s.Instruments.Want(r.instrument.ID)
			s.Aliases.Want(r.alias)
			s.Keys.Want(r.key.ID)
			s.Answers.Want(r.answer.Key)
			s.Nodes.Want(r.node.ID)
		}
	}
	f.check(f.batch(declare, func(s *ledger.Set) error {
		for _, r := range rs {
			s.Accounts.Put(r.account.ID, r.account)
			s.Transfers.Put(r.transfer.ID, r.transfer)
			s.Instructions.Put(r.instruction.ID, r.instruction)
			s.Parties.Put(r.party.ID, r.party)
			s.Instruments.Put(r.instrument.ID, r.instrument)
			s.Aliases.Put(r.alias, r.target)
			s.Keys.Put(r.key.ID, r.key)
			s.Answers.Put(r.answer.Key, r.answer)
			s.Nodes.Put(r.node.ID, r.node)
			s.Steps = append(s.Steps, r.steps[r.transfer.Birth().N:]...)
			s.Postings = append(s.Postings, r.posting)
		}
		return nil
	}))
}

// wantRows reads the rows back in every way there is.
func (f *fixture) wantRows(rs ...rows) {
	f.Helper()
	for _, r := range rs {
		account, err := f.store.Account(background, r.account.ID)
		equal(f, account, err, r.account, same)
		transfer, err := f.store.Transfer(background, r.transfer.ID)
		equal(f, transfer, err, r.transfer, same)
		steps, asked, err := f.store.TransferHistory(background, r.transfer.ID)
		equal(f, steps, err, r.steps, sameList)
		equal(f, asked, err, []ledger.Instruction{r.instruction}, sameList)
		debited, err := f.store.Statement(background, r.posting.Debit, 0, 10)
		equal(f, debited, err, []ledger.StatementLine{{Posting: r.posting, Debited: true, Seq: r.posting.DebitSeq, Balance: r.posting.DebitBalance}}, sameList)
		credited, err := f.store.Statement(background, r.posting.Credit, 0, 10)
		equal(f, credited, err, []ledger.StatementLine{{Posting: r.posting, Seq: r.posting.CreditSeq, Balance: r.posting.CreditBalance}}, sameList)
		party, err := f.store.Party(background, r.party.ID)
		equal(f, party, err, r.party, same)
		instrument, err := f.store.Instrument(background, r.instrument.ID)
		equal(f, instrument, err, r.instrument, same)
		payee, err := f.resolve(r.alias)
		equal(f, payee, err, ledger.Payee{Party: r.party, Instrument: r.instrument}, same)
		key, err := f.store.KeyByHash(background, r.key.Hash)
		equal(f, key, err, r.key, sameKey)
	}
	f.wantLoaded(rs...)
}

// wantLoaded demands that a batch gets the rows as they were written.
func (f *fixture) wantLoaded(rs ...rows) {
	f.Helper()
	declare := func(s *ledger.Set) {
		for _, r := range rs {
			s.Accounts.Want(r.account.ID)
			s.WantTransfer(&r.transfer)
			s.Parties.Want(r.party.ID)
			s.Instruments.Want(r.instrument.ID)
			s.Aliases.Want(r.alias)
			s.Keys.Want(r.key.ID)
			s.Answers.Want(r.answer.Key)
			s.Nodes.Want(r.node.ID)
		}
	}
	f.check(f.batch(declare, func(s *ledger.Set) error {
		for _, r := range rs {
			wantLoaded(f, &s.Accounts, r.account.ID, r.account, same)
			wantLoaded(f, &s.Transfers, r.transfer.ID, r.transfer, same)
			wantLoaded(f, &s.Instructions, r.instruction.ID, r.instruction, same)
			wantLoaded(f, &s.Parties, r.party.ID, r.party, same)
			wantLoaded(f, &s.Instruments, r.instrument.ID, r.instrument, same)
			wantLoaded(f, &s.Aliases, r.alias, r.target, same)
			wantLoaded(f, &s.Keys, r.key.ID, r.key, sameKey)
			wantLoaded(f, &s.Answers, r.answer.Key, r.answer, sameAnswer)
			wantLoaded(f, &s.Nodes, r.node.ID, r.node, same)
		}
		return nil
	}))
	f.check(f.batch(func(s *ledger.Set) {
		for _, r := range rs {
			s.Parties.See(r.party.ID)
			s.Instruments.See(r.instrument.ID)
		}
	}, func(s *ledger.Set) error {
		for _, r := range rs { // without a lock
			wantLoaded(f, &s.Parties, r.party.ID, r.party, same)
			wantLoaded(f, &s.Instruments, r.instrument.ID, r.instrument, same)
		}
		return nil
	}))
}

// resolve follows one alias, among others that lead nowhere.
func (f *fixture) resolve(a ledger.Alias) (ledger.Payee, error) {
	f.Helper()
	nowhere := ledger.Alias{App: a.App, Kind: a.Kind, Value: a.Value + " "}
	found, err := f.store.Resolve(background, []ledger.Alias{nowhere, a})
	return one(f, found, a, err)
}

// payable finds one party with its default instrument, among others that are not there.
func (f *fixture) payable(id ledger.ID) (ledger.Payee, error) {
	f.Helper()
	found, err := f.store.Payable(background, []ledger.ID{ledger.NewID(), id})
	return one(f, found, id, err)
}

func one[K comparable](f *fixture, found map[K]ledger.Payee, k K, err error) (ledger.Payee, error) {
	f.Helper()
	payee, ok := found[k]
	if err == nil && !ok {
		err = ledger.ErrNotFound
	}
	if len(found) > 1 {
		f.Errorf("found %v, looked for %v", found, k)
	}
	return payee, err
}

func wantLoaded[K comparable, V any](f *fixture, t *ledger.Table[K, V], k K, want V, same func(a, b V) bool) {
	f.Helper()
	got, ok := t.Get(k)
	if !ok || !same(got, want) {
		f.Errorf("loaded %v %+v\nwant %+v", ok, got, want)
	}
}

func sameKey(a, b ledger.Key) bool {
	equal := slices.Equal(a.PublicKey, b.PublicKey)
	a.PublicKey, b.PublicKey = nil, nil
	return equal && reflect.DeepEqual(a, b)
}

func sameAnswer(a, b ledger.Answer) bool {
	equal := slices.Equal(a.Sealed, b.Sealed)
	a.Sealed, b.Sealed = nil, nil
	return equal && reflect.DeepEqual(a, b)
}
