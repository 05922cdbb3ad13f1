package api_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"bahi/api"
	"bahi/ledger"
)

// accesses are all that the book has, newest first.
func (s *stack) accesses() (all []ledger.Access) {
	s.t.Helper()
	page := ledger.Page{Limit: 1000}
	for {
		rows, err := s.store.Accesses(s.t.Context(), page)
		check(s.t, err)
		if all = append(all, rows...); len(rows) < page.Limit {
			return all
		}
		page.Before = rows[len(rows)-1].ID
	}
}

// one is the only access that was added since there were so many.
func (s *stack) one(before int) ledger.Access {
	s.t.Helper()
	all := s.accesses()
	if len(all) != before+1 {
		s.t.Fatalf("%d accesses were written down, want one: %+v", len(all)-before, all[:len(all)-before])
	}
	return all[0]
}

// inLog checks that the log has the access as a leaf.
func (s *stack) inLog(a ledger.Access) {
	s.t.Helper()
	rows, err := s.store.LogAt(s.t.Context(), a.At)
	check(s.t, err)
	found := 0
	for i := range rows {
		check(s.t, rows[i].Each(func(_ int64, b []byte) bool {
			leaf, err := ledger.ParseLeaf(b)
			check(s.t, err)
			if got, ok := leaf.(*ledger.Access); ok && *got == a {
				found++
			}
			return true
		}))
	}
	if found != 1 {
		s.t.Errorf("%+v is in %d leaves of the log", a, found)
	}
}

func (s *stack) ref(name string) string {
	s.t.Helper()
	for _, k := range s.listed() {
		if k.Label == name {
			return k.ID.KeyRef()
		}
	}
	s.t.Fatalf("there is no key of %s", name)
	return ""
}

func (s *stack) listed() []ledger.Key {
	keys, err := s.store.Keys(s.t.Context(), ledger.Page{Limit: 100})
	check(s.t, err)
	return keys
}

// Every look at the book is written down once, with who, what and of what, and is a leaf of the log.
func TestEveryLookIsWrittenDown(t *testing.T) {
	s := seed(t)
	s.eachView(t, func(at, path string) {
		for _, role := range []string{auditor, operator, inspector} {
			before := len(s.accesses())
			s.as(role).get(path).want(200)
			a := s.one(before)
			if a.Who != s.ref(role) || a.Role != role || a.What != at || a.Denied || a.Reason != "" || a.Times != 1 {
				t.Errorf("%s as %s is written down as %+v", path, role, a)
			}
			for _, id := range s.paths {
				if strings.Contains(path, id) && !strings.Contains(a.Subject, strings.ReplaceAll(id, "%2F", "/")) {
					t.Errorf("%s: the subject is %q", path, a.Subject)
				}
			}
			s.inLog(a)
		}
	})
	s.verify()
}

