package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"bahi/ledger"
)

func testNotFound(f *fixture) {
	id := ledger.NewID()
	f.check(f.store.Ping(background))
	_, err := f.store.Party(background, id)
	wantNotFound(f, "Party", err)
	_, err = f.store.Instrument(background, id)
	wantNotFound(f, "Instrument", err)
	_, err = f.resolve(ledger.Alias{App: "chat", Kind: ledger.AliasPhone, Value: "+911234567890"})
	wantNotFound(f, "Resolve", err)
	_, err = f.payable(id)
	wantNotFound(f, "Payable", err)
	_, err = f.store.Transfer(background, id)
	wantNotFound(f, "Transfer", err)
	_, _, err = f.store.TransferHistory(background, id)
	wantNotFound(f, "TransferHistory", err)
	_, err = f.store.Account(background, ledger.AccountID(id))
	wantNotFound(f, "Account", err)
	_, err = f.store.KeyByHash(background, [32]byte{1})
	wantNotFound(f, "KeyByHash", err)
	_, err = f.store.Line(background, ledger.LineID{Source: 1, Bank: "SBIN", N: 1})
	wantNotFound(f, "Line", err)
	_, err = f.store.LastRun(background)
	wantNotFound(f, "LastRun", err)
	_, err = f.store.Break(background, id)
	wantNotFound(f, "Break", err)
	_, err = f.store.Correction(background, id)
	wantNotFound(f, "Correction", err)
	_, err = f.store.Window(background, "upi/1")
	wantNotFound(f, "Window", err)

	instruments, err := f.store.Instruments(background, id)
	equal(f, instruments, err, nil, sameList)
	parties, err := f.store.Parties(background, "", ledger.Page{Limit: 10})
	equal(f, parties, err, nil, sameList)
	transfers, err := f.store.Transfers(background, ledger.TransferFilter{Party: id}, ledger.Page{Limit: 10})
	equal(f, transfers, err, nil, sameList)
	lines, err := f.store.Statement(background, ledger.AccountID(id), 0, 10)
	equal(f, lines, err, nil, sameList)
}

func testFields(f *fixture) {
	f.bare()
	s := some{rand.New(rand.NewPCG(1, 2))}
	var all []rows
	for range 5 {
		var batch []rows
		for range 40 {
			batch = append(batch, s.rows())
		}
		f.put(batch...)
		all = append(all, batch...)
	}
	f.wantRows(all...)
}

// testUpdates changes all that may change in a row's life.
func testUpdates(f *fixture) {
	f.bare()
	s := some{rand.New(rand.NewPCG(3, 4))}
	for range 50 {
		r := s.rows()
		f.put(r)
		n := s.rows()
		n.transfer.ID, n.party.ID, n.instrument.ID = r.transfer.ID, r.party.ID, r.instrument.ID
		n.instruction.ID, n.instruction.Bank = r.instruction.ID, r.instruction.Bank
		n.instrument, n.instrument.Unlinked = r.instrument, !r.instrument.Unlinked
		n.party = r.party
		n.party.Default, n.party.Sealed, n.party.Closed, n.party.Erased = s.maybe(), s.sealed(), s.time(), s.time()
		n.account = r.account
		n.account.Frozen, n.account.Bounded = !r.account.Frozen, r.account.Bounded
		n.account.Debits, n.account.Credits, n.account.Reserved = r.account.Debits/2, r.account.Credits/2, -r.account.Reserved/2
		n.account.Posted = s.time()
		n.key = r.key
		n.key.Revoked = s.time()
		t := r.transfer
		if t.Born != ledger.Failed {
			step := s.step(&t)
			t.Take(step)
			n.steps = append(r.steps, step)
		} else {
			n.steps = r.steps
		}
		n.transfer = t
		n.node.ID, n.node.Stripe, n.node.Started = r.node.ID, r.node.Stripe, r.node.Started
		n.alias, n.target = r.alias, ledger.AliasTarget{Instrument: r.instrument.ID, Party: r.party.ID}
		f.check(f.batch(func(set *ledger.Set) {
			set.Accounts.Want(r.account.ID)
			set.Transfers.Want(t.ID)
			set.Instructions.Want(n.instruction.ID)
			set.Parties.Want(r.party.ID)
			set.Instruments.Want(r.instrument.ID)
			set.Aliases.Want(r.alias)
			set.Keys.Want(r.key.ID)
			set.Nodes.Want(r.node.ID)
		}, func(set *ledger.Set) error {
			set.Accounts.Put(n.account.ID, n.account)
			set.Transfers.Put(t.ID, t)
			set.Instructions.Put(n.instruction.ID, n.instruction)
			set.Parties.Put(n.party.ID, n.party)
			set.Instruments.Put(n.instrument.ID, n.instrument)
			set.Aliases.Put(n.alias, n.target)
			set.Keys.Put(n.key.ID, n.key)
			set.Nodes.Put(n.node.ID, n.node)
			set.Steps = append(set.Steps, n.steps[len(r.steps):]...)
			return nil
		}))
		n.posting, n.answer = r.posting, r.answer
		f.wantRows(n)
	}
}

