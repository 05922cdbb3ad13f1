package api_test

import (
	"net/url"
	"slices"
	"testing"

	"bahi/api"
)

func TestPartiesAndInstruments(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := newPerson("asha", 1, "NRMD")
	asha.id = a.openParty(asha.name)

	party := read[api.Party](a.get("/v1/parties/" + asha.id).want(200))
	wantEqual(t, "app", party.App, "alpha")
	wantEqual(t, "default before any account", party.DefaultInstrument, "")

	phone := obj{"kind": "phone", "phone": asha.phone}
	asha.phoneInstrument = a.link(asha.id, phone).ID
	a.post("/v1/parties/"+asha.id+"/instruments", phone).refused(409, "instrument_taken")
	a.post("/v1/parties/"+a.openParty("other")+"/instruments", phone).refused(409, "instrument_taken")

	handle := a.link(asha.id, obj{"kind": "handle", "handle": "@Asha.Rao"})
	wantEqual(t, "handle", handle.Handle, "asha.rao")
	wantEqual(t, "a handle as default", handle.Default, false)

	first := a.link(asha.id, obj{"kind": "bank_account", "account": obj{"number": asha.number, "ifsc": "nrmd0000001"}, "upi": "Asha@Narmada"})
	wantEqual(t, "first account is the default", first.Default, true)
	wantEqual(t, "account", first.Account, api.MaskedAccount{Number: "••••0001", IFSC: "NRMD0000001"})
	wantEqual(t, "upi", first.UPI, "asha@narmada")
	wantEqual(t, "bank", first.Bank, "NRMD")
	second := a.link(asha.id, obj{"kind": "bank_account", "account": obj{"number": "200000000001", "ifsc": "KVRI0000001"}})
	wantEqual(t, "second account is the default", second.Default, false)
	wallet := a.link(asha.id, obj{"kind": "wallet", "default": true})
	wantEqual(t, "made the default", wallet.Default, true)
	wantEqual(t, "currency", wallet.Currency, "INR")
	a.post("/v1/parties/"+asha.id+"/instruments", obj{"kind": "wallet"}).refused(409, "instrument_taken")

	// The default goes with its instrument and comes back by choice.
	setDefault := "/v1/parties/" + asha.id + "/default"
	party = read[api.Party](a.send("PUT", setDefault, obj{"instrument": second.ID}).want(200))
	wantEqual(t, "default", party.DefaultInstrument, second.ID)
	a.send("PUT", setDefault, obj{"instrument": second.ID}).want(200)
	a.send("PUT", setDefault, obj{"instrument": handle.ID}).refused(422, "instrument_holds_no_money")
	unlink := "/v1/parties/" + asha.id + "/instruments/" + second.ID
	a.send("DELETE", unlink, nil).want(204)
	a.send("DELETE", unlink, nil).want(204)
	a.send("PUT", setDefault, obj{"instrument": second.ID}).refused(404, "instrument_not_found")
	wantEqual(t, "default after unlink", read[api.Party](a.get("/v1/parties/"+asha.id).want(200)).DefaultInstrument, "")

	var kinds []string
	for _, i := range read[api.InstrumentList](a.get("/v1/parties/" + asha.id + "/instruments").want(200)).Data {
		kinds = append(kinds, string(i.Kind))
	}
	if want := []string{"phone", "handle", "bank_account", "wallet"}; !slices.Equal(kinds, want) {
		t.Errorf("linked: %v, want %v", kinds, want)
	}

	// An unlinked phone is free, for another party too.
	a.send("DELETE", "/v1/parties/"+asha.id+"/instruments/"+asha.phoneInstrument, nil).want(204)
	a.link(a.openParty("heir"), phone)
	// Phones are an app's own; UPI ids are everybody's.
	b := s.as(chatB)
	stranger := b.openParty("stranger")
	b.link(stranger, phone)
	b.link(stranger, obj{"kind": "bank_account", "account": obj{"number": asha.number, "ifsc": asha.ifsc}})
	b.post("/v1/parties/"+stranger+"/instruments",
		obj{"kind": "bank_account", "account": obj{"number": "300000000001", "ifsc": "NRMD0000001"}, "upi": "asha@narmada"}).refused(409, "instrument_taken")
}