func TestSubjectsOfAccesses(t *testing.T) {
	s := seed(t)
	o, au := s.as(operator), s.as(auditor)
	cursor := read[api.TransferList](au.get("/v1/transfers?limit=1").want(200)).NextCursor
	for path, want := range map[string]string{
		"/v1/transfers":                          "",
		"/v1/transfers?limit=7":                  "",
		"/v1/transfers?limit=1&cursor=" + cursor: "a later page",
		"/v1/transfers?state=completed&from=2026-07-04T05:30:00%2B05:30&party=" + s.asha.id + "&conversation=conv-4711": "conversation, party " + s.asha.id +
			", state completed, from 2026-07-04T00:00:00Z",
		"/v1/transfers/" + s.paths["transfer"] + "?wait=1":              "transfer " + s.paths["transfer"],
		"/v1/directory?upi=qnt@kaveri":                                  "upi",
		"/v1/breaks?owner=meera&overdue=true&bank=NRMD&from=2026-11-20": "bank NRMD, owner, overdue, from 2026-11-20",
		"/v1/breaks?overdue=false&bank=ASHA":                            "bank",
		"/v1/wallets/" + s.asha.id + "?currency=INR":                    "party " + s.asha.id + ", currency INR",
		"/v1/accounts/bank:NRMD:clearing":                               "name bank:NRMD:clearing",
		"/v1/accounts/wallet:" + s.asha.id + "/statement":               "name wallet:" + s.asha.id,
		"/v1/accounts/transit%233":                                      "name transit#3",
		"/v1/accounts/zephyrine":                                        "name",
		"/v1/accounts/wallet:zephyrine":                                 "name",
		"/v1/parties/%2B919876543219":                                   "party",
		"/v1/settlement/windows/" + s.paths["window"] + "?format=csv":   "window " + s.paths["window"] + ", format csv",
		"/v1/settlement/windows/zephyrine":                              "window",
		"/v1/accesses?who=zephyrine&denied=true":                        "who, denied",
		"/v1/accesses?who=" + s.ref(operator):                           "who " + s.ref(operator),
	} {
		before := len(s.accesses())
		au.get(path)
		wantEqual(t, path, s.one(before).Subject, want)
	}
	// Changes too, and of a new key which it is.
	before := len(s.accesses())
	o.post("/v1/wallets/"+s.asha.id+"/freeze", nil).want(200)
	wantEqual(t, "freezing", fmt.Sprint(s.one(before).What, ", ", s.one(before).Subject), "POST /v1/wallets/{party}/freeze, party "+s.asha.id)
	made := read[api.CreatedKey](o.post("/v1/keys", obj{"role": "chat", "app": "gamma", "label": "Zephyrine's"}).want(201))
	wantEqual(t, "a new key", s.one(before+1).Subject, made.Key.ID+" of role chat, gamma")
	o.send("DELETE", "/v1/keys/"+made.Key.ID, nil).want(204)
	wantEqual(t, "a key's end", fmt.Sprint(s.one(before+2).What, ", ", s.one(before+2).Subject), "DELETE /v1/keys/{key}, key "+made.Key.ID)
}

// Nothing is shown before it is written down, and nothing that cannot be.
func TestNothingIsShownBeforeItIsWrittenDown(t *testing.T) {
	g, change := gated()
	s := seed(t, change)
	transfer := "/v1/transfers/" + s.paths["transfer"]
	held := newDoor(t)
	g.before.Store(held)
	looks := g.looks.Load()
	answered := s.as(auditor).hold("GET", transfer, nil)
	<-held.reached
	time.Sleep(50 * time.Millisecond)
	select {
	case <-answered:
		t.Fatal("it was answered before it was written down")
	default:
	}
	wantEqual(t, "looks at the transfer", g.looks.Load(), looks)
	s.as(chatA).get(transfer).want(200) // a chat backend's look at its own waits for nothing
	g.before.Store(nil)
	held.open()
	if got := <-answered; got.status != 200 {
		t.Errorf("then: %d %s", got.status, got.body)
	}

	before := len(s.accesses())
	for code, fault := range map[string]error{"database_unavailable": ledger.ErrUnavailable, "outcome_unknown": ledger.ErrOutcomeUnknown, "internal": errors.New("disk on fire")} {
		g.fail(fault, false)
		s.eachView(t, func(_, path string) {
			for _, role := range []string{auditor, operator, inspector} {
				if got := s.as(role).get(path); got.code() != code {
					t.Errorf("%s as %s while nothing can be written down: %d %s", path, role, got.status, got.body)
				}
			}
		})
		s.as(operator).post("/v1/wallets/"+s.asha.id+"/freeze", nil).want(map[bool]int{true: 500, false: 503}[code == "internal"])
		s.as(chatA).get(transfer).want(200)
		g.heal()
	}
	wantEqual(t, "accesses", len(s.accesses()), before)
	wantEqual(t, "the wallet is frozen", read[api.Wallet](s.as(chatA).get("/v1/wallets/"+s.asha.id).want(200)).Frozen, false)
}

