package ledger

import (
	"context"
	"slices"
	"time"
)

// What a person has set for its own safety is one record: whether its payments are stopped,
// and whom it trusts. While they are stopped nothing leaves the person that was not under
// way before, whatever it is for: payments, withdrawals, top-ups and refunds fail, and what
// is held goes back. Money that comes is not affected.

// Safety is the body of a [RecordSafety], whose state says whether payments are stopped.
type Safety struct {
	Since   int64         `json:"since,omitempty"` // when they were stopped; 0: they are not
	By      string        `json:"by,omitempty"`    // who did
	Changes int           `json:"changes"`         // how often they were stopped or started
	Trusted []trustedBody `json:"trusted,omitempty"`
}

// safetyStopped is the state of the record while payments are stopped: who makes a transfer
// need not read the body.
const safetyStopped = 1

// safetyKey names what a party has set.
func safetyKey(party ID) RecordKey { return RecordKey{RecordSafety, party} }

// StopPayments stops a party's payments, or starts them again. Doing it again changes
// nothing. It returns the [Safety]. See [Through] for what other nodes are doing meanwhile.
type StopPayments struct {
	Party   ID
	Stopped bool
	By      string
}

// Declare implements [Command].
func (c StopPayments) Declare(s *Set) { declareSafety(s, c.Party) }

// Apply implements [Command].
func (c StopPayments) Apply(s *Set) (any, error) {
	r, kept, err := safetyOf(s, c.Party)
	if err != nil || c.Stopped == (r.State == safetyStopped) {
		return kept, err
	}
	kept.Changes++
	kept.Since, kept.By, r.State = 0, "", 0
	what := "party.started"
	if c.Stopped {
		kept.Since, kept.By, r.State = s.Now, c.By, safetyStopped
		what = "party.stopped"
	}
	putRecord(s, r, kept)
	s.tell(&r, what, kept.Changes)
	return kept, nil
}

func declareSafety(s *Set, party ID) {
	s.Parties.Want(party)
	s.Records.Want(safetyKey(party))
}

// safetyOf is what a party has set, so far perhaps nothing.
func safetyOf(s *Set, party ID) (Record, Safety, error) {
	p, ok := s.Parties.Get(party)
	if !ok {
		return Record{}, Safety{}, refuse(CodePartyNotFound, "there is no party %s", party.PartyRef())
	}
	r, kept, ok := record[Safety](s, safetyKey(party))
	if !ok {
		r = Record{RecordKey: safetyKey(party), App: p.App, Owner: party}
	}
	return r, kept, nil
}

// stopped says whether a party has stopped its payments. It is looked at behind the lock of
// a stripe of transit, which [Through] waits for.
func (s *Set) stopped(party ID) bool {
	if party.IsZero() {
		return false
	}
	r, _ := s.Records.Get(safetyKey(party))
	return r.State == safetyStopped
}

// openTransit opens the stripe of transit that a transfer has locked, where it is the first
// to: what does not exist is locked by nobody, and of two that open it one begins anew.
func (s *Set) openTransit(t *Transfer) {
	_, _, transit := s.parts(t)
	if _, ok := s.Accounts.Get(transit.id); !ok {
		s.Accounts.Put(transit.id, s.accountOf(transit))
	}
}

// wantSafety declares what the payer has set for its own safety.
func (c *CreateTransfer) wantSafety(s *Set) {
	switch payer := c.Transfer.Payer.Party; {
	case payer.IsZero():
	case c.large(s):
		s.Records.Want(safetyKey(payer)) // its private part is read as well
	default:
		s.Records.See(safetyKey(payer))
	}
}

// stopped says whether the payer has stopped its payments.
func (c *CreateTransfer) stopped(s *Set) bool { return s.stopped(c.Transfer.Payer.Party) }

// holdFor is how long a payment is held where nothing else is said.
const holdFor = time.Hour

// large says whether it is a person's payment that is held, unless its payee is trusted.
// What comes from a pot was held when it went there.
func (c *CreateTransfer) large(s *Set) bool {
	t := &c.Transfer
	above, ok := s.Policy.Limits.of(t.App).HoldAbove[t.Amount.Currency]
	return ok && t.Kind == Payment && !t.Payer.Party.IsZero() && t.Amount.Minor > above
}

// holdUntil is when the payee is paid, or 0 for at once.
func (c *CreateTransfer) holdUntil(s *Set) int64 {
	if c.Transfer.Until != 0 {
		return c.Transfer.Until
	}
	if !c.large(s) || c.trusted(s) {
		return 0
	}
	wait := s.Policy.Limits.of(c.Transfer.App).HoldFor
	if wait == 0 {
		wait = holdFor
	}
	return s.Now + wait.Microseconds()
}

// trusted says whether the payer trusts the payee.
func (c *CreateTransfer) trusted(s *Set) bool {
	t := &c.Transfer
	r, kept, ok := record[Safety](s, safetyKey(t.Payer.Party))
	if !ok {
		return false
	}
	_, trusts := kept.find(r.Private, &t.Payee)
	return trusts
}

// Barrier locks stripes of transit and changes nothing: once it has, what was begun before
// is stored.
type Barrier struct {
	Stripes []AccountName
}

// Declare implements [Command].
func (c Barrier) Declare(s *Set) {
	for _, n := range c.Stripes {
		s.WantAccount(n)
	}
}

// Apply implements [Command]; it returns nothing. A stripe that does not exist yet is
// opened: a node that does so at the same time waits for the other, and begins anew.
func (c Barrier) Apply(s *Set) (any, error) {
	for _, n := range c.Stripes {
		if a, ok := s.Accounts.Get(n.ID()); !ok {
			a = s.account(n)
			s.Accounts.Put(a.ID, a)
		}
	}
	return nil, nil
}

// Through waits for what the nodes have under way. Whoever makes or releases a transfer
// locks a stripe of transit and then looks whether the payer has stopped. So, once payments
// are stopped and Through has returned, what had not seen it is stored, and what is stored
// from then on has seen it.
func Through(ctx context.Context, book *Pipeline, r Reader, party ID) error {
	nodes, err := r.Nodes(ctx)
	if err != nil {
		return err
	}
	stripes, err := StripesAt(ctx, r, transitPath)
	if err != nil {
		return err
	}
	instruments, err := r.Instruments(ctx, party)
	if err != nil {
		return err
	}
	var currencies []Currency
	var c Barrier
	add := func(n AccountName) {
		if !slices.Contains(c.Stripes, n) {
			c.Stripes = append(c.Stripes, n)
		}
	}
	for _, a := range stripes {
		add(a.Name)
		currencies = append(currencies, a.Name.Currency)
	}
	for _, i := range instruments {
		if i.Kind.HoldsMoney() {
			currencies = append(currencies, i.Currency)
		}
	}
	for _, currency := range currencies {
		for _, n := range nodes {
			add(TransitAccount(currency).Stripe(n.Stripe))
		}
	}
	_, err = Do[any](ctx, book, c)
	return err
}
