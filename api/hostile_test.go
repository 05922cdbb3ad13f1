package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"bahi/api"
)

// hostile is a request that must be refused with a stable code and store nothing.
type hostile struct {
	name    string
	who     string // app A's chat backend where empty
	method  string // POST where empty
	path    string // /v1/transfers where empty
	body    any
	headers []string
	status  int
	code    string
}

// bait is a book that hostile requests could do harm to.
type bait struct {
	s          *stack
	asha, ravi *person
	transfer   string
}

func newBait(t *testing.T) *bait {
	s := start(t)
	a := s.as(chatA)
	b := &bait{s: s, asha: a.fund(a.settle(newPerson("asha", 1, "NRMD")), "1000.00"), ravi: a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")}
	b.transfer = read[api.Transfer](a.pay(obj{"wallet": b.asha.id}, obj{"wallet": b.ravi.id}, "1.00").want(201)).ID
	return b
}

// payment is a payment that would be made, but for what is changed.
func (b *bait) payment(changes ...any) obj {
	in := obj{"payer": obj{"wallet": b.asha.id}, "payee": obj{"wallet": b.ravi.id}, "amount": inr("1.00")}
	for i := 0; i+1 < len(changes); i += 2 {
		in[changes[i].(string)] = changes[i+1]
	}
	return in
}

// raw is the text of such a payment, with the text of the amount and more members.
func (b *bait) raw(amount, more string) string {
	return fmt.Sprintf(`{"payer":{"wallet":%q},"payee":{"wallet":%q},"amount":%s%s}`, b.asha.id, b.ravi.id, amount, more)
}

func TestHostileInput(t *testing.T) {
	b := newBait(t)
	before := b.s.fingerprint()
	b.s.as(chatA).post("/v1/transfers", b.payment("amount", inr("0"))).refused(400, "invalid_amount") // the only thing wrong with it
	for group, table := range map[string][]hostile{
		"amounts": b.amounts(), "bodies": b.bodies(), "texts": b.texts(), "addresses": b.addresses(),
		"instruments": b.instruments(), "headers": b.headers(), "paths": b.paths(), "queries": b.queries(), "methods": b.methods(),
	} {
		for _, c := range table {
			b.attack(t, group, c)
		}
	}
	if b.s.fingerprint() != before {
		t.Error("something was stored")
	}
	// The same request without what was wrong goes through: the refusals were for that.
	b.s.as(chatA).post("/v1/transfers", b.payment()).want(201)
}

func (b *bait) attack(t *testing.T, group string, c hostile) {
	t.Helper()
	who, method, path := c.who, c.method, c.path
	if who == "" {
		who = chatA
	}
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/v1/transfers"
	}
	got, err := b.s.as(who).try(b.s.as(who).request(method, path, c.body, c.headers...))
	if err != nil {
		t.Errorf("%s, %s: %v", group, c.name, err)
	} else if got.status != c.status || got.code() != c.code {
		t.Errorf("%s, %s: %d %s, want %d %s: %.300s", group, c.name, got.status, got.code(), c.status, c.code, got.body)
	}
}

func (b *bait) amounts() (table []hostile) {
	for _, value := range []string{" ", "0", "0.00", "-1", "-0.01", "+1", "1e5", "1E5", "1e-2", ".5", "5.", "1.005", "1.000", "01", "00.5", "1,000", "1_000",
		"1.0.0", "0x10", "NaN", "Infinity", "-Infinity", "١٢", "１", "1 ", " 1", "1\n", "1\u0000", "₹1", "1/2", "10000000000001", "9223372036854775807",
		"99999999999999999999", strings.Repeat("9", 100_000), "0." + strings.Repeat("0", 100_000) + "1"} {
		table = append(table, hostile{name: fmt.Sprintf("%.20q", value), body: b.payment("amount", inr(value)), status: 400, code: "invalid_amount"})
	}
	for _, c := range []struct{ amount, code string }{
		{`{"value":5,"currency":"INR"}`, "wrong_type"},
		{`{"value":5.00,"currency":"INR"}`, "wrong_type"},
		{`{"value":1e5,"currency":"INR"}`, "wrong_type"},
		{`{"value":true,"currency":"INR"}`, "wrong_type"},
		{`{"value":["1"],"currency":"INR"}`, "wrong_type"},
		{`{"value":null,"currency":"INR"}`, "wrong_type"},
		{`{"value":NaN,"currency":"INR"}`, "malformed_json"},
		{`{"value":Infinity,"currency":"INR"}`, "malformed_json"},
		{`5`, "wrong_type"},
		{`"5.00"`, "wrong_type"},
		{`"5.00 INR"`, "wrong_type"},
		{`["5.00","INR"]`, "wrong_type"},
		{`null`, "wrong_type"},
		{`{}`, "missing_field"},
		{`{"currency":"INR"}`, "missing_field"},
		{`{"value":"","currency":"INR"}`, "missing_field"},
		{`{"value":"5.00"}`, "missing_field"},
		{`{"value":"5.00","currency":"inr"}`, "unsupported_currency"},
		{`{"value":"5.00","currency":"XXY"}`, "unsupported_currency"},
		{`{"value":"5.00","currency":"INR "}`, "unsupported_currency"},
		{`{"value":"5.00","currency":"₹"}`, "unsupported_currency"},
		{`{"value":"5.00","currency":356}`, "wrong_type"},
		{`{"value":"1.5","currency":"JPY"}`, "invalid_amount"},
		{`{"value":"1.00","currency":"JPY"}`, "invalid_amount"},
		{`{"value":"1.0005","currency":"KWD"}`, "invalid_amount"},
		{`{"value":"5.00","currency":"INR","scale":2}`, "unknown_field"},
		{`{"value":"5.00","value":"6.00","currency":"INR"}`, "duplicate_field"},
		{`{"value":"5.00","currency":"INR","Value":"6.00"}`, "unknown_field"},
	} {
		table = append(table, hostile{name: c.amount, body: b.raw(c.amount, ""), status: 400, code: c.code})
	}
	link := func(rest string) obj { return obj{"link": upiLink(b.ravi.upi, "Ravi", "") + rest} }
	return append(table,
		hostile{name: "another amount than the link's", body: b.payment("payee", link("&am=2.00")), status: 400, code: "amount_mismatch"},
		hostile{name: "another currency than the link's", body: b.payment("payee", link(""), "amount", obj{"value": "1", "currency": "JPY"}), status: 400, code: "amount_mismatch"},
		hostile{name: "a link in dollars", body: b.payment("payee", link("&am=1.00&cu=USD")), status: 400, code: "invalid_link"},
		hostile{name: "two amounts in a link", body: b.payment("payee", link("&am=1.00&am=100.00")), status: 400, code: "invalid_link"},
		hostile{name: "an amount of a link with an exponent", body: b.payment("payee", link("&am=1e5")), status: 400, code: "invalid_link"},
		hostile{name: "a negative amount of a link", body: b.payment("payee", link("&am=-1")), status: 400, code: "invalid_link"},
		hostile{name: "a top-up of nothing", path: "/v1/wallets/" + b.asha.id + "/topups", body: obj{"amount": inr("0")}, status: 400, code: "invalid_amount"},
		hostile{name: "a withdrawal below nothing", path: "/v1/wallets/" + b.asha.id + "/withdrawals", body: obj{"amount": inr("-5")}, status: 400, code: "invalid_amount"},
	)
}

