package address_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/address"
)

func inr(minor int64) ledger.Amount { return ledger.Amount{Minor: minor, Currency: "INR"} }

func TestParseLink(t *testing.T) {
	asha := address.Link{Payee: "asha@okbank", Name: "Asha Rao"}
	with := func(change func(*address.Link)) address.Link {
		l := asha
		change(&l)
		return l
	}
	for _, c := range []struct {
		in   string
		want address.Link
	}{
		{"upi://pay?pa=asha@okbank&pn=Asha%20Rao", asha},
		{"upi://pay?pn=Asha+Rao&pa=Asha@OkBank", asha},
		{"UPI://Pay?pa=asha%40okbank&pn=Asha Rao", asha},
		{"upi://pay?%70a=asha@okbank&pn=Asha%20Rao", asha},
		{"upi://pay?&pa=asha@okbank&&pn=Asha%20Rao&", asha},
		{"upi://pay?pa=asha@okbank&pn=Asha%20Rao&am=&cu=&tn=&mc=&url=", asha}, // as some generators print it
		{"upi://pay?pa=asha@okbank&pn=Asha%20Rao&mode=02&orgid=159761&sign=MEUCIQ/a==&purpose=00", asha},
		{"upi://pay?pa=asha@okbank&pn=Asha%20Rao&am=250&cu=INR", with(func(l *address.Link) { l.Amount = inr(25000) })},
		{"upi://pay?pa=asha@okbank&pn=Asha%20Rao&am=0.01", with(func(l *address.Link) { l.Amount = inr(1) })},
		{"upi://pay?pa=asha@okbank&pn=Asha%20Rao&mam=10.5&am=10.50", with(func(l *address.Link) { l.Amount, l.MinAmount = inr(1050), inr(1050) })},
		{"upi://pay?pa=asha@okbank&pn=Asha%20Rao&tn=%E0%A4%9A%E0%A4%BE%E0%A4%AF&tr=ORD-1/2&mc=5812&tid=T1&url=https://shop.example/1?a%3Db",
			with(func(l *address.Link) {
				l.Note, l.Ref, l.Category, l.TxnID, l.URL = "चाय", "ORD-1/2", "5812", "T1", "https://shop.example/1?a=b"
			})},
		{"upi://pay?pa=asha@okbank&pn=चाय", with(func(l *address.Link) { l.Name = "चाय" })},
	} {
		got, err := address.ParseLink(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s\nis read as %+v, %v\nwant %+v", c.in, got, err, c.want)
		}
	}
}