func testParties(f *fixture) {
	var parties []ledger.Party
	for i := range 23 {
		app := "chat"
		if i%5 == 0 {
			app = "shop"
		}
		p := f.must(ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: app, Name: fmt.Sprint("P", i), Kind: ledger.Merchant}})[0]
		parties = append(parties, p.(ledger.Party))
	}
	slices.Reverse(parties)
	for _, app := range []string{"", "chat", "shop", "none"} {
		var want []ledger.Party
		for _, p := range parties {
			if app == "" || p.App == app {
				want = append(want, p)
			}
		}
		got, err := pages(5, func(p ledger.Page) ([]ledger.Party, error) { return f.store.Parties(background, app, p) },
			func(p ledger.Party) ledger.ID { return p.ID })
		equal(f, got, err, want, sameList)
	}

	account, wallet := f.person("chat", "Asha")
	linked, err := f.store.Instruments(background, account.Party)
	equal(f, linked, err, []ledger.Instrument{account, wallet}, sameList)
	found, err := f.resolve(ledger.Alias{Kind: ledger.AliasUPI, Value: account.UPI})
	party := found.Party
	equal(f, found.Instrument, err, account, same)
	if party.ID != account.Party || party.Default != account.ID {
		f.Errorf("resolved to %+v", party)
	}
	chosen, err := f.payable(party.ID)
	equal(f, chosen, err, found, same)
	f.must(ledger.UnlinkInstrument{Instrument: account})
	_, err = f.resolve(ledger.Alias{Kind: ledger.AliasUPI, Value: account.UPI})
	wantNotFound(f, "Resolve after unlinking", err)
	linked, err = f.store.Instruments(background, account.Party)
	equal(f, linked, err, []ledger.Instrument{wallet}, sameList)
	chosen, err = f.payable(account.Party)
	equal(f, chosen.Instrument, err, ledger.Instrument{}, same)

	// Unlinked and linked by another within one batch: the name changes hands.
	first, second := account, account
	first.ID, second.ID = ledger.NewID(), ledger.NewID()
	second.Party = f.must(ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: "Ravi", Kind: ledger.Person}})[0].(ledger.Party).ID
	f.must(ledger.LinkInstrument{Instrument: first})
	f.must(ledger.UnlinkInstrument{Instrument: first}, ledger.LinkInstrument{Instrument: second})
	found, err = f.resolve(ledger.AccountAlias("chat", account.IFSC, account.Value))
	f.check(err)
	if found.Instrument.ID != second.ID {
		f.Errorf("resolved to %+v, want the second link", found)
	}
}