// What chats and banks do with their own is not written down, and costs them nothing.
func TestOwnReadsAreNotWrittenDown(t *testing.T) {
	s := seed(t)
	before, logged := len(s.accesses()), s.leaves()
	a := s.as(chatA)
	for _, path := range []string{"/v1/parties", "/v1/parties/" + s.asha.id, "/v1/parties/" + s.asha.id + "/instruments", "/v1/transfers", "/v1/transfers/" + s.paths["transfer"],
		"/v1/transfers/" + s.paths["transfer"] + "?wait=1", "/v1/wallets/" + s.asha.id, "/v1/wallets/" + s.asha.id + "/statement", "/v1/banks",
		"/v1/directory?phone=" + url.QueryEscape(s.ravi.phone)} {
		a.get(path).want(200)
	}
	a.get("/v1/transfers/" + absent.Replace("{transfer}")).want(404) // what is nobody's is not another's
	s.as(bankN).get("/v1/banks").want(200)
	s.as(bankN).get("/v1/settlement/windows/" + s.paths["window"] + "/positions").want(200)
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		s.as(nobody).get(path).want(200)
	}
	s.as(auditor).get("/metrics").want(200)
	s.stop() // what was gathered is written by now
	s.reopened(func(r ledger.Reader) {
		rows, err := r.Accesses(t.Context(), ledger.Page{Limit: 1000})
		check(t, err)
		wantEqual(t, "accesses", len(rows), before)
		wantEqual(t, "leaves", leavesOf(t, r), logged)
	})
}

// leaves is how many the log has.
func (s *stack) leaves() int { return leavesOf(s.t, s.store) }

func leavesOf(t testing.TB, r ledger.Reader) (n int) {
	t.Helper()
	eachLeaf(t, r, func(ledger.Leaf) { n++ })
	return n
}

