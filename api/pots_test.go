package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

const newPhone = "+919876500042"

// spaced are values with a space between any two.
func spaced(values ...any) string { return strings.TrimSuffix(fmt.Sprintln(values...), "\n") }

// invite sends money to a phone that nobody has.
func (c *caller) invite(from *person, value string) api.Transfer {
	c.s.t.Helper()
	return read[api.Transfer](c.post("/v1/transfers", obj{"payer": obj{"wallet": from.id}, "payee": obj{"phone": newPhone, "invite": true}, "amount": inr(value),
		"note": "for the books", "conversation": "c-1"}).want(201))
}

func (c *caller) redPacket(from *person, value string, shares int, with obj) api.Pot {
	c.s.t.Helper()
	in := obj{"payer": obj{"wallet": from.id}, "amount": inr(value), "shares": shares, "note": "Happy Diwali", "conversation": "c-77"}
	for k, v := range with {
		in[k] = v
	}
	return read[api.Pot](c.post("/v1/pots", in).want(201))
}

func (c *caller) pot(id string) api.PotDetail {
	c.s.t.Helper()
	return read[api.PotDetail](c.get("/v1/pots/" + id).want(200))
}

func (c *caller) claim(id string, p *person) *answer {
	c.s.t.Helper()
	return c.post("/v1/pots/"+id+"/claims", obj{"party": p.id, "instrument": p.wallet})
}

// comes waits until a pot is in a state.
func (c *caller) comes(id, state string) api.PotDetail {
	c.s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		p := c.pot(id)
		if string(p.State) == state {
			return p
		}
		if time.Now().After(deadline) {
			c.s.t.Fatalf("the pot is %s: %+v", p.State, p)
		}
	}
}

// Money for a phone that nobody has waits for whoever registers it.
func TestInvitation(t *testing.T) {
	t.Parallel()
	s := start(t, withAgenda)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500")
	missing := read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"wallet": asha.id}, "payee": obj{"phone": newPhone}, "amount": inr("100")}).want(201))
	if missing.State != "failed" || missing.Failure.Reason != "payee_not_found" || !strings.Contains(missing.Failure.Detail, "invite") {
		t.Errorf("without invite: %+v", missing)
	}
	sent := a.invite(asha, "300")
	if sent.State != "completed" || sent.Payee.Pot == "" || sent.Payee.Name != "••••0042" || sent.Payee.Wallet || sent.Cause.ID != sent.Payee.Pot {
		t.Fatalf("the funding: %+v", sent)
	}
	id := sent.Payee.Pot
	p := a.pot(id)
	wantEqual(t, "the invitation", spaced(p.Type, p.State, p.StatusText, p.Amount.Value, p.Left.Value, p.Sender, p.Phone, p.Note, p.Conversation, p.Shares, p.Claimed),
		spaced("invitation", "open", "waiting for the payee to sign up", "300.00", "300.00", api.PotParty{Party: asha.id, Name: "asha"}, newPhone, "for the books", "c-1", 1, 0))
	wantEqual(t, "it expires", p.ExpiresAt.Sub(p.CreatedAt), time.Hour)
	wantEqual(t, "its sender has", a.balance(asha), "200.00")

	ravi := newPerson("ravi", 2, "KVRI")
	ravi.phone = newPhone
	mina := a.fund(a.settle(newPerson("mina", 3, "KVRI")), "")
	a.claim(id, mina).refused(403, "not_invited")
	a.fund(a.settle(ravi), "")
	paid := read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"wallet": asha.id}, "payee": obj{"phone": newPhone, "invite": true}, "amount": inr("50")}).want(201))
	if paid.Payee.Party != ravi.id || paid.Payee.Pot != "" { // who is registered is paid
		t.Errorf("to somebody registered: %+v", paid.Payee)
	}
	a.claim(id, mina).refused(403, "not_invited")
	body := obj{"party": ravi.id}
	first := a.post("/v1/pots/"+id+"/claims", body, "Idempotency-Key", "claim-1").want(201)
	claimed := read[api.PotClaimed](first)
	wantEqual(t, "the claim", spaced(claimed.Pot, claimed.Claim.N, claimed.Claim.Party, claimed.Claim.Name, claimed.Claim.Amount.Value, claimed.Transfer.Payer.Pot), spaced(id, 1, ravi.id, "ravi", "300.00", id))
	again := a.post("/v1/pots/"+id+"/claims", body, "Idempotency-Key", "claim-1").want(201)
	if !again.replayed() || string(again.body) != string(first.body) {
		t.Errorf("again: %s", again.body)
	}
	a.post("/v1/pots/"+id+"/claims", body).refused(409, "pot_claimed")
	a.post("/v1/pots/"+id+"/cancel", nil).refused(409, "pot_not_cancellable")
	p = a.comes(id, "closed")
	wantEqual(t, "the end", spaced(p.StatusText, p.Left.Value, p.Claims[0].State, p.AllShares[0].Value, p.Seed), spaced("all claimed", "0.00", "paid", "300.00", ""))
	s.verify()
}