func testKeys(f *fixture) {
	s := some{rand.New(rand.NewPCG(5, 6))}
	var want []ledger.Key
	for range 17 {
		k := s.key()
		k.ID, k.Revoked = ledger.NewID(), 0
		want = append(want, f.must(ledger.CreateKey{Key: k})[0].(ledger.Key))
	}
	want[3] = f.must(ledger.RevokeKey{ID: want[3].ID})[0].(ledger.Key)
	slices.Reverse(want)
	got, err := pages(4, func(p ledger.Page) ([]ledger.Key, error) { return f.store.Keys(background, p) }, func(k ledger.Key) ledger.ID { return k.ID })
	equal(f, got, err, want, func(a, b []ledger.Key) bool { return slices.EqualFunc(a, b, sameKey) })
}

func testAccounts(f *fixture) {
	for i := range 11 {
		f.person("chat", fmt.Sprint("P", i))
	}
	account, wallet := f.rich("chat", "Asha", 500)
	f.must(f.pay(account, wallet, 1)) // pending: no account changes

	var got []ledger.Account
	var after ledger.AccountName
	for {
		page, err := f.store.Accounts(background, after, 4)
		f.check(err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1].Name
	}
	if len(got) != 12+2 { // the wallets, transit and the bank's clearing account
		f.Fatalf("%d accounts", len(got))
	}
	if !slices.IsSortedFunc(got, func(a, b ledger.Account) int { return strings.Compare(a.Name.Path, b.Name.Path) }) {
		f.Error("accounts are not sorted by path")
	}
	for _, a := range got {
		one, err := f.store.Account(background, a.ID)
		equal(f, one, err, a, same)
	}
}

func testStatement(f *fixture) {
	_, asha := f.rich("chat", "Asha", 1000)
	_, ravi := f.rich("chat", "Ravi", 1000)
	for i := range int64(25) {
		from, to := asha, ravi
		if i%3 == 0 {
			from, to = ravi, asha
		}
		f.must(f.pay(from, to, 1+i))
	}
	balance, seq := f.wallet(asha).Balance(), f.wallet(asha).Seq
	lines := 0
	for before := int64(0); ; before = seq + 1 {
		page, err := f.store.Statement(background, ledger.WalletAccount(asha.Party, "INR").ID(), before, 7)
		f.check(err)
		for _, l := range page {
			if l.Seq != seq || l.Balance != balance {
				f.Fatalf("line %d with balance %d, want %d with %d", l.Seq, l.Balance, seq, balance)
			}
			if l.Debited {
				balance += l.Posting.Amount
			} else {
				balance -= l.Posting.Amount
			}
			seq--
			lines++
		}
		if len(page) == 0 {
			break
		}
	}
	if lines != 26 || seq != 0 || balance != 0 {
		f.Errorf("%d lines end before number %d with balance %d", lines, seq, balance)
	}
}

// testTransfers compares every combination of filters, paged, with a plain search.
func testTransfers(f *fixture) {
	all := f.manyTransfers()
	parties := []ledger.ID{{}, all[0].Payer.Party, all[1].Payee.Party, ledger.NewID()}
	bounds := []int64{0, all[len(all)/3].Created, all[len(all)/2].Created}
	for _, app := range []string{"", "chat", "shop"} {
		for _, conversation := range []string{"", "c1", "none"} {
			for _, party := range parties {
				for _, state := range []ledger.State{0, ledger.Completed, ledger.Failed, ledger.Pending, ledger.Deemed, ledger.Held} {
					for _, from := range bounds {
						for _, until := range bounds {
							f.wantList(all, ledger.TransferFilter{App: app, Conversation: conversation, Party: party, State: state, From: from, Until: until})
						}
					}
				}
			}
		}
	}
}

// manyTransfers makes transfers of every sort and returns them, newest first.
func (f *fixture) manyTransfers() (all []ledger.Transfer) {
	bank, asha := f.rich("chat", "Asha", 1000)
	_, ravi := f.person("chat", "Ravi")
	_, shop := f.person("shop", "Tea")
	for i := range int64(40) {
		c := f.pay(asha, ravi, 1+i) // runs out of money on the way
		switch i % 5 {
		case 1:
			c = f.pay(asha, shop, 1)
		case 2:
			c = f.pay(bank, asha, 1) // a top-up: the same party at both ends, pending
		case 3:
			c = f.pay(shop, asha, 1)
		}
		c.Transfer.Conversation = []string{"", "c1", "c2"}[i%3]
		f.hold(c, i)
	}
	f.check(f.store.Audit(background, func(s ledger.Snapshot) error {
		for t, err := range ledger.Opened(s, ledger.Range{}) {
			if err != nil {
				return err
			}
			all = append(all, t)
		}
		return nil
	}))
	slices.Reverse(all)
	return all
}

