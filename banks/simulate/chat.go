package simulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/address"
)

// chat is a chat's backend: it makes requests, repeats those whose answers it did
// not hear, at whichever node, and forgets nothing that it was told.
type chat struct {
	w       *world
	p       *process
	people  []*person
	wishes  []*wish
	waiting int // requests without an answer yet
}

const chatApp = "chat"

// person is somebody with an account at a bank and a wallet.
type person struct {
	party           ledger.Party
	account, wallet ledger.Instrument
}

// wish is one transfer that somebody wants, and all that was heard of it.
type wish struct {
	key    ledger.IdempotencyKey
	hash   [32]byte
	order  ledger.Transfer
	queue  bool
	status int
	body   []byte // of the first answer; nil: none was heard
	id     ledger.ID

	cancelled, refused bool         // what the answer to a cancellation was
	ended              ledger.State // the end that was seen
}

func newChat(w *world) *chat { return &chat{w: w, p: w.s.process("chat")} }

// populate makes the people known, while nothing goes wrong yet.
func (c *chat) populate() {
	var commands ledger.Many
	for n := range c.w.plan.people {
		bank := c.w.hosts[n%len(c.w.hosts)].code
		p := &person{party: ledger.Party{ID: c.p.newID(), App: chatApp, Name: fmt.Sprintf("Person %d", n+1), Kind: ledger.Person}}
		p.account = ledger.Instrument{ID: c.p.newID(), Party: p.party.ID, App: chatApp, Kind: ledger.BankAccount, Value: fmt.Sprintf("1%09d", n), IFSC: bank + "0000001", Bank: bank, Currency: "INR"}
		p.wallet = ledger.Instrument{ID: c.p.newID(), Party: p.party.ID, App: chatApp, Kind: ledger.Wallet, Currency: "INR"}
		c.people = append(c.people, p)
		commands = append(commands, ledger.OpenParty{Party: p.party}, ledger.LinkInstrument{Instrument: p.account}, ledger.LinkInstrument{Instrument: p.wallet})
	}
	n := c.w.nodes[0]
	done := make(chan struct{})
	n.proc.Go(func() {
		for _, command := range commands {
			if _, err := n.book.Submit(background, ledger.Request{Command: command}); err != nil {
				c.w.found("a party could not be made: %v", err)
			}
		}
		close(done)
	})
	_ = c.w.self.Wait(background, done)
	for _, p := range c.people { // wallets are filled first
		c.want(ledger.TopUp, p.account.End(p.party.Name), p.wallet.End(p.party.Name), 1000_00)
	}
}

// pay lets somebody want a transfer.
func (c *chat) pay() {
	w := c.w
	from, to := w.rng.IntN(len(c.people)), w.rng.IntN(len(c.people)-1)
	if to >= from {
		to++
	}
	payer, payee := c.people[from], c.people[to]
	minor := 1 + w.rng.Int64N(500_00)
	if w.plan.magic.in(w.rng) {
		minor = sim.Amounts[w.rng.IntN(len(sim.Amounts))].Minor
	}
	switch w.rng.IntN(8) {
	case 0:
		c.want(ledger.Payment, payer.wallet.End(payer.party.Name), payee.wallet.End(payee.party.Name), minor)
	case 1:
		c.want(ledger.TopUp, payer.account.End(payer.party.Name), payer.wallet.End(payer.party.Name), minor)
	case 2:
		c.want(ledger.Withdrawal, payer.wallet.End(payer.party.Name), payer.account.End(payer.party.Name), minor)
	default:
		c.want(ledger.Payment, payer.account.End(payer.party.Name), payee.account.End(payee.party.Name), minor)
	}
}

func (c *chat) want(kind ledger.Kind, payer, payee ledger.End, minor int64) {
	w := c.w
	x := &wish{key: ledger.IdempotencyKey{App: chatApp, Key: fmt.Sprint("message-", len(c.wishes)+1)}, queue: w.happens(w.plan.queue),
		order: ledger.Transfer{App: chatApp, Kind: kind, Payer: payer, Payee: payee, Amount: ledger.Amount{Minor: minor, Currency: "INR"}}}
	x.order.Message = x.key.Key
	x.hash = sha256.Sum256([]byte(fmt.Sprintf("%+v", x.order)))
	c.wishes = append(c.wishes, x)
	c.insist(func() bool { return c.create(x) })
}

// insist tries until an answer comes.
func (c *chat) insist(try func() bool) {
	c.waiting++
	c.p.Go(func() {
		for !try() {
			c.w.s.sleep(10*time.Millisecond + c.w.upTo(2*time.Second))
		}
		c.waiting--
	})
}