func (b *bait) bodies() []hostile {
	good := b.raw(`{"value":"1.00","currency":"INR"}`, "")
	deep := func(open, end string) string { return strings.Repeat(open, 100_000) + strings.Repeat(end, 100_000) }
	return []hostile{
		{name: "no body", status: 415, code: "unsupported_media_type"},
		{name: "empty", body: "", status: 400, code: "malformed_json"},
		{name: "blank", body: " \n", status: 400, code: "malformed_json"},
		{name: "null", body: "null", status: 400, code: "wrong_type"},
		{name: "a list", body: "[]", status: 400, code: "wrong_type"},
		{name: "a list of payments", body: "[" + good + "]", status: 400, code: "wrong_type"},
		{name: "text", body: `"pay"`, status: 400, code: "wrong_type"},
		{name: "a number", body: "1", status: 400, code: "wrong_type"},
		{name: "an empty object", body: "{}", status: 400, code: "invalid_address"},
		{name: "no JSON", body: "payer=asha", status: 400, code: "malformed_json"},
		{name: "cut off", body: good[:len(good)-1], status: 400, code: "malformed_json"},
		{name: "something behind", body: good + "x", status: 400, code: "malformed_json"},
		{name: "a second value", body: good + good, status: 400, code: "malformed_json"},
		{name: "a comment", body: "/* */" + good, status: 400, code: "malformed_json"},
		{name: "a comma too many", body: b.raw(`{"value":"1.00","currency":"INR"}`, ","), status: 400, code: "malformed_json"},
		{name: "single quotes", body: strings.ReplaceAll(good, `"`, "'"), status: 400, code: "malformed_json"},
		{name: "a byte order mark", body: "\ufeff" + good, status: 400, code: "malformed_json"},
		{name: "UTF-16", body: utf16(good), status: 400, code: "malformed_json"},
		{name: "invalid UTF-8", body: b.raw(`{"value":"1.00","currency":"INR"}`, ",\"note\":\"\xff\xfe\""), status: 400, code: "invalid_utf8"},
		{name: "half a surrogate pair", body: b.raw(`{"value":"1.00","currency":"INR"}`, `,"note":"\ud800"`), status: 400, code: "malformed_json"},
		{name: "unknown field", body: b.payment("ammount", 1), status: 400, code: "unknown_field"},
		{name: "unknown field of an address", body: b.payment("payee", obj{"wallet": b.ravi.id, "name": "Ravi"}), status: 400, code: "unknown_field"},
		{name: "unknown field of an account", body: b.payment("payee", obj{"account": obj{"number": "123456789", "ifsc": "NRMD0000001", "bank": "x"}}), status: 400, code: "unknown_field"},
		{name: "a field in capitals", body: strings.Replace(good, `"payer"`, `"Payer"`, 1), status: 400, code: "unknown_field"},
		{name: "a field of the answer", body: b.payment("state", "completed"), status: 400, code: "unknown_field"},
		{name: "__proto__", body: b.payment("__proto__", obj{}), status: 400, code: "unknown_field"},
		{name: "a field twice", body: b.raw(`{"value":"1.00","currency":"INR"}`, `,"note":"a","note":"b"`), status: 400, code: "duplicate_field"},
		{name: "a field twice, once escaped", body: b.raw(`{"value":"1.00","currency":"INR"}`, `,"note":"a","n\u006fte":"b"`), status: 400, code: "duplicate_field"},
		{name: "metadata twice", body: b.raw(`{"value":"1.00","currency":"INR"}`, `,"metadata":{"a":"1","a":"2"}`), status: 400, code: "duplicate_field"},
		{name: "a note that is null", body: b.payment("note", nil), status: 400, code: "wrong_type"},
		{name: "metadata with a number", body: b.payment("metadata", obj{"table": 12}), status: 400, code: "wrong_type"},
		{name: "metadata with null", body: b.payment("metadata", obj{"table": nil}), status: 400, code: "wrong_type"},
		{name: "metadata in metadata", body: b.payment("metadata", obj{"a": obj{}}), status: 400, code: "wrong_type"},
		{name: "too much metadata", body: b.payment("metadata", many(21)), status: 400, code: "invalid_field"},
		{name: "a deep list", body: deep("[", "]"), status: 400, code: "wrong_type"},
		{name: "a deep object", body: deep(`{"a":`, "}"), status: 400, code: "unknown_field"},
		{name: "deep metadata", body: b.raw(`{"value":"1.00","currency":"INR"}`, `,"metadata":{"a":`+deep("[", "]")+`}`), status: 400, code: "malformed_json"},
		{name: "a deep item of a batch", path: "/v1/transfers/batch", body: `{"transfers":[` + deep("[", "]") + `]}`, status: 400, code: "malformed_json"},
		{name: "2 MB", body: b.payment("note", strings.Repeat("a", 2<<20)), status: 413, code: "body_too_large"},
		{name: "2 MB of blanks", body: good + strings.Repeat(" ", 2<<20), status: 413, code: "body_too_large"},
		{name: "2 MB of a batch", path: "/v1/transfers/batch", body: obj{"transfers": []string{strings.Repeat("a", 2<<20)}}, status: 413, code: "body_too_large"},
		{name: "no content type", body: good, headers: []string{"Content-Type", ""}, status: 415, code: "unsupported_media_type"},
		{name: "a form", body: good, headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, code: "unsupported_media_type"},
		{name: "plain text", body: good, headers: []string{"Content-Type", "text/plain"}, status: 415, code: "unsupported_media_type"},
		{name: "nearly the content type", body: good, headers: []string{"Content-Type", "application/jsonx"}, status: 415, code: "unsupported_media_type"},
		{name: "a broken content type", body: good, headers: []string{"Content-Type", "application/json;;"}, status: 415, code: "unsupported_media_type"},
		{name: "compressed", body: good, headers: []string{"Content-Encoding", "gzip"}, status: 415, code: "unsupported_media_type"},
		{name: "no items", path: "/v1/transfers/batch", body: obj{}, status: 400, code: "missing_field"},
		{name: "items that are none", path: "/v1/transfers/batch", body: obj{"transfers": obj{}}, status: 400, code: "wrong_type"},
		{name: "items that are null", path: "/v1/transfers/batch", body: obj{"transfers": nil}, status: 400, code: "wrong_type"},
		{name: "a batch with more", path: "/v1/transfers/batch", body: obj{"transfers": []obj{b.payment()}, "atomic": true}, status: 400, code: "unknown_field"},
		{name: "a body where none is", path: "/v1/transfers/" + b.transfer + "/cancel", body: "{}", status: 400, code: "invalid_field"},
	}
}