// hold pays, and holds what is paid in one case of five: from the beginning or from the
// debit on, for long or until it is released at once or taken back.
func (f *fixture) hold(c ledger.CreateTransfer, i int64) {
	f.Helper()
	if i%5 == 0 || i%5 == 2 {
		c.Transfer.Until = f.now + 1e12
	}
	if i%10 == 5 {
		c.Transfer.Until = f.now + 2e6
	}
	t := f.must(c)[0].(ledger.Transfer)
	if i%10 == 7 {
		t = f.must(f.says(t, ledger.LegDebit, ledger.SaysApproved))[0].(ledger.Recorded).Transfer
	}
	switch i % 20 {
	case 5, 15:
		f.must(ledger.ReleaseTransfer{Transfer: &t}, ledger.ReleaseTransfer{Transfer: &t})
	case 10:
		f.must(ledger.CancelTransfer{Transfer: &t})
	}
}

func (f *fixture) wantList(all []ledger.Transfer, filter ledger.TransferFilter) {
	f.Helper()
	var want []ledger.Transfer
	for _, t := range all {
		if filter.Chooses(&t) {
			want = append(want, t)
		}
	}
	got, err := pages(4, func(p ledger.Page) ([]ledger.Transfer, error) { return f.store.Transfers(background, filter, p) },
		func(t ledger.Transfer) ledger.ID { return t.ID })
	f.check(err)
	if !sameList(got, want) {
		f.Errorf("%+v: %d transfers, want %d", filter, len(got), len(want))
	}
}

// pages reads a list page by page.
func pages[V any](limit int, read func(ledger.Page) ([]V, error), id func(V) ledger.ID) (all []V, err error) {
	page := ledger.Page{Limit: limit}
	for {
		vs, err := read(page)
		if err != nil || len(vs) == 0 {
			return all, err
		}
		if len(vs) > limit {
			return nil, fmt.Errorf("a page of %d has %d", limit, len(vs))
		}
		all = append(all, vs...)
		page.Before = id(vs[len(vs)-1])
	}
}

func testHistory(f *fixture) {
	asha, _ := f.person("chat", "Asha")
	ravi, _ := f.person("chat", "Ravi")
	t := f.must(f.pay(asha, ravi, 100))[0].(ledger.Transfer)
	f.must(f.says(t, ledger.LegDebit, ledger.SaysApproved))
	f.must(f.says(t, ledger.LegCredit, ledger.SaysDeclined))
	f.must(f.says(t, ledger.LegDebitReversal, ledger.SaysApproved))
	steps, asked, err := f.store.TransferHistory(background, t.ID)
	f.check(err)
	var told []string
	for _, s := range steps {
		told = append(told, s.State.String())
	}
	for _, i := range asked {
		told = append(told, i.ID.Leg.String()+" "+i.State.String())
	}
	want := "pending debited reversing reversed debit approved credit declined debit_reversal approved"
	if got := strings.Join(told, " "); got != want {
		f.Errorf("history %q, want %q", got, want)
	}
	now, err := f.store.Transfer(background, t.ID)
	f.check(err)
	if now.State != ledger.Reversed || now.Reason != ledger.CreditDeclined || now.Steps != 4 {
		f.Errorf("transfer %+v", now)
	}
	postings, err := f.store.PostingsOf(background, t.ID)
	f.check(err)
	if len(postings) != 2 || postings[0].Event != ledger.EventDebit || postings[1].Event != ledger.EventDebitReversal || postings[1].Entry != t.ID || postings[1].CreditBalance == postings[0].CreditBalance {
		f.Errorf("postings %+v", postings)
	}
	if postings, err = f.store.PostingsOf(background, asha.ID); err != nil || len(postings) > 0 {
		f.Errorf("postings of what has none: %v, %v", postings, err)
	}
}