// ask has a node do something for a request and says whether the answer was heard.
func (c *chat) ask(handle func(context.Context, *node) error) (err error, heard bool) {
	w := c.w
	w.s.sleep(w.transit())
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if !n.up() || w.copies() == 0 {
		return nil, false
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	defer c.p.AfterFunc(pick(w.rng, time.Second, 30*time.Second), cancel)() // then the phone gives up
	done := make(chan struct{})
	n.proc.Go(func() {
		err = handle(ctx, n)
		close(done)
	})
	if c.p.Wait(ctx, done) != nil {
		return nil, false
	}
	w.s.sleep(w.transit())
	return err, w.copies() > 0
}

// create asks a node for the transfer and says whether that is answered for good.
func (c *chat) create(x *wish) bool {
	var reply ledger.Reply
	err, heard := c.ask(func(ctx context.Context, n *node) (err error) {
		n.rrn++
		t := x.order
		t.ID, t.RRN = n.proc.newID(), address.RRN(n.proc.Now(), n.rrn)
		command := ledger.CreateTransfer{Transfer: t, Queue: x.queue || n.banks.Saturated(t.Payer.Bank)}
		if c.w.plan.admits {
			command.Refused = n.banks.Refuses(&t)
		}
		reply, err = n.book.Submit(ctx, ledger.Request{Key: &x.key, RequestHash: x.hash, Answer: answerOf, Command: command})
		return err
	})
	if !heard || again(err) {
		return false
	}
	if err != nil {
		c.w.found("%s was refused: %v", x.key.Key, err)
		return true
	}
	c.answered(x, &reply)
	return true
}

// again says whether an error tells to try again.
func again(err error) bool {
	return errors.Is(err, ledger.ErrBusy) || errors.Is(err, ledger.ErrClosed) || errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrOutcomeUnknown)
}

// answerOf is what the API would answer, as far as it matters here.
func answerOf(result any) (int, []byte) {
	t := result.(ledger.Transfer)
	return 201, []byte(t.ID.TransferRef() + " " + t.State.String())
}

// answered holds an answer against the first one to the same request.
func (c *chat) answered(x *wish, r *ledger.Reply) {
	w := c.w
	w.note(c.p.name, "%s: %s, replayed %v", x.key.Key, r.Answer.Body, r.Replayed)
	switch {
	case x.body != nil && (!bytes.Equal(x.body, r.Answer.Body) || x.status != r.Answer.Status):
		w.found("%s was answered %q, and before %q", x.key.Key, r.Answer.Body, x.body)
	case x.body == nil:
		ref, _, _ := strings.Cut(string(r.Answer.Body), " ")
		x.id, _ = ledger.ParseTransferRef(ref)
		x.status, x.body = r.Answer.Status, r.Answer.Body
	}
	if _, err := w.store.Transfer(background, x.id); err != nil {
		w.found("%s was answered %q, and is not in the book: %v", x.key.Key, x.body, err)
	}
}

// old is a wish from before.
func (c *chat) old() *wish { return c.wishes[c.w.rng.IntN(len(c.wishes))] }

// again sends an old request again, or another one under its key.
func (c *chat) again() {
	x := c.old()
	if x.body == nil || c.w.rng.IntN(4) > 0 {
		c.insist(func() bool { return c.create(x) })
		return
	}
	c.p.Go(func() {
		err, heard := c.ask(func(ctx context.Context, n *node) error {
			_, err := n.book.Submit(ctx, ledger.Request{Key: &x.key, RequestHash: sha256.Sum256([]byte("other")), Answer: answerOf,
				Command: ledger.CreateTransfer{Transfer: x.order}})
			return err
		})
		var refused *ledger.Refusal
		if heard && !again(err) && (!errors.As(err, &refused) || refused.Code != ledger.CodeIdempotencyReuse) {
			c.w.found("another request under %s got %v", x.key.Key, err)
		}
	})
}

// repeatAll sends every request again, long after.
func (c *chat) repeatAll() {
	for _, x := range c.wishes {
		c.insist(func() bool { return c.create(x) })
	}
}

// cancel asks to take an old transfer back.
func (c *chat) cancel() {
	x := c.old()
	if c.w.rng.IntN(3) > 0 { // what is so new that it may still wait
		x = c.wishes[max(0, len(c.wishes)-1-c.w.rng.IntN(3))]
	}
	key := ledger.IdempotencyKey{App: chatApp, Key: "cancel-" + x.key.Key}
	if x.body == nil {
		return
	}
	c.insist(func() bool {
		err, heard := c.ask(func(ctx context.Context, n *node) error {
			t, err := n.store.Transfer(ctx, x.id)
			if err == nil {
				_, err = n.book.Submit(ctx, ledger.Request{Command: ledger.CancelTransfer{Transfer: &t}, Key: &key, Answer: answerOf})
			}
			return err
		})
		var no *ledger.Refusal
		switch {
		case !heard || again(err):
			return false
		case err == nil:
			x.cancelled = true
		case errors.As(err, &no) && no.Code == ledger.CodeNotCancellable:
			x.refused = true
		default:
			c.w.found("%s could not be cancelled: %v", x.key.Key, err)
		}
		return true
	})
}

// look reads an old transfer: what was acknowledged is there, and an end stays.
func (c *chat) look() {
	x := c.old()
	if x.body == nil {
		return
	}
	c.p.Go(func() {
		was := x.ended
		var t ledger.Transfer
		err, heard := c.ask(func(ctx context.Context, n *node) (err error) {
			t, err = n.store.Transfer(ctx, x.id)
			return err
		})
		switch {
		case !heard || again(err):
		case err != nil:
			c.w.found("%s was answered, and cannot be read: %v", x.key.Key, err)
		case was != 0 && t.State != was:
			c.w.found("%s was %s, and is %s", x.key.Key, was, t.State)
		case t.State.Final():
			x.ended = t.State
		}
	})
}

// freezeWallet keeps a wallet out of transfers, or lets it in again.
func (c *chat) freezeWallet() {
	p, frozen := c.people[c.w.rng.IntN(len(c.people))], c.w.rng.IntN(2) == 0
	c.p.Go(func() {
		_, _ = c.ask(func(ctx context.Context, n *node) error {
			_, err := n.book.Submit(ctx, ledger.Request{Command: ledger.FreezeWallet{Party: p.party.ID, Currency: "INR", Frozen: frozen}})
			return err
		})
	})
}