// Each denial is written down once, with as much of whom and what as names no person.
func TestDenials(t *testing.T) {
	s := seed(t)
	a, b := s.as(chatA), s.as(chatB)
	mine := b.settle(newPerson("meera", 3, "GDVR"))
	transfer, asha := s.paths["transfer"], s.asha
	made := read[api.CreatedKey](s.as(operator).post("/v1/keys", obj{"role": "chat", "app": "gamma"}).want(201))
	s.keys["gone"] = made.Secret
	s.as(operator).send("DELETE", "/v1/keys/"+made.Key.ID, nil).want(204)
	party := func(p string) obj {
		return obj{"payer": obj{"party": p}, "payee": obj{"party": mine.id}, "amount": inr("1.00")}
	}
	body := result(transfer+".debit", "approved")
	type want struct{ who, role, what, reason, subject string }
	var wants []want
	add := func(got *answer, w want) { wants = append(wants, w); got.want(got.status) }
	alpha, beta, unknown := want{who: s.ref(chatA), role: "chat"}, want{who: s.ref(chatB), role: "chat"}, want{who: "unknown", reason: "unauthenticated"}
	as := func(w want, what, reason, subject string) want {
		w.what, w.reason, w.subject = what, reason, subject
		return w
	}
	add(a.get("/v1/accounts/transit").refused(404, "not_found"), as(alpha, "GET /v1/accounts/{name}", "role_not_allowed", "name transit"))
	add(a.get("/metrics").refused(404, "not_found"), as(alpha, "GET /metrics", "role_not_allowed", ""))
	add(a.post("/v1/keys", obj{"role": "operator"}).refused(403, "role_not_allowed"), as(alpha, "POST /v1/keys", "role_not_allowed", ""))
	add(b.get("/v1/transfers/"+transfer).refused(404, "transfer_not_found"), as(beta, "GET /v1/transfers/{transfer}", "transfer_not_found", "transfer "+transfer))
	add(b.post("/v1/transfers/"+transfer+"/cancel", nil).refused(404, "transfer_not_found"), as(beta, "POST /v1/transfers/{transfer}/cancel", "transfer_not_found", "transfer "+transfer))
	add(b.get("/v1/parties/"+asha.id).refused(404, "party_not_found"), as(beta, "GET /v1/parties/{party}", "party_not_found", "party "+asha.id))
	add(b.get("/v1/parties/"+asha.id+"/limits").refused(404, "party_not_found"), as(beta, "GET /v1/parties/{party}/limits", "party_not_found", "party "+asha.id))
	add(b.get("/v1/parties/"+asha.id+"/instruments").refused(404, "party_not_found"), as(beta, "GET /v1/parties/{party}/instruments", "party_not_found", "party "+asha.id))
	add(b.get("/v1/wallets/"+asha.id).refused(404, "party_not_found"), as(beta, "GET /v1/wallets/{party}", "party_not_found", "party "+asha.id))
	add(b.send("DELETE", "/v1/parties/"+mine.id+"/instruments/"+asha.account, nil).refused(404, "instrument_not_found"),
		as(beta, "DELETE /v1/parties/{party}/instruments/{instrument}", "instrument_not_found", "party "+mine.id+", instrument "+asha.account))
	add(b.send("PUT", "/v1/parties/"+mine.id+"/default", obj{"instrument": asha.account}).refused(404, "instrument_not_found"),
		as(beta, "PUT /v1/parties/{party}/default", "instrument_not_found", "instrument "+asha.account+", party "+mine.id))
	add(b.post("/v1/transfers", party(asha.id)).refused(404, "party_not_found"), as(beta, "POST /v1/transfers", "party_not_found", "party "+asha.id))
	add(b.post("/v1/transfers/batch", obj{"transfers": []obj{party(mine.id), party(asha.id), {"payer": obj{"instrument": asha.account}, "payee": obj{"party": mine.id}, "amount": inr("1.00")}}}).want(200),
		as(beta, "POST /v1/transfers/batch", "party_not_found", "party "+asha.id+"; instrument "+asha.account))
	add(s.as(nobody).get("/v1/parties").refused(401, "unauthenticated"), as(unknown, "GET /v1/parties", "unauthenticated", ""))
	add(s.as("gone").get("/v1/banks").refused(401, "unauthenticated"), as(unknown, "GET /v1/banks", "unauthenticated", "revoked "+made.Key.ID))
	add(s.as(nobody).send("GET", "/v1/transfers/"+transfer, nil, "Authorization", "Bearer bahi_chat_zephyrine").refused(401, "unauthenticated"),
		as(unknown, "GET /v1/transfers/{transfer}", "unauthenticated", "key 8 digits, transfer "+transfer))
	n := want{who: s.ref(bankN), role: "bank"}
	add(s.as(bankN).do(s.as(bankN).signed("KVRI", "NRMD", time.Now(), body)).refused(404, "bank_not_found"), as(n, "POST /v1/banks/{bank}/results", "bank_not_found", "bank KVRI"))
	r := s.as(bankN).signed("NRMD", "KVRI", time.Now(), body)
	add(s.as(bankN).do(r).refused(401, "bad_signature"), as(n, "POST /v1/banks/{bank}/results", "bad_signature", "bank NRMD"))
	// What does not exist is no denial.
	b.get("/v1/transfers/" + absent.Replace("{transfer}")).want(404)
	b.post("/v1/transfers", party(absent.Replace("{party}"))).want(404)

	var denied []ledger.Access
	eventually(t, "the denials are written down", func() bool {
		denied = slices.DeleteFunc(s.accesses(), func(a ledger.Access) bool { return !a.Denied })
		return len(denied) >= len(wants)
	})
	wantEqual(t, "denials", len(denied), len(wants))
	for _, w := range wants {
		found := 0
		for _, d := range denied {
			subject := d.Subject
			if i := strings.Index(subject, "key "); i == 0 && len(subject) > 12 && subject[12] == ',' {
				subject = "key 8 digits" + subject[12:]
			}
			if (want{d.Who, d.Role, d.What, d.Reason, subject}) != w {
				continue
			}
			found++
			s.inLog(d)
			times := int64(1)
			if w.what == "POST /v1/transfers/batch" {
				times = 2
			}
			wantEqual(t, w.what+": times", d.Times, times)
		}
		if found != 1 {
			t.Errorf("%+v is written down %d times of\n%+v", w, found, denied)
		}
	}
}

