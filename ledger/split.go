package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/shopspring/decimal"
)

// ErrWeights means that an amount cannot be divided by weights: there are none, one is
// not above zero, or they are too large together.
var ErrWeights = errors.New("not weights above zero")

// Split divides an amount by weights, to the last minor unit: the parts add up to it, and
// none is a whole unit away from its exact share. What is left once every share is cut to
// whole units goes to the shares of which most was cut off, one unit each; of those that
// lost as much, to the ones that stand first. A part may be zero.
func Split(total Amount, weights []int64) ([]Amount, error) {
	sum := uint64(0)
	for _, w := range weights {
		var carry uint64
		if sum, carry = bits.Add64(sum, uint64(w), 0); w <= 0 || carry != 0 {
			return nil, ErrWeights
		}
	}
	if len(weights) == 0 || total.Minor < 0 {
		return nil, ErrWeights
	}
	parts, order := make([]Amount, len(weights)), make([]int, len(weights))
	cut := make([]uint64, len(weights)) // of each share, in sums of the weights
	left := total.Minor
	for n, w := range weights {
		// No weight is above the sum, so no share is above the total.
		high, low := bits.Mul64(uint64(total.Minor), uint64(w))
		share, rest := bits.Div64(high, low, sum)
		parts[n], order[n], cut[n] = Amount{int64(share), total.Currency}, n, rest
		left -= int64(share)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cut[b], cut[a]) })
	for _, n := range order[:left] {
		parts[n].Minor++
	}
	return parts, nil
}

// percentDigits is how many digits a percentage has after the point at most.
const percentDigits = 4

// WholePercent is a hundred percent in the units of [ParsePercent].
const WholePercent = 100_0000

// ErrPercent means that a text is not a percentage.
var ErrPercent = fmt.Errorf("not a plain decimal number above 0 and up to 100, with at most %d digits after the point", percentDigits)

// ParsePercent reads a percentage ("33.34") as a weight, in ten-thousandths of a percent.
func ParsePercent(text string) (int64, error) {
	fraction, err := checkGrammar(text)
	if err != nil || fraction > percentDigits {
		return 0, ErrPercent
	}
	d, err := decimal.NewFromString(text)
	if err != nil {
		return 0, ErrPercent
	}
	weight := d.Shift(percentDigits)
	if !weight.IsPositive() || weight.GreaterThan(decimal.NewFromInt(WholePercent)) {
		return 0, ErrPercent
	}
	return weight.IntPart(), nil
}