// Whose phone is given to another person is invited no more.
func TestInvitationFollowsThePhone(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500")
	ravi, mina := newPerson("ravi", 2, "KVRI"), a.fund(a.settle(newPerson("mina", 3, "KVRI")), "")
	id := a.invite(asha, "300").Payee.Pot
	ravi.phone = newPhone
	a.fund(a.settle(ravi), "")
	a.send("DELETE", "/v1/parties/"+ravi.id+"/instruments/"+ravi.phoneInstrument, nil).want(204)
	a.claim(id, ravi).refused(403, "not_invited")
	a.link(mina.id, obj{"kind": "phone", "phone": newPhone})
	a.claim(id, ravi).refused(403, "not_invited")
	a.claim(id, mina).want(201)
	wantEqual(t, "who has the phone has", a.balance(mina), "300.00")
	s.verify()
}

// What nobody claims goes back by itself; so it does at the sender's wish, and over a restart.
func TestInvitationGoesBack(t *testing.T) {
	t.Parallel()
	s := start(t, withAgenda)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500")
	cancelled, expired, outlived := a.invite(asha, "100").Payee.Pot, a.invite(asha, "100").Payee.Pot, a.invite(asha, "100").Payee.Pot
	wantEqual(t, "while they wait", a.balance(asha), "200.00")
	first := a.post("/v1/pots/"+cancelled+"/cancel", nil).want(200)
	wantEqual(t, "cancelled", read[api.Pot](first).StatusText, "not claimed, the money went back")
	wantEqual(t, "again", string(a.post("/v1/pots/"+cancelled+"/cancel", nil).want(200).body), string(first.body))
	wantEqual(t, "after one is cancelled", a.balance(asha), "300.00")

	ctx := context.Background()
	s.agenda.Close() // nobody looks
	s.moved.ahead.Store(int64(time.Hour))
	ravi := newPerson("ravi", 2, "KVRI")
	ravi.phone = newPhone
	a.fund(a.settle(ravi), "")
	a.claim(expired, ravi).refused(409, "pot_not_open")
	due, err := s.store.DueRecords(ctx, ledger.RecordPlace{}, time.Now().Add(2*time.Hour).UnixMicro(), 10)
	check(t, err)
	for _, r := range due {
		if r.Ref() == expired {
			check(t, s.server.Handlers()[ledger.RecordPot](ctx, r))
			check(t, s.server.Handlers()[ledger.RecordPot](ctx, r)) // twice
		}
	}
	p := a.pot(expired)
	wantEqual(t, "expired", spaced(p.State, len(p.Returns), p.Returns[0].Amount.Value, p.Returns[0].State), "closed 1 100.00 paid")
	wantEqual(t, "after one expired", a.balance(asha), "400.00")
	s = s.restart() // on the same clock
	a = s.as(chatA)
	a.comes(outlived, "closed")
	wantEqual(t, "after all", a.balance(asha), "500.00")
	back := read[api.TransferDetail](a.get("/v1/transfers/" + a.pot(outlived).Returns[0].Transfer).want(200))
	wantEqual(t, "the return", spaced(back.Kind, back.Payer.Pot, back.Payee.Party, back.State), spaced("refund", outlived, asha.id, "completed"))
	s.verify()
}