func utf16(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		out.WriteByte(c)
		out.WriteByte(0)
	}
	return out.String()
}

func many(n int) obj {
	m := obj{}
	for i := range n {
		m[fmt.Sprint("k", i)] = "v"
	}
	return m
}

// texts are texts that hide something, in every field that takes text.
func (b *bait) texts() (table []hostile) {
	fields := map[string]func(text string) (path string, who string, body obj){
		"note":         func(text string) (string, string, obj) { return "", "", b.payment("note", text) },
		"conversation": func(text string) (string, string, obj) { return "", "", b.payment("conversation", text) },
		"message":      func(text string) (string, string, obj) { return "", "", b.payment("message", text) },
		"metadata":     func(text string) (string, string, obj) { return "", "", b.payment("metadata", obj{"k": text}) },
		"metadata's name": func(text string) (string, string, obj) {
			return "", "", b.payment("metadata", obj{text: "v"})
		},
		"name of an account": func(text string) (string, string, obj) {
			return "", "", b.payment("payee", obj{"account": obj{"number": "123456789", "ifsc": "NRMD0000001", "name": text}})
		},
		"note of a top-up": func(text string) (string, string, obj) {
			return "/v1/wallets/" + b.asha.id + "/topups", "", obj{"amount": inr("1"), "note": text}
		},
		"description": func(text string) (string, string, obj) {
			return "/v1/webhooks", "", obj{"url": "https://chat.example/", "description": text}
		},
		"name": func(text string) (string, string, obj) { return "/v1/parties", "", obj{"name": text, "kind": "person"} },
		"label": func(text string) (string, string, obj) {
			return "/v1/keys", operator, obj{"role": "auditor", "label": text}
		},
		"app": func(text string) (string, string, obj) { return "/v1/keys", operator, obj{"role": "chat", "app": text} },
	}
	for field, in := range fields {
		for what, text := range map[string]string{
			"a zero byte": "a\u0000b", "a line break": "a\nb", "a carriage return": "a\rb", "a tab": "a\tb", "an escape": "\u001b[2J", "a delete": "a\u007f",
			"a C1 control": "a\u0085b", "a right-to-left override": "a\u202eb", "an isolate": "a\u2066b", "a right-to-left mark": "a\u200fb",
			"a zero-width space": "a\u200bb", "a byte order mark": "a\ufeffb", "a soft hyphen": "a\u00adb", "a line separator": "a\u2028b",
			"a tag": "a\U000e0041b", "a noncharacter": "a\uffffb", "a blank": " ", "a filler": "\u3164", "too much": strings.Repeat("ä", 501),
		} {
			path, who, body := in(text)
			table = append(table, hostile{name: field + " with " + what, who: who, path: path, body: body, status: 400, code: "invalid_field"})
		}
	}
	for _, field := range []string{"note", "conversation", "message"} {
		table = append(table, hostile{name: field + " that is empty", body: b.payment(field, ""), status: 400, code: "invalid_field"})
	}
	return append(table,
		hostile{name: "no name", path: "/v1/parties", body: obj{"kind": "person"}, status: 400, code: "missing_field"},
		hostile{name: "an empty name", path: "/v1/parties", body: obj{"name": "", "kind": "person"}, status: 400, code: "invalid_field"},
		hostile{name: "a long name", path: "/v1/parties", body: obj{"name": strings.Repeat("a", 100), "kind": "person"}, status: 400, code: "invalid_field"},
		hostile{name: "no kind", path: "/v1/parties", body: obj{"name": "a"}, status: 400, code: "missing_field"},
		hostile{name: "another kind", path: "/v1/parties", body: obj{"name": "a", "kind": "Person"}, status: 400, code: "invalid_field"},
		hostile{name: "a name that is a number", path: "/v1/parties", body: obj{"name": 1, "kind": "person"}, status: 400, code: "wrong_type"},
	)
}

