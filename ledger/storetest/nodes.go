package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"bahi/ledger"
)

// node is a pipeline with a store of its own on the book.
type node struct {
	store ledger.Store
	book  *ledger.Pipeline
}

// nodes are two nodes, or one where no other store can be opened on the book.
func (f *fixture) nodes() (all []node) {
	stores := []ledger.Store{f.store}
	if re, ok := f.store.(Reopener); ok {
		second := re.Reopen(f.T)
		f.Cleanup(func() { f.check(second.Close()) })
		stores = append(stores, second)
	}
	for n, s := range stores {
		book := ledger.NewPipeline(s, ledger.PipelineOptions{Policy: &f.policy})
		book.Become(ledger.Node{ID: ledger.NewID(), Stripe: n})
		f.Cleanup(book.Close)
		all = append(all, node{s, book})
	}
	return all
}

// testNodes lets two nodes share the book: each has a stripe and instructions of
// its own, and one that is fenced stays gone.
func testNodes(f *fixture) {
	nodes, err := f.store.Nodes(background)
	equal(f, nodes, err, nil, sameList)
	first := f.must(ledger.Beat{Node: ledger.NewID()})[0].(ledger.Node)
	second := f.must(ledger.Beat{Node: ledger.NewID(), Known: []ledger.Node{first}})[0].(ledger.Node)
	if first.Stripe != 0 || second.Stripe != 1 || first.Beat != 1 {
		f.Errorf("two new nodes are %+v and %+v", first, second)
	}
	first = f.must(ledger.Beat{Node: first.ID, Known: []ledger.Node{second}})[0].(ledger.Node)
	nodes, err = f.store.Nodes(background)
	equal(f, nodes, err, []ledger.Node{first, second}, sameList)

	asha, _ := f.person("chat", "Asha")
	ravi, _ := f.person("chat", "Ravi")
	made := map[ledger.ID]ledger.Transfer{}
	for _, f.node = range nodes {
		made[f.node.ID] = f.must(f.pay(asha, ravi, 100))[0].(ledger.Transfer)
	}
	drivers, err := f.store.Drivers(background)
	equal(f, drivers, err, []ledger.ID{first.ID, second.ID}, sameList)

	f.node = second
	take := ledger.TakeOver{ID: ledger.InstructionID{Transfer: made[first.ID].ID, Leg: ledger.LegDebit}, From: first.ID, Beat: first.Beat - 1}
	wantRefused(f, take, ledger.CodeNodeAlive)
	take.Beat = first.Beat
	f.must(take)
	f.must(take) // again
	wantRefused(f, ledger.Beat{Node: first.ID}, ledger.CodeNodeGone)
	nodes, err = f.store.Nodes(background)
	equal(f, nodes, err, []ledger.Node{second}, sameList)
	for _, n := range []ledger.Node{first, second} {
		tasks, err := f.store.Due(background, n.ID, ledger.DuePlace{}, 1<<62, 10)
		f.check(err)
		if want := map[ledger.ID]int{second.ID: 2}[n.ID]; len(tasks) != want {
			f.Errorf("a node has %d tasks, want %d", len(tasks), want)
		}
	}
	f.payInStripes(made[first.ID], first, second)
	f.payInStripes(made[second.ID], second, second)
}

// payInStripes has the debit confirmed at one node and the credit at another.
func (f *fixture) payInStripes(t ledger.Transfer, debited, credited ledger.Node) {
	f.node = debited
	f.must(f.says(t, ledger.LegDebit, ledger.SaysApproved))
	f.node = credited
	f.must(f.says(t, ledger.LegCredit, ledger.SaysApproved))
	stripes, err := ledger.Stripes(background, f.store, ledger.TransitAccount("INR"))
	f.check(err)
	sum := int64(0)
	for i := range stripes {
		sum += stripes[i].Balance()
	}
	if debited != credited && (len(stripes) != 2 || stripes[0].Balance() != 100) || sum != 0 {
		f.Errorf("the stripes of transit are %+v", stripes)
	}
}

const (
	bankPeople  = 5
	bankEach    = 1000 // that everybody has at first
	bankWorkers = 6
	bankRounds  = 25
	bankMost    = 6 // payments in one request
)