func testDue(f *fixture) {
	asha, _ := f.person("chat", "Asha")
	ravi, _ := f.person("chat", "Ravi")
	var made []ledger.Transfer
	for range 9 {
		made = append(made, f.must(f.pay(asha, ravi, 100))[0].(ledger.Transfer))
	}
	f.must(f.says(made[2], ledger.LegDebit, ledger.SaysDeclined))
	made = slices.Delete(made, 2, 3)
	tasks, err := f.store.Due(background, f.node.ID, ledger.DuePlace{}, f.now+1e12, 100)
	f.check(err)
	if len(tasks) != len(made) {
		f.Fatalf("%d tasks, want %d", len(tasks), len(made))
	}
	for i, task := range tasks {
		made[i].Payer.Mark, made[i].Payee.Mark = task.Transfer.Payer.Mark, task.Transfer.Payee.Mark // made as the batch was stored
		if task.Transfer != made[i] || task.Instruction.ID != (ledger.InstructionID{Transfer: made[i].ID, Leg: ledger.LegDebit}) {
			f.Errorf("task %d is %+v", i, task)
		}
	}
	third := tasks[2].Instruction.Due
	for limit, before := range map[int]int64{2: third, 3: third + 1, 1: 1 << 62} {
		n := min(limit, len(tasks))
		some, err := f.store.Due(background, f.node.ID, ledger.DuePlace{}, before, limit)
		equal(f, some, err, tasks[:n], sameList)
	}
	some, err := f.store.Due(background, f.node.ID, ledger.DuePlace{}, third, 100)
	equal(f, some, err, tasks[:2], sameList)
}

// wantRefused demands that a rule refuses the command.
func wantRefused(f *fixture, c ledger.Command, code string) {
	f.Helper()
	var refusal *ledger.Refusal
	err := f.batch(c.Declare, func(s *ledger.Set) error { _, err := c.Apply(s); return err })
	if !errors.As(err, &refusal) || refusal.Code != code {
		f.Errorf("%T: %v, want %s", c, err, code)
	}
}