// A red packet is divided as it was committed to, and everybody sees how once it is over.
func TestRedPacket(t *testing.T) {
	t.Parallel()
	s := start(t, fed)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500")
	ravi, mina := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), ""), a.fund(a.settle(newPerson("mina", 3, "GDVR")), "")
	made := a.redPacket(asha, "100.01", 2, nil)
	if made.State != "open" || made.Commitment == "" || made.Mode != "random" {
		t.Fatalf("made: %+v", made)
	}
	if body := string(a.get("/v1/pots/" + made.ID).want(200).body); strings.Contains(body, "seed") || strings.Contains(body, "all_shares") {
		t.Errorf("before it is over: %s", body)
	}
	first := read[api.PotClaimed](a.claim(made.ID, ravi).want(201))
	second := read[api.PotClaimed](a.claim(made.ID, mina).want(201))
	a.claim(made.ID, asha).refused(409, "pot_empty")
	p := a.pot(made.ID)
	id, err := ledger.ParsePotRef(p.ID)
	check(t, err)
	again := ledger.Pot{Amount: ledger.Amount{Minor: 10001, Currency: "INR"}, Shares: 2, Mode: ledger.RandomShares}
	check(t, again.Seed.UnmarshalText([]byte(p.Seed)))
	wantEqual(t, "commitment", again.Commit(id), made.Commitment)
	shares := again.Divide()
	for i, c := range []api.PotClaimed{first, second} {
		want := ledger.Amount{Minor: shares[i], Currency: "INR"}.String()
		wantEqual(t, "share", spaced(c.Claim.N, c.Claim.Amount.Value, p.AllShares[i].Value, p.Claims[i].Amount.Value), spaced(i+1, want, want, want))
	}
	wantEqual(t, "names", spaced(p.Sender.Name, p.Claims[0].Name, p.Claims[1].Name, p.StatusText), "asha ravi mina all claimed")

	equal := a.redPacket(asha, "100", 3, obj{"mode": "equal", "members": []string{ravi.id, mina.id}, "expires_in": 3600})
	wantEqual(t, "no seed, no commitment", equal.Commitment, "")
	wantEqual(t, "it lasts", equal.ExpiresAt.Sub(equal.CreatedAt), time.Hour)
	a.claim(equal.ID, asha).refused(403, "not_invited")
	wantEqual(t, "the first of three", read[api.PotClaimed](a.claim(equal.ID, mina).want(201)).Claim.Amount.Value, "33.34")
	wantEqual(t, "the second", read[api.PotClaimed](a.claim(equal.ID, ravi).want(201)).Claim.Amount.Value, "33.33")
	p = a.pot(equal.ID)
	wantEqual(t, "members", len(p.Members), 2)
	a.post("/v1/pots/"+equal.ID+"/cancel", nil).refused(409, "pot_not_cancellable")

	// Lists.
	ids := func(query string) (out []string) {
		for _, p := range read[api.PotList](a.get("/v1/pots?" + query).want(200)).Data {
			out = append(out, p.ID)
		}
		return out
	}
	both := spaced([]string{equal.ID, made.ID})
	wantEqual(t, "all", spaced(ids("")), both)
	wantEqual(t, "of the conversation", spaced(ids("conversation=c-77")), both)
	wantEqual(t, "of another", len(ids("conversation=c-78")), 0)
	wantEqual(t, "of the sender", spaced(ids("party="+asha.id)), both)
	wantEqual(t, "of a member", spaced(ids("party="+mina.id)), spaced([]string{equal.ID}))
	wantEqual(t, "open", spaced(ids("state=open")), spaced([]string{equal.ID}))
	wantEqual(t, "closed, of the conversation", spaced(ids("state=closed&conversation=c-77")), spaced([]string{made.ID}))
	page := read[api.PotList](a.get("/v1/pots?limit=1").want(200))
	wantEqual(t, "the second page", read[api.PotList](a.get("/v1/pots?limit=1&cursor=" + page.NextCursor).want(200)).Data[0].ID, made.ID)
	a.get("/v1/pots?party="+asha.id+"&conversation=c-77").refused(400, "malformed_parameter")

	// What the app is told.
	s.settled()
	var told []string
	for _, e := range a.events("&types=pot.*") {
		if e.Data.Pot.ID != made.ID {
			continue
		}
		told = append(told, strings.TrimPrefix(e.Type, "pot.")+" "+spaced(e.Data.Claim.N)+" "+e.Data.Claim.Name+": "+e.Data.Bubble.ForPayee.Text)
		if e.Data.Bubble.Conversation != "c-77" || strings.Contains(e.Data.Bubble.ForPayer.Text+e.Data.Bubble.ForPayee.Text, "{") {
			t.Errorf("bubble: %+v", e.Data.Bubble)
		}
	}
	wantEqual(t, "told", len(told), 4)
	for i, want := range []string{"opened 0 : asha sent a red packet of ₹100.01 for 2.", "claimed 1 ravi: ravi got ₹", "claimed 2 mina: mina got ₹", "closed 0 : asha's red packet of ₹100.01 is over: 2 of 2"} {
		if !strings.HasPrefix(told[i], want) {
			t.Errorf("told %q, want %q", told[i], want)
		}
	}
	s.verify()
}

