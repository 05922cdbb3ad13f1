package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/memory"
)

// as makes the book's pipeline a node's.
func (b *book) as(n ledger.Node) *book {
	b.pipe.Become(n)
	return b
}

func (b *book) refused(c ledger.Command, code string) {
	b.t.Helper()
	var r *ledger.Refusal
	if _, err := ledger.Do[any](context.Background(), b.pipe, c); !errors.As(err, &r) || r.Code != code {
		b.t.Errorf("%+v: %v, want %s", c, err, code)
	}
}

func (b *book) driver(id ledger.InstructionID) ledger.Instruction {
	b.t.Helper()
	_, instructions, err := b.store.TransferHistory(context.Background(), id.Transfer)
	for _, i := range instructions {
		if i.ID == id {
			return i
		}
	}
	b.t.Fatalf("%s: %v", id, err)
	return ledger.Instruction{}
}

// TestTakeOver: an instruction changes hands once its node is dead, and stays what it is.
func TestTakeOver(t *testing.T) {
	b := newBook(t)
	defer b.close()
	asha, _ := b.person("Asha", "SBIN")
	ravi, _ := b.person("Ravi", "HDFC")
	one := must[ledger.Node](b, ledger.Beat{Node: ledger.NewID()})
	two := must[ledger.Node](b, ledger.Beat{Node: ledger.NewID(), Known: []ledger.Node{one}})
	three := must[ledger.Node](b, ledger.Beat{Node: ledger.NewID(), Known: []ledger.Node{one, two}})
	debit := ledger.InstructionID{Transfer: b.as(one).pay(asha, ravi, 100).ID, Leg: ledger.LegDebit}
	second := ledger.InstructionID{Transfer: b.pay(asha, ravi, 100).ID, Leg: ledger.LegDebit}
	was := b.driver(debit)
	one = must[ledger.Node](b, ledger.Beat{Node: one.ID})

	b.as(two).now = b.now.Add(time.Hour)
	b.refused(ledger.TakeOver{ID: debit, From: one.ID, Beat: one.Beat - 1}, ledger.CodeNodeAlive)
	b.refused(ledger.TakeOver{ID: debit, From: three.ID, Beat: three.Beat}, ledger.CodeInstructionNotFound)
	must[ledger.Instruction](b, ledger.TakeOver{ID: debit, From: one.ID, Beat: one.Beat})
	must[ledger.Instruction](b, ledger.TakeOver{ID: debit, From: one.ID, Beat: one.Beat}) // again
	if was.Node = two.ID; b.driver(debit) != was {
		t.Errorf("it was taken over as %+v, want %+v", b.driver(debit), was)
	}
	b.refused(ledger.Beat{Node: one.ID}, ledger.CodeNodeGone)
	b.as(three).refused(ledger.TakeOver{ID: debit, From: one.ID, Beat: one.Beat}, ledger.CodeInstructionNotFound) // two has it
	must[ledger.Instruction](b, ledger.TakeOver{ID: second, From: one.ID})                                        // it is gone, whatever its beat was
	four := must[ledger.Node](b, ledger.Beat{Node: ledger.NewID(), Known: []ledger.Node{one, two, three}})
	if got := fmt.Sprint(two.Stripe, three.Stripe, four.Stripe); got != "1 2 0" {
		t.Errorf("the stripes are %s; a new node takes that of one that is gone", got)
	}

	unknown := ledger.NewID() // its first beat was still on its way
	third := ledger.InstructionID{Transfer: b.as(ledger.Node{ID: unknown}).pay(asha, ravi, 100).ID, Leg: ledger.LegDebit}
	must[ledger.Instruction](b.as(two), ledger.TakeOver{ID: third, From: unknown})
	b.refused(ledger.Beat{Node: unknown}, ledger.CodeNodeGone)

	queued := create(asha, ravi, 100)
	queued.Queue = true
	must[ledger.Transfer](b.as(three), queued)
	claimed := must[ledger.Instruction](b.as(two), ledger.ClaimInstruction{ID: ledger.InstructionID{Transfer: queued.Transfer.ID, Leg: ledger.LegDebit}})
	if claimed.Node != two.ID || claimed.State != ledger.Sent {
		t.Errorf("a claim gives %+v", claimed)
	}

	nobodys := ledger.InstructionID{Transfer: b.as(ledger.Node{}).pay(asha, ravi, 100).ID, Leg: ledger.LegDebit}
	must[ledger.Instruction](b.as(two), ledger.TakeOver{ID: nobodys})
	nobodys.Transfer = b.as(ledger.Node{}).pay(asha, ravi, 100).ID
	must[ledger.Instruction](b.as(two), ledger.TakeOver{ID: nobodys})
	b.verify()
}