func (b *bait) addresses() (table []hostile) {
	for _, phone := range []string{"", "911", "9876500001", "+", "+91", "+91987650000", "+9198765000011", "+00919876500001", "+91 98765 00001", "+91-9876500001",
		"+919876500001 ", "tel:+919876500001", "+91987650000１", "+91987650000a", "+999876500001234567", "+15555555", "00919876500001", "+919876500001\u0000"} {
		table = append(table,
			hostile{name: fmt.Sprintf("payee's phone %q", phone), body: b.payment("payee", obj{"phone": phone}), status: 400, code: "invalid_phone"},
			hostile{name: fmt.Sprintf("payer's phone %q", phone), body: b.payment("payer", obj{"phone": phone}), status: 400, code: "invalid_phone"},
			hostile{name: fmt.Sprintf("linked phone %q", phone), path: "/v1/parties/" + b.asha.id + "/instruments", body: obj{"kind": "phone", "phone": phone}, status: 400, code: "invalid_phone"})
	}
	for _, c := range []struct {
		payee obj
		code  string
	}{
		{obj{}, "invalid_address"},
		{obj{"wallet": b.ravi.id, "handle": "ravi"}, "invalid_address"},
		{obj{"wallet": strings.ToUpper(b.ravi.id)}, "invalid_address"},
		{obj{"wallet": b.ravi.id + "0"}, "invalid_address"},
		{obj{"wallet": ""}, "invalid_address"},
		{obj{"party": "ravi"}, "invalid_address"},
		{obj{"party": b.ravi.account}, "invalid_address"},
		{obj{"party": "' OR 1=1 --"}, "invalid_address"},
		{obj{"instrument": b.ravi.id}, "invalid_address"},
		{obj{"instrument": "../" + b.ravi.account}, "invalid_address"},
		{obj{"phone": 919876500001}, "wrong_type"},
		{obj{"handle": []string{"ravi"}}, "wrong_type"},
		{obj{"handle": ""}, "invalid_handle"},
		{obj{"handle": "r"}, "invalid_handle"},
		{obj{"handle": "ra vi"}, "invalid_handle"},
		{obj{"handle": "rаvi"}, "invalid_handle"}, // with a Cyrillic а
		{obj{"handle": "@@ravi"}, "invalid_handle"},
		{obj{"handle": "ravi\u200b"}, "invalid_handle"},
		{obj{"handle": strings.Repeat("r", 33)}, "invalid_handle"},
		{obj{"upi": "ravi"}, "invalid_upi"},
		{obj{"upi": "ravi@"}, "invalid_upi"},
		{obj{"upi": "ravi@kaveri@kaveri"}, "invalid_upi"},
		{obj{"upi": "ravi@kave.ri"}, "invalid_upi"},
		{obj{"upi": strings.Repeat("r", 300) + "@kaveri"}, "invalid_upi"},
		{obj{"account": obj{}}, "invalid_account"},
		{obj{"account": obj{"number": "12345678", "ifsc": "NRMD0000001"}}, "invalid_account"},
		{obj{"account": obj{"number": "1234567890123456789", "ifsc": "NRMD0000001"}}, "invalid_account"},
		{obj{"account": obj{"number": "12345678a", "ifsc": "NRMD0000001"}}, "invalid_account"},
		{obj{"account": obj{"number": 123456789, "ifsc": "NRMD0000001"}}, "wrong_type"},
		{obj{"account": obj{"number": "123456789", "ifsc": "NRMD1000001"}}, "invalid_account"},
		{obj{"account": obj{"number": "123456789", "ifsc": "NRMD000000"}}, "invalid_account"},
		{obj{"account": "123456789"}, "wrong_type"},
		{obj{"link": ""}, "invalid_link"},
		{obj{"link": "upi://pay"}, "invalid_link"},
		{obj{"link": "upi://pay?pa=" + b.ravi.upi}, "invalid_link"},
		{obj{"link": "upi://mandate?pa=" + b.ravi.upi + "&pn=R"}, "invalid_link"},
		{obj{"link": "javascript:alert(1)"}, "invalid_link"},
		{obj{"link": "upi://pay?pa=ravi@kaveri&pa=thief@kaveri&pn=R"}, "invalid_link"},
		{obj{"link": upiLink("ravi@kaveri", "R", "") + "&tn=%e2%80%ae"}, "invalid_link"},
		{obj{"link": upiLink("ravi@kaveri", "R", "") + "&tn=%"}, "invalid_link"},
		{obj{"link": upiLink("ravi@kaveri", strings.Repeat("R", 2000), "")}, "invalid_link"},
	} {
		table = append(table, hostile{name: fmt.Sprintf("payee %.60v", c.payee), body: b.payment("payee", c.payee), status: 400, code: c.code})
	}
	for _, payer := range []obj{{"upi": b.asha.upi}, {"link": upiLink(b.asha.upi, "A", "")}, {"account": obj{"number": b.asha.number, "ifsc": b.asha.ifsc}},
		{}, {"party": "asha"}, {"wallet": "asha"}, {"instrument": "asha"}} {
		table = append(table, hostile{name: fmt.Sprint("payer ", payer), body: b.payment("payer", payer), status: 400, code: "invalid_address"})
	}
	return table
}