// A share whose bank declines waits for another account of the same person.
func TestClaimDeclined(t *testing.T) {
	t.Parallel()
	s := start(t, fed)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "9999")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	made := a.redPacket(asha, "9201", 1, obj{"mode": "equal"}) // an amount that the payee's bank declines
	under := read[api.PotClaimed](a.post("/v1/pots/"+made.ID+"/claims", obj{"party": ravi.id, "instrument": ravi.account}).want(201))
	a.comesTo(under.Transfer, "reversed")
	p := a.comes(made.ID, "open")
	wantEqual(t, "declined", spaced(p.Claims[0].State, p.Left.Value), "failed 9201.00")
	wantEqual(t, "again", read[api.PotClaimed](a.claim(made.ID, ravi).want(201)).Claim.State, "paid")
	wantEqual(t, "the payee has", a.balance(ravi), "9201.00")
	s.settled()
	var told []string
	for _, e := range a.events("&types=pot.*") {
		told = append(told, e.Type)
	}
	wantEqual(t, "told", spaced(told), "[pot.opened pot.claim_failed pot.claimed pot.closed]")
	s.verify()
}

// A credential goes with the payment into a pot, and from a bank the pot opens when that has paid.
func TestPotFromABank(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.as(chatA)
	asha := a.settle(newPerson("asha", 1, "NRMD"))
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	made := read[api.Pot](a.post("/v1/pots", obj{"payer": obj{"instrument": asha.account, "credential": "c2VjcmV0"}, "amount": inr("10"), "shares": 1}).want(201))
	wantEqual(t, "at first", spaced(made.State, made.StatusText, made.Left.Value, made.ExpiresAt.IsZero()), "funding being paid 0.00 true")
	a.comes(made.ID, "open")
	a.claim(made.ID, ravi).want(201)
	a.comes(made.ID, "closed")
	declined := read[api.Transfer](a.post("/v1/transfers?wait=10", obj{"payer": obj{"instrument": asha.account}, "payee": obj{"phone": newPhone, "invite": true}, "amount": inr("9101")}).want(201))
	wantEqual(t, "declined", spaced(declined.State, declined.Failure.Reason), "failed debit_declined")
	p := a.comes(declined.Payee.Pot, "failed")
	wantEqual(t, "why", spaced(p.Failure.Reason, p.StatusText), "debit_declined not paid, no money moved")
	poor := a.redPacket(ravi, "1000", 1, nil)
	wantEqual(t, "too little", spaced(poor.State, poor.Failure.Reason), "failed insufficient_funds")
	batch := read[api.TransferBatch](a.post("/v1/transfers/batch", obj{"transfers": []obj{
		{"payer": obj{"wallet": ravi.id}, "payee": obj{"phone": newPhone, "invite": true}, "amount": inr("1")},
		{"payer": obj{"wallet": ravi.id}, "payee": obj{"handle": "asha", "invite": true}, "amount": inr("1")}}}).want(200))
	wantEqual(t, "in a batch", spaced(batch.Results[0].Transfer.Payee.Pot != "", batch.Results[1].Problem.Code), "true invalid_address")
	s.verify()
}