func TestParseLinkRefuses(t *testing.T) {
	const good = "upi://pay?pa=asha@okbank&pn=Asha"
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", address.ErrLinkScheme},
		{"upi://pay", address.ErrLinkScheme},
		{"upi:pay?pa=asha@okbank&pn=Asha", address.ErrLinkScheme},
		{"upi://pay/?pa=asha@okbank&pn=Asha", address.ErrLinkScheme},
		{"upi://collect?pa=asha@okbank&pn=Asha", address.ErrLinkScheme},
		{"https://pay?pa=asha@okbank&pn=Asha", address.ErrLinkScheme},
		{" " + good, address.ErrLinkScheme},
		{"upi://pay?", address.ErrLinkPayee},
		{"upi://pay?pn=Asha", address.ErrLinkPayee},
		{"upi://pay?pa=&pn=Asha", address.ErrLinkPayee},
		{"upi://pay?PA=asha@okbank&pn=Asha", address.ErrLinkPayee},
		{"upi://pay?pa=asha&pn=Asha", address.ErrUPI},
		{"upi://pay?pa=asha@okbank", address.ErrLinkName},
		{"upi://pay?pa=asha@okbank&pn=", address.ErrLinkName},
		{"upi://pay?pa=asha@okbank&pn=%20", address.ErrTextBlank},
		{"upi://pay?pa=asha@okbank&pn=" + strings.Repeat("a", 100), address.ErrTextLength},
		{good + "%00", address.ErrTextInvisible},
		{good + "\n", address.ErrTextInvisible},
		{good + "%E2%80%AE", address.ErrTextInvisible},
		{good + "%FF", address.ErrTextEncoding},
		{good + "&am=0", address.ErrLinkAmount},
		{good + "&am=0.00", address.ErrLinkAmount},
		{good + "&am=-1", ledger.ErrAmountGrammar},
		{good + "&am=1e5", ledger.ErrAmountGrammar},
		{good + "&am=1,000", ledger.ErrAmountGrammar},
		{good + "&am=+5", ledger.ErrAmountGrammar},
		{good + "&am=1.005", ledger.ErrAmountPrecision},
		{good + "&am=99999999999999.00", ledger.ErrAmountRange},
		{good + "&am=5&mam=5.01", address.ErrLinkAmount},
		{good + "&mam=x", ledger.ErrAmountGrammar},
		{good + "&cu=USD", address.ErrLinkCurrency},
		{good + "&cu=inr", address.ErrLinkCurrency},
		{good + "&mc=58", address.ErrLinkCategory},
		{good + "&mc=58a2", address.ErrLinkCategory},
		{good + "&tn=a%0Ab", address.ErrTextInvisible},
		{good + "&tn=%", address.ErrLinkEncoding},
		{good + "&tn=%4", address.ErrLinkEncoding},
		{good + "&tn=%zz", address.ErrLinkEncoding},
		{good + "&x=%zz", address.ErrLinkEncoding},
		{good + "&%zz=1", address.ErrLinkEncoding},
		{good + "#pa=evil@okbank", address.ErrLinkEncoding},
		{good + "&pa=evil@okbank", address.ErrLinkRepeated},
		{good + "&%70a=evil@okbank", address.ErrLinkRepeated},
		{good + "&am=1&am=1", address.ErrLinkRepeated},
		{good + "&am=&am=1", address.ErrLinkRepeated},
		{good + "&mode=1&mode=2", address.ErrLinkRepeated},
		{good + manyParams(31), address.ErrLinkCrowded},
		{good + "&x=" + strings.Repeat("x", 2000), address.ErrLinkLength},
		{good + "&tn=" + strings.Repeat("चा", 100) + "&tr=" + strings.Repeat("च", 40), address.ErrLinkLength}, // 720 bytes; 2,160 once percent-encoded
	} {
		l, err := address.ParseLink(c.in)
		if !errors.Is(err, c.want) || !errors.Is(err, address.ErrLink) || l != (address.Link{}) {
			t.Errorf("%.80q: %+v, %v; want %v", c.in, l, err, c.want)
		}
	}
	if _, err := address.ParseLink(good + manyParams(30)); err != nil {
		t.Errorf("32 parameters are refused: %v", err)
	}
}

func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&x%d=1", i)
	}
	return b.String()
}

func FuzzParseLink(f *testing.F) {
	for _, s := range []string{
		"upi://pay?pa=asha@okbank&pn=Asha%20Rao&am=250.00&cu=INR&tn=dinner",
		"UPI://PAY?pn=a+b&pa=x.y@ab&mam=1&am=2&tr=r&mc=0000&tid=t&url=u",
		"upi://pay?%70a=ab@cd&pn=%F0%9F%8D%B5&mode=02&sign=A/b==",
		"upi://pay?pa=ab@cd&pn=चाय&tn=%",
		"upi://pay?pa=ab@cd&pn=a#&&=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := address.ParseLink(s)
		if err != nil {
			if !errors.Is(err, address.ErrLink) || once != (address.Link{}) {
				t.Fatalf("%q: %+v, %v", s, once, err)
			}
			return
		}
		written := once.String()
		again, err := address.ParseLink(written)
		if err != nil || again != once || again.String() != written {
			t.Fatalf("%q is read as %+v, written as %q, read as %+v, %v", s, once, written, again, err)
		}
		if upi, err := address.UPI(once.Payee); err != nil || upi != once.Payee || once.Name == "" || once.Amount.Minor < 0 {
			t.Fatalf("%q is read as %+v", s, once)
		}
	})
}

func BenchmarkParseLink(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := address.ParseLink("upi://pay?pa=asha@okbank&pn=Asha%20Rao&am=250.00&cu=INR&tn=dinner"); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParseLink() {
	link, err := address.ParseLink("upi://pay?pa=Chai.Point@OkBank&pn=Chai%20Point&am=40&cu=INR&tn=two+teas&mode=02")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(link.Payee, "asks for", link.Amount, "for", link.Note)
	fmt.Println(link)

	_, err = address.ParseLink("upi://pay?pa=chai.point@okbank&pn=Chai%20Point&pa=evil@okbank")
	fmt.Println(err)
	// Output:
	// chai.point@okbank asks for 40.00 for two teas
	// upi://pay?pa=chai.point@okbank&pn=Chai%20Point&am=40.00&cu=INR&tn=two%20teas
	// not a usable UPI payment link: a parameter is given twice
}