func (b *bait) instruments() (table []hostile) {
	account := func(number, ifsc string) obj { return obj{"number": number, "ifsc": ifsc} }
	for _, c := range []struct {
		in   obj
		code string
	}{
		{obj{}, "invalid_field"},
		{obj{"kind": "card"}, "invalid_field"},
		{obj{"kind": "phone"}, "invalid_phone"},
		{obj{"kind": "phone", "phone": "+919876511111", "handle": "x1"}, "invalid_field"},
		{obj{"kind": "phone", "phone": "+919876511111", "currency": "INR"}, "invalid_field"},
		{obj{"kind": "handle", "handle": "a b"}, "invalid_handle"},
		{obj{"kind": "wallet", "phone": "+919876511111"}, "invalid_field"},
		{obj{"kind": "wallet", "currency": "XXY"}, "unsupported_currency"},
		{obj{"kind": "wallet", "currency": ""}, "invalid_field"},
		{obj{"kind": "wallet", "currency": "jpy"}, "unsupported_currency"},
		{obj{"kind": "wallet", "currency": "JPY", "default": "yes"}, "wrong_type"},
		{obj{"kind": "wallet", "currency": "JPY", "default": 1}, "wrong_type"},
		{obj{"kind": "bank_account"}, "invalid_account"},
		{obj{"kind": "bank_account", "account": account("123456789", "ZZZZ0000001")}, "invalid_account"},
		{obj{"kind": "bank_account", "account": account("12345", "NRMD0000001")}, "invalid_account"},
		{obj{"kind": "bank_account", "account": account("123456789", "NRMD0000001"), "currency": "JPY"}, "unsupported_currency"},
		{obj{"kind": "bank_account", "account": account("123456789", "NRMD0000001"), "upi": "nonsense"}, "invalid_upi"},
		{obj{"kind": "bank_account", "account": account("123456789", "NRMD0000001"), "upi": ""}, "invalid_field"},
		{obj{"kind": "bank_account", "account": obj{"number": "123456789", "ifsc": "NRMD0000001", "holder": "x"}}, "unknown_field"},
	} {
		table = append(table, hostile{name: fmt.Sprint(c.in), path: "/v1/parties/" + b.asha.id + "/instruments", body: c.in, status: 400, code: c.code})
	}
	set := "/v1/parties/" + b.asha.id + "/default"
	return append(table,
		hostile{name: "a phone as default", path: "/v1/parties/" + b.asha.id + "/instruments", body: obj{"kind": "phone", "phone": "+919876511111", "default": true}, status: 422, code: "instrument_holds_no_money"},
		hostile{name: "no default", method: "PUT", path: set, body: obj{}, status: 400, code: "invalid_field"},
		hostile{name: "a default that is no id", method: "PUT", path: set, body: obj{"instrument": "wallet"}, status: 400, code: "invalid_field"},
		hostile{name: "another's default", method: "PUT", path: set, body: obj{"instrument": b.ravi.account}, status: 404, code: "instrument_not_found"},
		hostile{name: "a top-up from no id", path: "/v1/wallets/" + b.asha.id + "/topups", body: obj{"amount": inr("1"), "instrument": "bank"}, status: 400, code: "invalid_field"},
	)
}

func (b *bait) headers() (table []hostile) {
	good, secret := b.payment(), b.s.keys[chatA]
	for name, key := range map[string]string{"none": "", "too long": strings.Repeat("k", 256), "not ASCII": "ключ", "not UTF-8": "\xff", "a tab": "a\tb"} {
		code := "malformed_parameter"
		if name == "none" {
			code = "idempotency_key_missing"
		}
		table = append(table, hostile{name: "Idempotency-Key: " + name, body: good, headers: []string{"Idempotency-Key", key}, status: 400, code: code})
	}
	for _, value := range []string{"Bearer", "Bearer ", "Bearer x", "Bearer bahi_", "Bearer bahi_chat_x", "Basic " + secret, secret, "Bearer  " + secret, "Bearer\t" + secret,
		"Bearer " + secret + " ", "Bearer " + secret + "x", "Bearer " + secret[:len(secret)-1], "Bearer " + strings.ToUpper(secret), "Bearer " + secret + ", Bearer " + secret,
		"Token " + secret, "Bearer " + strings.Repeat("bahi_", 1000), "Bearer bahi_' OR 1=1", "Bearer bahi_\xff"} {
		if strings.TrimSpace(value) == "Bearer "+secret {
			continue // blanks around a header's value are no part of it
		}
		table = append(table, hostile{name: "Authorization", body: good, headers: []string{"Authorization", value}, status: 401, code: "unauthenticated"})
	}
	return append(table,
		hostile{name: "a revoked key", who: revoked, body: good, status: 401, code: "unauthenticated"},
		hostile{name: "no key, and an unknown field", who: nobody, body: obj{"x": 1}, status: 401, code: "unauthenticated"},
		hostile{name: "no key, for metrics", who: nobody, method: "GET", path: "/metrics", status: 401, code: "unauthenticated"},
	)
}