// testBank moves random amounts between few wallets through all nodes at once: at
// every moment that a snapshot sees they hold what they held together, and none is
// below zero. Every request is sent to all nodes at once, under one key: it is done once.
func testBank(f *fixture) {
	var wallets []ledger.Instrument
	for n := range bankPeople {
		_, w := f.rich("chat", fmt.Sprint("P", n), bankEach)
		wallets = append(wallets, w)
	}
	nodes := f.nodes()
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for _, n := range nodes {
		readers.Go(func() {
			for last := false; !last; {
				select {
				case <-stop:
					last = true // and once more
				default:
				}
				if !f.addsUp(n.store) {
					return
				}
			}
		})
	}
	var mu sync.Mutex
	paid := 0
	for w := range bankWorkers {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for n := range bankRounds {
				payments := f.randomPayments(r, wallets)
				f.everywhere(nodes, fmt.Sprint(w, "-", n), payments)
				mu.Lock()
				paid += len(payments)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	stored := 0
	f.check(f.store.Audit(background, func(s ledger.Snapshot) error {
		for t, err := range s.Transfers(ledger.Range{}) {
			if err != nil {
				return err
			}
			if t.Kind == ledger.Payment {
				stored++
			}
		}
		return nil
	}))
	if stored != paid {
		f.Errorf("%d payments are stored, want %d", stored, paid)
	}
	f.wantLogInOrder()
}

func (f *fixture) randomPayments(r *rand.Rand, wallets []ledger.Instrument) (payments []ledger.CreateTransfer) {
	for range 1 + r.IntN(bankMost) {
		from := r.IntN(len(wallets))
		to := (from + 1 + r.IntN(len(wallets)-1)) % len(wallets)
		payments = append(payments, f.pay(wallets[from], wallets[to], 1+r.Int64N(bankEach*2/5)))
	}
	return payments
}

// everywhere sends one request to all nodes at once: they give the same answer.
func (f *fixture) everywhere(nodes []node, key string, payments []ledger.CreateTransfer) {
	bodies := make([]string, len(nodes))
	var all sync.WaitGroup
	for n := range nodes {
		all.Go(func() {
			var many ledger.Many
			for _, c := range payments {
				c.Transfer.ID = ledger.NewID() // each node thinks it is the first
				many = append(many, c)
			}
			reply, err := nodes[n].book.Submit(background, ledger.Request{Command: many, Key: &ledger.IdempotencyKey{App: "chat", Key: key},
				Answer: func(any) (int, []byte) { return 201, []byte(many[0].(ledger.CreateTransfer).Transfer.ID.TransferRef()) }})
			if err != nil {
				f.Errorf("request %s: %v", key, err)
			}
			bodies[n] = string(reply.Answer.Body)
		})
	}
	all.Wait()
	for _, body := range bodies {
		if body == "" || body != bodies[0] {
			f.Errorf("request %s has the answers %q", key, bodies)
		}
	}
}

// addsUp looks at all wallets in one snapshot.
func (f *fixture) addsUp(s ledger.Store) bool {
	var sum int64
	err := s.Audit(background, func(s ledger.Snapshot) error {
		for a, err := range s.Accounts() {
			switch {
			case err != nil:
				return err
			case !strings.HasPrefix(a.Name.Path, "wallet:"):
			case a.Balance() < 0:
				return fmt.Errorf("%s holds %d", a.Name.Path, a.Balance())
			default:
				sum += a.Balance()
			}
		}
		return nil
	})
	if err == nil && sum != bankPeople*bankEach {
		err = fmt.Errorf("the wallets hold %d, want %d", sum, bankPeople*bankEach)
	}
	if err != nil {
		f.Error(err)
	}
	return err == nil
}

// testLinearizable has clients pay and look through all nodes.
func testLinearizable(f *fixture) {
	const opening = 300
	var wallets []ledger.Instrument
	for n := range LinearWallets {
		_, w := f.rich("chat", fmt.Sprint("P", n), opening)
		wallets = append(wallets, w)
	}
	var clients []Wallets
	for _, n := range f.nodes() {
		clients = append(clients, walletsOf{f, n, wallets})
	}
	Linearizable(f.T, opening, clients...)
}

// walletsOf are the fixture's wallets at a node.
type walletsOf struct {
	f       *fixture
	node    node
	wallets []ledger.Instrument
}

func (w walletsOf) Pay(from, to int, minor int64) (bool, error) {
	done, err := ledger.Do[ledger.Transfer](background, w.node.book, w.f.pay(w.wallets[from], w.wallets[to], minor))
	if err == nil && done.State != ledger.Completed && done.Reason != ledger.InsufficientFunds {
		err = errors.New(string(done.Reason))
	}
	return done.State == ledger.Completed, err
}

func (w walletsOf) Balance(of int) (int64, error) {
	a, err := w.node.store.Account(background, ledger.WalletAccount(w.wallets[of].Party, "INR").ID())
	return a.Balance(), err
}