// Whoever asks for what is not there, not theirs or nonsense is refused, and nothing is stored.
func TestPotsRefuse(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b := s.as(chatA), s.as(chatB)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500")
	theirs := b.fund(b.settle(newPerson("meera", 2, "KVRI")), "500")
	mine := a.redPacket(asha, "10", 2, nil)
	invited := a.invite(asha, "10").Payee.Pot
	before := s.fingerprint()
	none := "pot_" + hex32
	for _, c := range []struct {
		path string
		body any
	}{{"", nil}, {"/claims", obj{"party": theirs.id}}, {"/cancel", nil}} {
		method := "POST"
		if c.path == "" {
			method = "GET"
		}
		foreign, absent := b.send(method, "/v1/pots/"+mine.ID+c.path, c.body, "X-Request-Id", "same"), b.send(method, "/v1/pots/"+none+c.path, c.body, "X-Request-Id", "same")
		if foreign.refused(404, "pot_not_found"); string(foreign.body) != string(absent.body) {
			t.Errorf("%s: %s, and what is not there: %s", c.path, foreign.body, absent.body)
		}
		a.send(method, "/v1/pots/pot_x"+c.path, c.body).refused(404, "pot_not_found")
	}
	wantEqual(t, "app B lists", len(read[api.PotList](b.get("/v1/pots").want(200)).Data), 0)
	a.claim(mine.ID, theirs).refused(404, "party_not_found")
	a.post("/v1/pots/"+mine.ID+"/claims", obj{"party": asha.id, "instrument": theirs.wallet}).refused(404, "instrument_not_found")
	a.claim(invited, asha).refused(403, "not_invited")
	wallet := obj{"wallet": asha.id}
	with := func(change obj) obj {
		in := obj{"payer": wallet, "amount": inr("10"), "shares": 2}
		for k, v := range change {
			if in[k] = v; v == nil {
				delete(in, k)
			}
		}
		return in
	}
	for _, c := range []struct {
		body   any
		status int
		code   string
	}{
		{with(obj{"payer": nil}), 400, "invalid_address"},
		{with(obj{"payer": obj{"wallet": theirs.id}}), 404, "party_not_found"},
		{with(obj{"payer": obj{"wallet": asha.id, "invite": true}}), 400, "invalid_address"},
		{with(obj{"payer": obj{"upi": "asha@narmada"}}), 400, "invalid_address"},
		{with(obj{"amount": nil}), 400, "missing_field"},
		{with(obj{"amount": inr("0")}), 400, "invalid_amount"},
		{with(obj{"amount": inr("0.01")}), 400, "invalid_field"}, // less than a paisa each
		{with(obj{"shares": nil}), 400, "missing_field"},
		{with(obj{"shares": -1}), 400, "invalid_field"},
		{with(obj{"shares": 201}), 400, "invalid_field"},
		{with(obj{"shares": 1.5}), 400, "wrong_type"},
		{with(obj{"mode": "unfair"}), 400, "invalid_field"},
		{with(obj{"seed": strings.Repeat("0", 64)}), 400, "unknown_field"},
		{with(obj{"expires_in": 0}), 400, "invalid_field"},
		{with(obj{"expires_in": 59}), 400, "invalid_field"},
		{with(obj{"expires_in": 2592001}), 400, "invalid_field"},
		{with(obj{"expires_in": int64(1) << 62}), 400, "invalid_field"},
		{with(obj{"members": []string{}}), 400, "invalid_field"},
		{with(obj{"members": []string{"somebody"}}), 400, "invalid_field"},
		{with(obj{"members": []string{theirs.id}}), 404, "party_not_found"},
		{with(obj{"members": make([]string, 1025)}), 400, "invalid_field"},
		{with(obj{"note": "a\u202eb"}), 400, "invalid_field"},
		{with(obj{"payer": obj{"wallet": asha.id, "credential": "c2VjcmV0"}}), 400, "invalid_field"},
		{"[]", 400, "wrong_type"},
	} {
		if got := a.post("/v1/pots", c.body); got.status != c.status || got.code() != c.code {
			t.Errorf("%v: %d %s, want %d %s: %s", c.body, got.status, got.code(), c.status, c.code, got.body)
		}
	}
	for _, c := range []struct {
		body any
		code string
	}{
		{obj{}, "missing_field"}, {obj{"party": "pty_x"}, "invalid_field"}, {obj{"party": asha.id, "instrument": "x"}, "invalid_field"}, {obj{"party": asha.id, "amount": inr("1")}, "unknown_field"},
	} {
		a.post("/v1/pots/"+mine.ID+"/claims", c.body).refused(400, c.code)
	}
	a.post("/v1/transfers", obj{"payer": wallet, "payee": obj{"phone": "12", "invite": true}, "amount": inr("1")}).refused(400, "invalid_phone")
	a.post("/v1/transfers", obj{"payer": wallet, "payee": obj{"invite": true}, "amount": inr("1")}).refused(400, "invalid_address")
	a.post("/v1/pots", with(nil), "Idempotency-Key", "").refused(400, "idempotency_key_missing")
	s.as(operator).post("/v1/wallets/"+asha.id+"/freeze?currency=INR", nil).want(200)
	frozen := s.fingerprint()
	a.claim(mine.ID, asha).refused(409, "claim_refused")
	wantEqual(t, "after a claim that cannot be paid", s.fingerprint(), frozen)
	s.as(operator).post("/v1/wallets/"+asha.id+"/unfreeze?currency=INR", nil).want(200)
	wantEqual(t, "the book", s.fingerprint(), before)
}