func (b *bait) paths() []hostile {
	get := func(name, path string, status int, code string) hostile {
		return hostile{name: name, method: "GET", path: path, status: status, code: code}
	}
	party, transfer := b.asha.id, b.transfer
	return []hostile{
		get("nothing", "/v1/nothing", 404, "not_found"),
		get("the root", "/", 404, "not_found"),
		get("another version", "/v2/transfers", 404, "not_found"),
		get("capitals", "/V1/transfers", 404, "not_found"),
		get("a slash behind", "/v1/transfers/", 404, "not_found"),
		get("a slash behind an id", "/v1/transfers/"+transfer+"/", 404, "not_found"),
		get("two slashes", "//v1/transfers", 404, "not_found"),
		get("two slashes inside", "/v1//transfers", 404, "not_found"),
		get("up", "/v1/parties/../transfers", 404, "not_found"),
		get("up, escaped", "/v1/parties/%2e%2e/transfers", 404, "not_found"),
		get("up, wholly escaped", "/v1/parties/%2e%2e%2ftransfers", 404, "party_not_found"),
		get("up and out", "/v1/../../../etc/passwd", 404, "not_found"),
		get("a zero byte", "/v1/parties/"+party+"%00", 400, "malformed_parameter"),
		get("a line break", "/v1/parties/"+party+"%0a", 400, "malformed_parameter"),
		get("not UTF-8", "/v1/parties/%ff", 400, "malformed_parameter"),
		get("a slash in an id", "/v1/parties/"+party+"%2finstruments", 404, "party_not_found"),
		get("an id in capitals", "/v1/parties/"+strings.ToUpper(party), 404, "party_not_found"),
		get("an id in small letters", "/v1/transfers/"+strings.ToLower(transfer), 404, "transfer_not_found"),
		get("an id of another kind", "/v1/parties/"+b.asha.account, 404, "party_not_found"),
		get("a blank behind an id", "/v1/parties/"+party+"%20", 404, "party_not_found"),
		get("escaped twice", "/v1/parties/%2570ty_"+party[4:], 404, "party_not_found"),
		get("a path parameter", "/v1/parties/"+party+";x=1", 404, "party_not_found"),
		get("a very long path", "/v1/parties/"+strings.Repeat("a", 8000), 404, "party_not_found"),
		get("a very deep path", "/v1/parties"+strings.Repeat("/a", 4000), 404, "not_found"),
		get("a batch that is none", "/v1/transfers/batch", 404, "transfer_not_found"),
		get("SQL", "/v1/parties/"+url.PathEscape("' OR '1'='1"), 404, "party_not_found"),
		{name: "an account with a slash", who: auditor, method: "GET", path: "/v1/accounts/bank%2fNRMD", status: 404, code: "account_not_found"},
		{name: "a long account", who: auditor, method: "GET", path: "/v1/accounts/" + strings.Repeat("a", 8000), status: 404, code: "account_not_found"},
		{name: "the files of the process", method: "GET", path: "/debug/pprof/", status: 404, code: "not_found"},
	}
}

func (b *bait) queries() (table []hostile) {
	for query, code := range map[string]string{
		"sttae=failed": "unknown_parameter", "State=failed": "unknown_parameter", "_=1": "unknown_parameter", "%00=1": "unknown_parameter", "=x": "unknown_parameter",
		"state=failed&state=completed": "duplicate_parameter", "limit=1&limit=1": "duplicate_parameter",
		"state=": "malformed_parameter", "state=done": "malformed_parameter", "state=FAILED": "malformed_parameter",
		"limit=0": "malformed_parameter", "limit=201": "malformed_parameter", "limit=-1": "malformed_parameter", "limit=1e2": "malformed_parameter",
		"limit=1.0": "malformed_parameter", "limit=99999999999999999999": "malformed_parameter", "limit=0x10": "malformed_parameter", "limit=": "malformed_parameter",
		"from=yesterday": "malformed_parameter", "from=2026-13-01T00:00:00Z": "malformed_parameter", "until=1783157400": "malformed_parameter",
		"party=asha": "malformed_parameter", "party=" + strings.ToUpper(b.asha.id): "malformed_parameter", "conversation=%ff": "malformed_parameter",
		"conversation=a%0ab": "malformed_parameter", "conversation=" + strings.Repeat("c", 129): "malformed_parameter",
		"state=%zz": "malformed_parameter", "state=failed;limit=1": "malformed_parameter", "%zz": "malformed_parameter",
		"cursor=x": "invalid_cursor", "cursor=!!!": "invalid_cursor", "cursor=AAAA": "invalid_cursor", "cursor=..%2f..": "invalid_cursor",
		"cursor=" + strings.Repeat("A", 256): "malformed_parameter", "cursor=": "malformed_parameter",
	} {
		table = append(table, hostile{name: query, method: "GET", path: "/v1/transfers?" + query, status: 400, code: code})
	}
	for path, code := range map[string]string{
		"/v1/wallets/" + b.asha.id + "/statement?cursor=LTE": "invalid_cursor", // -1
		"/v1/wallets/" + b.asha.id + "/statement?cursor=MA":  "invalid_cursor", // 0
		"/v1/wallets/" + b.asha.id + "/statement?cursor=eA":  "invalid_cursor", // x
		"/v1/wallets/" + b.asha.id + "?currency=RUPEES":      "malformed_parameter",
		"/v1/directory": "malformed_parameter",
		"/v1/directory?phone=%2B919876500001&handle=asha": "malformed_parameter",
		"/v1/directory?phone=+919876500001":               "invalid_phone", // the plus is a blank
		"/v1/directory?handle=a%20b":                      "invalid_handle",
		"/v1/directory?upi=asha":                          "invalid_upi",
		"/v1/directory?handle=" + strings.Repeat("a", 34): "malformed_parameter",
		"/v1/transfers/" + b.transfer + "?wait=31":        "malformed_parameter",
		"/v1/transfers/" + b.transfer + "?wait=-1":        "malformed_parameter",
		"/v1/transfers/" + b.transfer + "?wait=forever":   "malformed_parameter",
		"/v1/parties/" + b.asha.id + "?fields=name":       "unknown_parameter",
		"/healthz?verbose=1":                              "unknown_parameter",
	} {
		table = append(table, hostile{name: "query", method: "GET", path: path, status: 400, code: code})
	}
	return append(table,
		hostile{name: "cursor of accounts", who: auditor, method: "GET", path: "/v1/accounts?cursor=eA", status: 400, code: "invalid_cursor"},
		hostile{name: "query of a payment", path: "/v1/transfers?dry_run=1", body: b.payment(), status: 400, code: "unknown_parameter"},
		hostile{name: "key in the query", who: nobody, method: "GET", path: "/v1/parties?access_token=" + b.s.keys[chatA], status: 401, code: "unauthenticated"})
}