// testSnapshot reads all lists at once, in their order, and again while another batch is written.
func testSnapshot(f *fixture) {
	all := f.manyTransfers()
	f.check(f.store.Audit(background, func(s ledger.Snapshot) error {
		f.wantOrders(s)
		f.must(f.pay(mustInstrument(f, all[0].Payer), mustInstrument(f, all[0].Payer), 1)) // committed beside the snapshot
		n := 0
		for _, err := range s.Transfers(ledger.Range{}) {
			f.check(err)
			n++
		}
		if n != len(all) {
			f.Errorf("the snapshot grew from %d transfers to %d", len(all), n)
		}
		return nil
	}))
	stop := errors.New("enough")
	err := f.store.Audit(background, func(s ledger.Snapshot) error {
		for range s.Postings() {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		f.Errorf("got %v, want the check's own error", err)
	}
	ended, cancel := context.WithCancel(background)
	err = f.store.Audit(ended, func(s ledger.Snapshot) error {
		cancel()
		return nil
	})
	f.check(err)
}

func mustInstrument(f *fixture, e ledger.End) ledger.Instrument {
	f.Helper()
	i, err := f.store.Instrument(background, e.Instrument)
	f.check(err)
	return i
}

// wantOrders checks each list's order; postings are read inside of statement lines.
func (f *fixture) wantOrders(s ledger.Snapshot) {
	var account ledger.Account
	for a, err := range s.Accounts() {
		f.check(err)
		if a.ID.Compare(account.ID) <= 0 {
			f.Error("accounts are not in order")
		}
		account = a
	}
	postings := map[ledger.InstructionID]int{}
	var owner ledger.AccountID
	var seq int64
	for l, err := range s.StatementLines() {
		f.check(err)
		id := l.Posting.Credit
		if l.Debited {
			id = l.Posting.Debit
		}
		if c := owner.Compare(id); c > 0 || (c == 0 && l.Seq != seq+1) {
			f.Error("statement lines are not in order")
		}
		owner, seq = id, l.Seq
		postings[ledger.InstructionID{Transfer: l.Posting.Entry, Leg: ledger.Leg(l.Posting.Event)}]++
	}
	n := 0
	for p, err := range s.Postings() {
		f.check(err)
		if postings[ledger.InstructionID{Transfer: p.Entry, Leg: ledger.Leg(p.Event)}] != 2 {
			f.Errorf("posting %+v has not two sides", p)
		}
		n++
	}
	if n != len(postings) {
		f.Errorf("%d postings, %d in statements", n, len(postings))
	}
}

func testRefused(f *fixture) {
	_, asha := f.rich("chat", "Asha", 100)
	p := ledger.NewPipeline(f.store, ledger.PipelineOptions{Policy: &f.policy})
	defer p.Close()
	before, err := f.store.Instruments(background, asha.Party)
	f.check(err)
	_, err = ledger.Do[ledger.Instrument](background, p, ledger.UnlinkInstrument{Instrument: asha})
	if refusal := (*ledger.Refusal)(nil); !errors.As(err, &refusal) || refusal.Code != ledger.CodeWalletNotEmpty {
		f.Errorf("got %v, want a refusal", err)
	}
	after, err := f.store.Instruments(background, asha.Party)
	equal(f, after, err, before, sameList)
}

func testError(f *fixture) {
	_, asha := f.rich("chat", "Asha", 100)
	_, ravi := f.person("chat", "Ravi")
	c, failure := f.pay(asha, ravi, 60), errors.New("half way")
	err := f.batch(c.Declare, func(s *ledger.Set) error {
		if _, err := c.Apply(s); err != nil {
			return err
		}
		return failure
	})
	if !errors.Is(err, failure) {
		f.Errorf("got %v, want apply's own error", err)
	}
	_, err = f.store.Transfer(background, c.Transfer.ID)
	wantNotFound(f, "the transfer of the failed batch", err)
	f.must(c) // the same again goes through
	if got := f.wallet(asha).Balance(); got != 40 {
		f.Errorf("balance %d, want 40", got)
	}
}

func testPanic(f *fixture) {
	_, asha := f.rich("chat", "Asha", 100)
	_, ravi := f.person("chat", "Ravi")
	c := f.pay(asha, ravi, 60)
	func() {
		defer func() {
			if r := recover(); r != "bug" {
				f.Errorf("recovered %v, want the panic to go through", r)
			}
		}()
		_ = f.batch(c.Declare, func(s *ledger.Set) error {
			_, _ = c.Apply(s)
			panic("bug")
		})
	}()
	_, err := f.store.Transfer(background, c.Transfer.ID)
	wantNotFound(f, "the transfer of the batch that panicked", err)
	f.must(c)
	if got := f.wallet(asha).Balance(); got != 40 {
		f.Errorf("balance %d, want 40", got)
	}
}

// testExists declares keys as new that are not.
func testExists(f *fixture) {
	_, asha := f.rich("chat", "Asha", 100)
	_, ravi := f.person("chat", "Ravi")
	c := f.pay(asha, ravi, 60)
	f.must(c)
	err := f.batch(c.Declare, func(s *ledger.Set) error {
		_, err := c.Apply(s)
		return err
	})
	if err == nil || errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrOutcomeUnknown) {
		f.Errorf("the transfer again: got %v, want an error for good", err)
	}
	if got := f.wallet(asha).Balance(); got != 40 {
		f.Errorf("balance %d, want 40", got)
	}
}

// testAnswers sends requests with one key at the same time and again later.
func testAnswers(f *fixture) {
	_, asha := f.rich("chat", "Asha", 100)
	_, ravi := f.person("chat", "Ravi")
	p := ledger.NewPipeline(f.store, ledger.PipelineOptions{Policy: &f.policy})
	defer p.Close()
	send := func(hash byte) (ledger.Reply, error) {
		c := f.pay(asha, ravi, 10)
		return p.Submit(background, ledger.Request{Command: c, Key: &ledger.IdempotencyKey{App: "chat", Key: "k☕"}, RequestHash: [32]byte{hash},
			Answer: func(r any) (int, []byte) { return 201, []byte(r.(ledger.Transfer).ID.TransferRef()) }})
	}
	var mu sync.Mutex
	var bodies []string
	fresh := 0
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() {
			reply, err := send(1)
			if err != nil {
				f.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			bodies = append(bodies, string(reply.Answer.Body))
			if !reply.Replayed {
				fresh++
			}
		})
	}
	senders.Wait()
	later, err := send(1)
	f.check(err)
	if fresh != 1 || !later.Replayed || later.Answer.Status != 201 || len(slices.Compact(append(bodies, string(later.Answer.Body)))) != 1 {
		f.Errorf("%d applied, answers %v", fresh, bodies)
	}
	if got := f.wallet(asha).Balance(); got != 90 {
		f.Errorf("balance %d, want 90: paid once", got)
	}
	_, err = send(2)
	if refusal := (*ledger.Refusal)(nil); !errors.As(err, &refusal) || refusal.Code != ledger.CodeIdempotencyReuse {
		f.Errorf("another request under the key: got %v", err)
	}
}