func TestListOfPartiesPages(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	var opened []string
	for range 5 {
		opened = append(opened, a.openParty("somebody"))
	}
	s.as(chatB).openParty("foreign")
	slices.Reverse(opened)
	for limit, pages := range map[string]int{"1": 5, "2": 3, "5": 1, "50": 1} {
		ids, n := pagesOf(a, "/v1/parties?limit="+limit, func(l api.PartyList) (ids []string, next string) {
			for _, p := range l.Data {
				ids = append(ids, p.ID)
			}
			return ids, l.NextCursor
		})
		if !slices.Equal(ids, opened) || n != pages {
			t.Errorf("limit %s: %d pages with %v, want %d with %v", limit, n, ids, pages, opened)
		}
	}
	all := read[api.PartyList](s.as(auditor).get("/v1/parties").want(200))
	wantEqual(t, "an auditor sees", len(all.Data), 6)
}

// pagesOf walks a list to its end and tells what was on its pages, and how many there were.
func pagesOf[L any](c *caller, path string, read1 func(L) (rows []string, next string)) (all []string, pages int) {
	c.s.t.Helper()
	next := ""
	for {
		at := path
		if next != "" {
			at += "&cursor=" + url.QueryEscape(next)
		}
		rows, more := read1(read[L](c.get(at).want(200)))
		all = append(all, rows...)
		pages++
		if more == "" {
			return all, pages
		}
		if next = more; pages > 1000 {
			c.s.t.Fatalf("%s has no end", path)
		}
	}
}

func TestDirectory(t *testing.T) {
	s := start(t)
	a, b := s.as(chatA), s.as(chatB)
	asha := a.settle(newPerson("asha", 1, "NRMD"))
	poor := a.openParty("poor")
	a.link(poor, obj{"kind": "handle", "handle": "poor"})
	walletOnly := a.openParty("purse")
	a.link(walletOnly, obj{"kind": "handle", "handle": "purse"})
	a.link(walletOnly, obj{"kind": "wallet"})

	found := api.DirectoryEntry{Found: true, Name: "asha", Kind: "person", Party: asha.id, Payable: true, Via: "NRMD"}
	unnamed := found
	unnamed.Name = ""
	foreign := api.DirectoryEntry{Found: true, Name: "asha", Kind: "person", Payable: true}
	for _, c := range []struct {
		who   *caller
		query string
		want  api.DirectoryEntry
	}{
		{a, "phone=" + url.QueryEscape(asha.phone), found},
		{a, "handle=asha", found},
		{a, "handle=@ASHA", found},
		{a, "upi=Asha@Narmada", found},
		{a, "handle=poor", api.DirectoryEntry{Found: true, Name: "poor", Kind: "person", Party: poor}},
		{a, "handle=purse", api.DirectoryEntry{Found: true, Name: "purse", Kind: "person", Party: walletOnly, Payable: true, Via: "wallet"}},
		{a, "handle=unheard", api.DirectoryEntry{}},
		{a, "upi=unheard@narmada", api.DirectoryEntry{}},
		{b, "phone=" + url.QueryEscape(asha.phone), api.DirectoryEntry{}},
		{b, "handle=asha", api.DirectoryEntry{}},
		{b, "upi=asha@narmada", foreign},
		{s.as(auditor), "handle=asha", api.DirectoryEntry{}},
		{s.as(inspector), "upi=asha@narmada", found},
		{s.as(auditor), "upi=asha@narmada", unnamed},
	} {
		if got := read[api.DirectoryEntry](c.who.get("/v1/directory?" + c.query).want(200)); got != c.want {
			t.Errorf("%s, %s: %+v, want %+v", c.who.name, c.query, got, c.want)
		}
	}

	// What was just found is forgotten as soon as it changes.
	a.send("DELETE", "/v1/parties/"+asha.id+"/instruments/"+asha.handleInstr, nil).want(204)
	wantEqual(t, "found after unlink", read[api.DirectoryEntry](a.get("/v1/directory?handle=asha").want(200)).Found, false)
	a.send("DELETE", "/v1/parties/"+asha.id+"/instruments/"+asha.account, nil).want(204)
	wantEqual(t, "payable after unlink", read[api.DirectoryEntry](a.get("/v1/directory?phone="+url.QueryEscape(asha.phone)).want(200)).Payable, false)
}