func (b *bait) methods() (table []hostile) {
	for _, c := range []struct{ method, path string }{
		{"PUT", "/v1/transfers"}, {"PATCH", "/v1/transfers"}, {"DELETE", "/v1/transfers/" + b.transfer}, {"PUT", "/v1/transfers/" + b.transfer},
		{"PUT", "/v1/parties/" + b.asha.id}, {"GET", "/v1/transfers/" + b.transfer + "/cancel"}, {"POST", "/v1/directory"}, {"POST", "/healthz"},
		{"TRACE", "/v1/transfers"}, {"OPTIONS", "/v1/transfers"}, {"PROPFIND", "/v1/parties"}, {"BREW", "/v1/parties"}, {"POST", "/metrics"},
	} {
		table = append(table, hostile{name: c.method + " " + c.path, method: c.method, path: c.path, status: 405, code: "method_not_allowed"})
	}
	return table
}

func TestProblemsNameTheField(t *testing.T) {
	b := newBait(t)
	for _, c := range []struct {
		body  any
		field string
	}{
		{b.payment("amount", inr("0")), "/amount/value"},
		{b.payment("amount", obj{"value": "1", "currency": "XXY"}), "/amount/currency"},
		{b.payment("amount", obj{"value": 1, "currency": "INR"}), "/amount/value"},
		{b.payment("payee", obj{"phone": "911"}), "/payee/phone"},
		{b.payment("payer", obj{}), "/payer"},
		{b.payment("payer", obj{"handle": "unheard"}), "/payer"},
		{b.payment("payee", obj{"account": obj{"number": "123456789", "ifsc": "x"}}), "/payee/account/ifsc"},
		{b.payment("payee", obj{"link": "x"}), "/payee/link"},
		{b.payment("surprise", 1), "/surprise"},
		{b.payment("note", nil), "/note"},
		{b.payment("note", ""), "/note"},
		{b.payment("metadata", obj{"a/b~c": "\n"}), "/metadata/a~1b~0c"},
		{b.raw(`{"value":"1.00","currency":"INR"}`, `,"note":"a","note":"b"`), "/note"},
		{"{}", "/payer"},
	} {
		wantEqual(t, fmt.Sprint("field of ", c.body), read[api.Problem](b.s.as(chatA).post("/v1/transfers", c.body)).Field, c.field)
	}
	r := b.s.as(chatA).request("POST", "/v1/transfers", b.payment(), underOneKey, "")
	wantEqual(t, "field", read[api.Problem](b.s.as(chatA).do(r)).Field, "Idempotency-Key")
	wantEqual(t, "field", read[api.Problem](b.s.as(chatA).get("/v1/transfers?sttae=failed")).Field, "sttae")
}

// Headers that come twice, which the table cannot say.
func TestHeadersGivenTwice(t *testing.T) {
	b := newBait(t)
	before := b.s.fingerprint()
	a := b.s.as(chatA)
	r := a.request("POST", "/v1/transfers", b.payment())
	r.Header["Idempotency-Key"] = []string{"a", "b"}
	a.do(r).refused(400, "duplicate_parameter")
	for _, second := range []string{b.s.keys[chatA], b.s.keys[chatB]} {
		r = a.request("POST", "/v1/transfers", b.payment())
		r.Header["Authorization"] = append(r.Header["Authorization"], "Bearer "+second)
		a.do(r).refused(401, "unauthenticated")
	}
	wantEqual(t, "the book", b.s.fingerprint(), before)
}