func testAppendOnly(f *fixture) {
	_, asha := f.rich("chat", "Asha", 100)
	_, ravi := f.person("chat", "Ravi")
	f.must(f.pay(asha, ravi, 60))
	db, ok := f.engine.(SQL)
	if !ok {
		f.Skip("no SQL")
	}
	f.must(f.pay(ravi, asha, 1))
	s := some{rand.New(rand.NewPCG(7, 8))}
	answer := s.answer()
	f.check(f.batch(func(set *ledger.Set) { set.Answers.Want(answer.Key) }, func(set *ledger.Set) error {
		set.Answers.Put(answer.Key, answer)
		return nil
	}))
	for _, q := range []string{
		"UPDATE postings SET amount = amount + 1", "DELETE FROM postings",
		"UPDATE steps SET at = 0", "DELETE FROM steps",
		"UPDATE answers SET status = 500", "DELETE FROM answers",
		"UPDATE accounts SET credits = 0, debits = 1 WHERE path LIKE 'wallet:%'", // below zero
	} {
		if err := db.Exec(background, q); err == nil {
			f.Errorf("%s was not refused", q)
		}
	}
}

// testContradictions tells of one contradiction again, in batches of its own and twice in one, and of another.
func testContradictions(f *fixture) {
	b := ledger.Contradiction{Instruction: ledger.InstructionID{Transfer: ledger.NewID(), Leg: ledger.LegCredit}, Was: ledger.Declined, Says: ledger.SaysApproved, Code: "00", At: 1}
	other := b
	other.Says, other.Code = ledger.SaysStands, ""
	for _, told := range [][]ledger.Contradiction{{b}, {b}, {b, other, b}} {
		f.check(f.batch(func(*ledger.Set) {}, func(s *ledger.Set) error {
			s.Contradictions = append(s.Contradictions, told...)
			return nil
		}))
	}
	if db, ok := f.engine.(SQL); ok {
		n, err := db.Count(background, "SELECT count(*) FROM contradictions")
		equal(f, n, err, 2, same)
	}
}

func testReopen(f *fixture) {
	re, ok := f.engine.(Reopener)
	if !ok {
		f.Skip("nothing survives this store")
	}
	f.bare()
	s := some{rand.New(rand.NewPCG(11, 12))}
	var all []rows
	for range 20 {
		all = append(all, s.rows())
	}
	f.put(all...)
	e := s.evidence(20, 0)
	f.putEvidence(e)
	f.check(f.engine.Close())
	f.engine = re.Reopen(f.T)
	f.bare()
	f.wantRows(all...)
	f.wantEvidence(e)
}