// Two hundred persons claim at once through HTTP: each share goes to one of them.
func TestManyClaimOverHTTP(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500")
	persons := make([]*person, 40)
	for i := range persons {
		persons[i] = &person{id: a.openParty(spaced("person", i))}
		persons[i].wallet = a.link(persons[i].id, obj{"kind": "wallet"}).ID
	}
	made := a.redPacket(asha, "123.45", 20, nil)
	var all sync.WaitGroup
	answers := make([]*answer, 200)
	for i := range answers {
		p := persons[i%len(persons)]
		r := a.request(http.MethodPost, "/v1/pots/"+made.ID+"/claims", obj{"party": p.id})
		all.Go(func() {
			got, err := a.try(r)
			if err != nil {
				t.Error(err)
				return
			}
			answers[i] = got
		})
	}
	all.Wait()
	counts := map[string]int{}
	for _, got := range answers {
		counts[spaced(got.status, got.code())]++
	}
	if counts["201 "] != 20 || counts["201 "]+counts["409 pot_claimed"]+counts["409 pot_empty"] != 200 {
		t.Errorf("answers: %v", counts)
	}
	p := a.pot(made.ID)
	sum, got := int64(0), map[string]bool{}
	for _, c := range p.Claims {
		amount, err := ledger.ParseAmount(c.Amount.Value, "INR")
		check(t, err)
		sum += amount.Minor
		got[c.Party] = true
	}
	wantEqual(t, "all of it", spaced(p.State, sum, len(got)), "closed 12345 20")
	s.verify()
}