// A flood of denials is few rows, which add up.
func TestFloodOfDenials(t *testing.T) {
	s := start(t)
	h := s.server.Handler()
	began := time.Now()
	const flood = 10_000
	for n := range flood {
		r := httptest.NewRequest("GET", []string{"/v1/parties", "/v1/transfers", "/v1/banks", "/v1/transfers/BAH" + strings.ToUpper(hex32)}[n%4], nil)
		r.Header.Set("Authorization", fmt.Sprint("Bearer bahi_chat_", n))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	took := time.Since(began)
	s.stop()
	s.reopened(func(r ledger.Reader) {
		rows, err := r.Accesses(t.Context(), ledger.Page{Limit: 1000})
		check(t, err)
		times := int64(0)
		for _, a := range rows {
			times += a.Times
			if len(a.Subject) > 600 {
				t.Errorf("a subject of %d bytes", len(a.Subject))
			}
		}
		wantEqual(t, "denials", times, flood)
		if most := 4 * (int(took/time.Second) + 2); len(rows) > most {
			t.Errorf("%d rows in %s, at most %d", len(rows), took, most)
		}
	})
}

// Denials of every kind at once are bounded too.
func TestFloodOfKindsOfDenials(t *testing.T) {
	s := start(t)
	h := s.server.Handler()
	began, kinds := time.Now(), 0
	for range 3 {
		kinds = 0
		eachOperation(t, func(t *testing.T, at string, o *openapi3.Operation) {
			method, path, _ := strings.Cut(at, " ")
			if len(o.Extensions["x-roles"].([]any)) == 0 {
				return
			}
			kinds++
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, absent.Replace(path), nil))
		})
	}
	took := time.Since(began)
	s.stop()
	s.reopened(func(r ledger.Reader) {
		rows, err := r.Accesses(t.Context(), ledger.Page{Limit: 1000})
		check(t, err)
		times, others := int64(0), 0
		for _, a := range rows {
			if times += a.Times; a.Who == "others" {
				others++
			}
		}
		wantEqual(t, "denials", times, int64(3*kinds))
		if most := 33 * (int(took/time.Second) + 2); len(rows) > most || (took < time.Second && others == 0) {
			t.Errorf("%d rows in %s, at most %d; %d of them of others", len(rows), took, most, others)
		}
	})
}

// Denials that could not be written down are, once, when it can be known whether they are.
func TestDenialsSurviveABadDatabase(t *testing.T) {
	for name, lost := range map[string]bool{"nothing was stored": false, "all was stored, and nobody heard": true} {
		t.Run(name, func(t *testing.T) {
			g, change := gated()
			s := start(t, change)
			s.as(nobody).get("/v1/banks").want(401)
			tried := newDoor(t)
			g.after.Store(tried)
			g.fail(ledger.ErrOutcomeUnknown, lost)
			if !lost {
				g.after.Store(nil)
				g.before.Store(tried)
			}
			<-tried.reached
			tried.open()
			g.before.Store(nil)
			g.after.Store(nil)
			s.as(nobody).get("/v1/banks").want(401)
			g.heal()
			s.stop()
			s.reopened(func(r ledger.Reader) {
				rows, err := r.Accesses(t.Context(), ledger.Page{Limit: 100})
				check(t, err)
				times := int64(0)
				for _, a := range rows {
					times += a.Times
				}
				wantEqual(t, "denials", times, 2)
			})
		})
	}
}