// TestAnOldDriversWord: that it did not send an instruction is true of the node
// that says so and of no other; what a bank did is true whoever says it.
func TestAnOldDriversWord(t *testing.T) {
	b := newBook(t)
	defer b.close()
	asha, _ := b.person("Asha", "SBIN")
	ravi, _ := b.person("Ravi", "HDFC")
	one := must[ledger.Node](b, ledger.Beat{Node: ledger.NewID()})
	two := must[ledger.Node](b, ledger.Beat{Node: ledger.NewID(), Known: []ledger.Node{one}})
	tr := b.as(one).pay(asha, ravi, 100)
	must[ledger.Instruction](b.as(two), ledger.TakeOver{ID: ledger.InstructionID{Transfer: tr.ID, Leg: ledger.LegDebit}, From: one.ID, Beat: one.Beat})
	for _, o := range []ledger.Outcome{ledger.SaysNotDone, ledger.SaysUnknown, ledger.SaysNotSeen} {
		r := must[ledger.Recorded](b, ledger.RecordResult{Transfer: &tr, Leg: ledger.LegDebit, Outcome: o, Node: one.ID})
		if r.Effect != ledger.Repeated || r.Transfer.State != ledger.Pending {
			t.Errorf("%s of the old driver: %s, %s", o, r.Effect, r.Transfer.State)
		}
	}
	r := must[ledger.Recorded](b, ledger.RecordResult{Transfer: &tr, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved})
	if credit := b.driver(ledger.InstructionID{Transfer: tr.ID, Leg: ledger.LegCredit}); r.Transfer.State != ledger.Debited || credit.Node != two.ID {
		t.Errorf("%s, the credit is driven by %s", r.Transfer.State, credit.Node.NodeRef())
	}
	must[ledger.Recorded](b.as(one), ledger.RecordResult{Transfer: &tr, Leg: ledger.LegCredit, Outcome: ledger.SaysApproved})
	b.verify()
	names := ""
	accounts, _ := b.store.Accounts(context.Background(), ledger.AccountName{}, 100)
	for i := range accounts {
		if accounts[i].Seq > 0 {
			names += fmt.Sprintf(" %s=%d", accounts[i].Name.Path, accounts[i].Balance())
		}
	}
	if want := " bank:HDFC:clearing=-100 bank:SBIN:clearing#1=100 transit=-100 transit#1=100"; names != want {
		t.Errorf("the accounts are%s\nwant%s", names, want)
	}
}

// TestStripeNames: what is not exactly the name of a stripe is an account of its own.
func TestStripeNames(t *testing.T) {
	for path, whole := range map[string]string{
		"transit": "transit", "transit#3": "transit", "bank:SBIN:clearing#12": "bank:SBIN:clearing",
		"transit#0": "transit#0", "transit#03": "transit#03", "transit#": "transit#", "transit#-1": "transit#-1", "transit#3#4": "transit#3#4", "transit#+3": "transit#+3",
		"wallet:pty_1#3": "wallet:pty_1#3", "fees#3": "fees#3", "bank:SBIN:settlement#3": "bank:SBIN:settlement#3",
	} {
		n := ledger.AccountName{Path: path, Currency: "INR"}
		if got := n.Whole(); got != (ledger.AccountName{Path: whole, Currency: "INR"}) {
			t.Errorf("%s is a stripe of %s, want %s", path, got.Path, whole)
		}
	}
}

// TestABeatIsUrgent: a queue that is full must not make a living node look dead.
func TestABeatIsUrgent(t *testing.T) {
	g := &gatedStore{Store: memory.New(), gate: make(chan struct{}), entered: make(chan struct{}, 16)}
	p := ledger.NewPipeline(g, ledger.PipelineOptions{MaxQueue: 2, MaxBatch: 1, Log: quiet})
	results := make(chan string, 4)
	submit := func(what string, c ledger.Command) {
		if _, err := ledger.Do[any](context.Background(), p, c); err != nil {
			t.Error(what, err)
		}
		results <- what
	}
	go submit("first", party())
	<-g.entered
	go submit("party", party())
	go submit("party", party())
	for p.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	go submit("beat", ledger.Beat{Node: ledger.NewID()})
	for p.Waiting() < 3 && len(results) == 0 {
		time.Sleep(time.Millisecond)
	}
	g.gate <- struct{}{}
	first := <-results
	g.gate <- struct{}{}
	if second := <-results; first != "first" || second != "beat" {
		t.Errorf("%s, then %s", first, second)
	}
	close(g.gate)
	p.Close()
}