func TestRequestIDs(t *testing.T) {
	s := start(t)
	for id, taken := range map[string]bool{"chat-81723": true, "A.b_c-9": true, strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false, "a b": false, "a\"b": false, "ключ": false, "{\"level\":\"ERROR\"}": false, "a/../b": false, "\xff": false} {
		got := s.as(nobody).send("GET", "/healthz", nil, "X-Request-Id", id).header.Get("X-Request-Id")
		if (got == id) != taken {
			t.Errorf("%q was answered with %q", id, got)
		}
	}
}

// No header of a caller says who it is or what it asks for.
func TestHeadersThatClaimSomething(t *testing.T) {
	s := start(t)
	for _, header := range [][]string{
		{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-Ip", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1"}, {"X-Http-Method-Override", "DELETE"},
		{"X-Original-Url", "/healthz"}, {"X-Rewrite-Url", "/healthz"}, {"X-App", "alpha"}, {"Cookie", "session=1"}, {"X-Api-Key", s.keys[chatA]},
	} {
		s.as(nobody).send("GET", "/v1/parties", nil, header...).refused(401, "unauthenticated")
	}
	r := s.as(nobody).request("GET", "/v1/parties", nil)
	r.Host = "alpha.example"
	s.as(nobody).do(r).refused(401, "unauthenticated")
}

// dial opens a connection of its own, for what no client library sends.
func (s *stack) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	check(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	check(s.t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

// sendRaw sends bytes and reads the statuses of all answers until the server hangs up.
func (s *stack) sendRaw(text string, cutOff bool) (statuses []int) {
	s.t.Helper()
	c := s.dial()
	go func() { // the server may hang up before it has read all
		_, _ = io.WriteString(c, text)
		if cutOff {
			_ = c.(*net.TCPConn).CloseWrite()
		}
	}()
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
	}
}

func TestRawRequests(t *testing.T) {
	b := newBait(t)
	before := b.s.fingerprint()
	lasting := "POST /v1/transfers HTTP/1.1\r\nHost: bahi\r\nAuthorization: Bearer " + b.s.keys[chatA] + "\r\nContent-Type: application/json\r\nIdempotency-Key: raw\r\n"
	head := lasting + "Connection: close\r\n"
	good := b.raw(`{"value":"1.00","currency":"INR"}`, "")
	length := fmt.Sprintf("Content-Length: %d\r\n", len(good))
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good), good)
	for name, c := range map[string]struct {
		text string
		want int // of the first answer, and there is no second
	}{
		"two lengths":               {head + length + "Content-Length: 4\r\n\r\n" + good, 400},
		"a negative length":         {head + "Content-Length: -1\r\n\r\n" + good, 400},
		"a length with a sign":      {head + "Content-Length: +" + length[16:] + "\r\n" + good, 400},
		"a length that is none":     {head + "Content-Length: many\r\n\r\n" + good, 400},
		"a huge length":             {head + "Content-Length: 9223372036854775807\r\n\r\n" + good, 413},
		"an unknown encoding":       {head + "Transfer-Encoding: gzip\r\n\r\n" + good, 501},
		"an encoding hidden":        {head + "Transfer-Encoding: xchunked\r\n" + length + "\r\n" + good, 501},
		"an encoding after a blank": {head + "Transfer-Encoding : chunked\r\n\r\n" + chunked, 400},
		"two encodings":             {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked, 501},
		"a broken chunk":            {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + good, 400},
		"a name with a zero byte":   {head + "X\x00: 1\r\n" + length + "\r\n" + good, 400},
		"two hosts":                 {head + "Host: other\r\n" + length + "\r\n" + good, 400},
		"no host":                   {strings.Replace(head, "Host: bahi\r\n", "", 1) + length + "\r\n" + good, 400},
		"100 KB of headers":         {head + "X-Large: " + strings.Repeat("x", 100<<10) + "\r\n" + length + "\r\n" + good, 431},
		"many headers":              {head + strings.Repeat("X-Many: 1\r\n", 10_000) + length + "\r\n" + good, 431},
		"no HTTP":                   {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"another HTTP":              {strings.Replace(head, "HTTP/1.1", "HTTP/9.9", 1) + length + "\r\n" + good, 505},
		"a line break in the path":  {"GET /v1/parties\n/x HTTP/1.1\r\nHost: bahi\r\n\r\n", 400},
	} {
		statuses := b.s.sendRaw(c.text, false)
		if len(statuses) != 1 || statuses[0] != c.want {
			t.Errorf("%s: answers %v, want %d", name, statuses, c.want)
		}
	}
	if statuses := b.s.sendRaw(head+"Content-Length: 100000\r\n\r\n"+good, true); !slices.Equal(statuses, []int{400}) {
		t.Errorf("a body cut off: answers %v", statuses)
	}
	// A length beside chunks: what follows must not be taken for a request of its own.
	smuggled := lasting + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + head + length + "\r\n" + good
	if statuses := b.s.sendRaw(smuggled, false); !slices.Equal(statuses, []int{400}) {
		t.Errorf("smuggled: answers %v", statuses)
	}
	wantEqual(t, "the book", b.s.fingerprint(), before)
	if statuses := b.s.sendRaw(head+"Transfer-Encoding: chunked\r\n\r\n"+chunked, false); !slices.Equal(statuses, []int{201}) {
		t.Errorf("what is right is answered with %v", statuses)
	}
}

// A caller that sends its headers one by one does not keep its connection.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.dial()
	_, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: bahi\r\n")
	check(t, err)
	began := time.Now()
	rest, err := io.ReadAll(c)
	if took := time.Since(began); err != nil || took > 15*time.Second || bytes.Contains(rest, []byte(" 200 ")) {
		t.Errorf("after %v: %q, %v", took, rest, err)
	}
}
