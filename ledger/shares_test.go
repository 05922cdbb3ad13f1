package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// TestSharesComeToTheTotal: each share is at least one minor unit, all of them are the
// total, and equal ones differ by one at most.
func TestSharesComeToTheTotal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := ledger.Pot{Shares: rapid.IntRange(1, ledger.MaxShares).Draw(rt, "shares"), Mode: rapid.SampledFrom([]ledger.PotMode{ledger.EqualShares, ledger.RandomShares}).Draw(rt, "mode")}
		p.Amount = inr(int64(p.Shares) + rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 1000), rapid.Int64Range(0, 999_999_999_999_000)).Draw(rt, "more"))
		p.Seed = sha256.Sum256(rapid.SliceOf(rapid.Byte()).Draw(rt, "seed"))
		shares := p.Divide()
		total := int64(0)
		for i, share := range shares {
			total += share
			if share < 1 || (p.Mode == ledger.EqualShares && i > 0 && (share > shares[i-1] || share < shares[0]-1)) {
				rt.Fatalf("share %d is %d, of %v", i+1, share, shares)
			}
		}
		if len(shares) != p.Shares || total != p.Amount.Minor {
			rt.Fatalf("%d shares of %d come to %d", len(shares), p.Amount.Minor, total)
		}
	})
}

// TestSharesAreFair: each way to divide ten paise in three shares comes as often as any
// other, and no place in the order is better than another.
func TestSharesAreFair(t *testing.T) {
	const tries, ways = 36_000, 36 // two cuts of nine places
	seen, sums := map[string]int{}, [3]int64{}
	p := ledger.Pot{Amount: inr(10), Shares: 3, Mode: ledger.RandomShares}
	for i := range tries {
		p.Seed = sha256.Sum256(fmt.Append(nil, i))
		shares := p.Divide()
		seen[fmt.Sprint(shares)]++
		for n := range sums {
			sums[n] += shares[n]
		}
	}
	chi := 0.0
	for _, n := range seen {
		off := float64(n) - tries/ways
		chi += off * off / (tries / ways)
	}
	if len(seen) != ways || chi > 67 { // of 35 degrees of freedom: once in a thousand seeds' worth of tries
		t.Errorf("%d ways of %d, chi-square %.1f", len(seen), ways, chi)
	}
	for n, sum := range sums {
		if mean := float64(sum) / tries; mean < 3.30 || mean > 3.37 {
			t.Errorf("share %d is %.3f on average", n+1, mean)
		}
	}
}

// contractShares are the shares and the commitment as the contract has them, in another language.
const contractShares = `
import hashlib, hmac, json, sys
out = []
for p in json.load(sys.stdin):
    seed, total, n = bytes.fromhex(p["seed"]), p["total"], p["shares"]
    text = "bahi-shares-1\n%s\n%s\n%d\n%d\n%s\n%s\n" % (p["pot"], p["currency"], total, n, p["mode"], p["seed"])
    def numbers():
        k = 0
        while True:
            block = hmac.new(seed, k.to_bytes(8, "big"), hashlib.sha256).digest()
            for i in range(0, 32, 8):
                yield int.from_bytes(block[i:i + 8], "big")
            k += 1
    cuts, stream, r = set(), numbers(), total - 1
    while len(cuts) < n - 1:
        x = next(stream)
        if x < 2**64 - 2**64 % r:
            cuts.add(1 + x % r)
    edges = [0] + sorted(cuts) + [total]
    out.append({"commitment": hashlib.sha256(text.encode()).hexdigest(), "shares": [b - a for a, b in zip(edges, edges[1:])]})
json.dump(out, sys.stdout)
`

// TestSharesAnew: who computes the shares as the contract says, in another language, gets the same.
func TestSharesAnew(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	type terms struct {
		Pot      string         `json:"pot"`
		Currency string         `json:"currency"`
		Total    int64          `json:"total"`
		Shares   int            `json:"shares"`
		Mode     ledger.PotMode `json:"mode"`
		Seed     ledger.Seed    `json:"seed"`
	}
	type answer struct {
		Commitment string  `json:"commitment"`
		Shares     []int64 `json:"shares"`
	}
	b := newBook(t)
	defer b.close()
	_, wallet := b.person("Asha", "SBIN")
	var all []terms
	var want []answer
	for i, c := range []struct {
		total int64
		n     int
	}{{1, 1}, {2, 2}, {10, 3}, {200, 200}, {201, 200}, {1_000, 20}, {1<<40 + 7, 20}, {1_000_000_000_000_000, 200}, {100_00, 8}} {
		made := redPacket(wallet, c.total, c.n, ledger.RandomShares)
		made.Pot.Seed = sha256.Sum256([]byte{byte(i)})
		_, p := b.pot(must[ledger.Funded](b, made).Pot.ID)
		all = append(all, terms{made.ID.PotRef(), "INR", c.total, c.n, p.Mode, p.Seed})
		want = append(want, answer{p.Commitment, p.Divide()})
	}
	run := exec.Command(python, "-c", contractShares)
	run.Stdin = bytes.NewReader(mustJSON(all))
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []answer
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if fmt.Sprint(got[i]) != fmt.Sprint(want[i]) {
			t.Errorf("%+v: got %v, want %v", all[i], got[i], want[i])
		}
	}
}

func BenchmarkShares(b *testing.B) {
	p := ledger.Pot{Amount: inr(100_000), Shares: ledger.MaxShares, Mode: ledger.RandomShares, Seed: ledger.Seed{7}}
	for b.Loop() {
		p.Divide()
	}
}
