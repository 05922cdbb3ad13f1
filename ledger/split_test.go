package ledger_test

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bahi/ledger"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name    string
		total   int64
		weights []int64
		want    []int64
	}{
		{"even", 900, []int64{1, 1, 1}, []int64{300, 300, 300}},
		{"the first ones in order get what is left", 1000, []int64{1, 1, 1}, []int64{334, 333, 333}},
		{"two units are left", 1001, []int64{1, 1, 1}, []int64{334, 334, 333}},
		{"the largest remainder goes first", 100, []int64{1, 2, 3}, []int64{17, 33, 50}},
		{"also where it stands last", 10, []int64{10, 10, 9}, []int64{4, 3, 3}},
		{"the last one lost most", 10, []int64{5, 5, 6}, []int64{3, 3, 4}},
		{"percentages", 999, []int64{33_3400, 33_3300, 33_3300}, []int64{333, 333, 333}},
		{"too little for all", 2, []int64{1, 1, 1}, []int64{1, 1, 0}},
		{"one", 7, []int64{5}, []int64{7}},
		{"nothing", 0, []int64{1, 1}, []int64{0, 0}},
		{"large", math.MaxInt64, []int64{math.MaxInt64, math.MaxInt64, 1}, []int64{math.MaxInt64 / 2, math.MaxInt64 / 2, 1}},
	} {
		got, err := ledger.Split(ledger.Amount{Minor: c.total, Currency: "KWD"}, c.weights)
		if want := parts(c.want, "KWD"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, want)
		}
	}
	for _, weights := range [][]int64{nil, {}, {0}, {1, 0}, {-1}, {math.MinInt64}, {math.MaxInt64, math.MaxInt64, 2}} {
		if got, err := ledger.Split(inr(100), weights); !errors.Is(err, ledger.ErrWeights) {
			t.Errorf("%v: %v, %v", weights, got, err)
		}
	}
	if _, err := ledger.Split(inr(-1), []int64{1}); !errors.Is(err, ledger.ErrWeights) {
		t.Errorf("less than nothing: %v", err)
	}
}

func parts(minors []int64, c ledger.Currency) (all []ledger.Amount) {
	for _, minor := range minors {
		all = append(all, ledger.Amount{Minor: minor, Currency: c})
	}
	return all
}

// TestSplitsAreExact holds splits against rational numbers: parts add up to the total, none
// is a whole unit away from its exact share, and whoever gets a unit more than the whole
// units of its share lost at least as much as whoever does not, or stands before it.
func TestSplitsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "total")
		weights := rapid.OneOf(
			rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(1, 9), rapid.Int64Range(1, math.MaxInt64/101)), 1, 101),
			rapid.SliceOfN(rapid.Int64Range(1, 3), 20, 101), // many are alike
		).Draw(t, "weights")
		got, err := ledger.Split(inr(total), weights)
		if err != nil || len(got) != len(weights) {
			t.Fatalf("%v, %v", got, err)
		}
		sum, all := new(big.Int), new(big.Int)
		for n, w := range weights {
			sum.Add(sum, big.NewInt(w))
			all.Add(all, big.NewInt(got[n].Minor))
		}
		if all.Cmp(big.NewInt(total)) != 0 {
			t.Fatalf("the parts add up to %s of %d", all, total)
		}
		lost, more := make([]*big.Int, len(weights)), make([]bool, len(weights))
		for n, w := range weights {
			share, rest := new(big.Int).QuoRem(new(big.Int).Mul(big.NewInt(total), big.NewInt(w)), sum, new(big.Int))
			extra := got[n].Minor - share.Int64()
			lost[n], more[n] = rest, extra == 1
			if extra != 0 && extra != 1 || extra == 1 && rest.Sign() == 0 || got[n].Currency != "INR" {
				t.Fatalf("part %d is %v; its share is %s and %s/%s", n, got[n], share, rest, sum)
			}
		}
		for n := range weights {
			for m := range weights {
				if c := lost[n].Cmp(lost[m]); more[m] && !more[n] && (c > 0 || c == 0 && n < m) {
					t.Fatalf("part %d has a unit more than %d", m, n)
				}
			}
		}
	})
}

func TestParsePercent(t *testing.T) {
	for text, want := range map[string]int64{"100": ledger.WholePercent, "33.34": 33_3400, "0.0001": 1, "99.9999": 99_9999, "50.0": 50_0000} {
		if got, err := ledger.ParsePercent(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "0.0", "0.00001", "100.0001", "101", "-1", "+1", "1e1", "5%", " 5", ".5", "5.", "05", "1,5", "NaN", "٥", "99999999999999999999"} {
		if got, err := ledger.ParsePercent(text); !errors.Is(err, ledger.ErrPercent) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}