// Whatever people ask for, what is written down of it names nobody.
func TestAccessesNameNobody(t *testing.T) {
	s := seed(t)
	random := rand.New(rand.NewPCG(4711, 1))
	personal := []string{"+919876543219", "919876543219", "9876543219", "zephy.r", "@zephy.r", "Zephyrine", "zph@narmada", "173928465012", "NRMD0777777/173928465012", "birthday-cake",
		"wallet:Zephyrine", "bank:zephy.r:clearing", "transit#9876543219", "upi-9876543219", "ZEPH", "ZPH", "pty_9876543219", "BAH9876543219", "9876543219-01-01"}
	callers := []string{auditor, operator, inspector, chatB, bankN, nobody}
	eachOperation(t, func(t *testing.T, at string, o *openapi3.Operation) {
		method, route, _ := strings.Cut(at, " ")
		if !strings.HasPrefix(route, "/v1/") || method != http.MethodGet {
			return
		}
		for _, n := range random.Perm(len(personal))[:7] {
			v, query := personal[n], url.Values{}
			for _, p := range o.Parameters {
				if p.Value.In == openapi3.ParameterInQuery && random.IntN(2) == 0 {
					query.Set(p.Value.Name, v)
				}
			}
			path := pathParam.ReplaceAllStringFunc(route, func(p string) string {
				if known := s.paths[strings.Trim(p, "{}")]; known != "" && random.IntN(2) == 0 {
					return known
				}
				return url.PathEscape(v)
			})
			if len(query) > 0 {
				path += "?" + query.Encode()
			}
			s.as(callers[random.IntN(len(callers))]).send(method, path, nil)
		}
	})
	s.stop()
	s.reopened(func(r ledger.Reader) {
		rows, err := r.Accesses(t.Context(), ledger.Page{Limit: 5000})
		check(t, err)
		if len(rows) < 100 {
			t.Errorf("only %d accesses", len(rows))
		}
		for _, a := range rows {
			text := strings.ToLower(strings.Join([]string{a.Who, a.What, a.Subject, a.Reason}, "\n"))
			for _, v := range []string{"9876543219", "zeph", "zph", "173928465012", "birthday"} {
				if strings.Contains(text, v) {
					t.Errorf("%s: %+v", v, a)
				}
			}
		}
	})
}

func TestListAccesses(t *testing.T) {
	s := seed(t)
	s.as(chatA).get("/v1/accounts").want(404)
	s.as(auditor).get("/v1/banks").want(200)
	eventually(t, "the denial is written down", func() bool { return slices.ContainsFunc(s.accesses(), func(a ledger.Access) bool { return a.Denied }) })
	s.as(inspector).get("/v1/banks").want(200)
	for _, role := range []string{auditor, operator, inspector} {
		first := read[api.AccessList](s.as(role).get("/v1/accesses?limit=1").want(200)).Data[0]
		if first.Who != s.ref(role) || first.What != "GET /v1/accesses" || string(first.Role) != role || first.Times != 1 || first.Denied || first.ID == "" || first.At.IsZero() {
			t.Errorf("the newest that the %s sees is not its own: %+v", role, first)
		}
	}
	s.as(chatA).get("/v1/accesses").refused(404, "not_found")
	all := len(s.accesses())
	listed, pages := pagesOf(s.as(auditor), "/v1/accesses?limit=4", func(l api.AccessList) (ids []string, next string) {
		for _, a := range l.Data {
			ids = append(ids, a.ID)
		}
		return ids, l.NextCursor
	})
	// Each page is written down behind where the next begins.
	if len(listed) != all+1 || pages != (all+1+3)/4 || len(slices.Compact(slices.Sorted(slices.Values(listed)))) != len(listed) {
		t.Errorf("listed %d of %d in %d pages", len(listed), all, pages)
	}
	denied := read[api.AccessList](s.as(auditor).get("/v1/accesses?denied=true&limit=1").want(200))
	if len(denied.Data) != 1 || denied.Data[0].Reason != "role_not_allowed" || denied.Data[0].What != "GET /v1/accounts" || !denied.Data[0].Denied {
		t.Errorf("denied: %+v", denied)
	}
	who := s.ref(inspector)
	for _, a := range read[api.AccessList](s.as(auditor).get("/v1/accesses?who=" + who).want(200)).Data {
		wantEqual(t, "who", a.Who, who)
	}
	wantEqual(t, "nobody's", len(read[api.AccessList](s.as(auditor).get("/v1/accesses?who=user:nobody").want(200)).Data), 0)
}
