package api

import (
	"fmt"
	"math/big"

	"bahi/ledger"
)

// shares are what each bears of what a request is about, in order.
type shares struct {
	currency ledger.Currency
	split    bool // a total was divided: the requester may bear a part itself
	of       []share
}

type share struct {
	payer *Address // nil: the requester
	at    string   // where it stands
	minor int64
}

// maxParts is how many parts a split has at most: the requester's own beside those that are asked for.
const maxParts = ledger.MaxAsks + 1

const maxShare = 1_000_000

// readShares reads what each is asked for, or divides the total.
func readShares(in *NewMoneyRequest) (*shares, error) {
	switch {
	case (in.Split == nil) == (in.Asks == nil):
		return nil, badRequest("invalid_field", "give either asks or split").at("/asks")
	case in.Split != nil:
		return readSplit(in.Split)
	case len(in.Asks) == 0 || len(in.Asks) > ledger.MaxAsks:
		return nil, badRequest("invalid_field", "a request asks 1 to %d parties", ledger.MaxAsks).at("/asks")
	}
	s := &shares{}
	for n := range in.Asks {
		at := fmt.Sprintf("/asks/%d", n)
		a, err := parseMoney(at+"/amount", in.Asks[n].Amount)
		if err != nil {
			return nil, err
		}
		if n > 0 && a.Currency != s.currency {
			return nil, badRequest("invalid_field", "all is asked for in one currency").at(at + "/amount/currency")
		}
		s.currency = a.Currency
		s.of = append(s.of, share{payer: &in.Asks[n].Payer, at: at + "/payer", minor: a.Minor})
	}
	return s, nil
}

func readSplit(in *Split) (*shares, error) {
	total, err := parseMoney("/split/total", in.Total)
	if err != nil {
		return nil, err
	}
	if len(in.Parts) == 0 || len(in.Parts) > maxParts {
		return nil, badRequest("invalid_field", "a split has 1 to %d parts", maxParts).at("/split/parts")
	}
	s := &shares{currency: total.Currency, split: true}
	if in.IncludeRequester {
		s.of = append(s.of, share{})
	}
	for n := range in.Parts {
		s.of = append(s.of, share{payer: &in.Parts[n].Payer, at: fmt.Sprintf("/split/parts/%d/payer", n)})
	}
	minors, err := in.divide(total, len(s.of))
	if err != nil {
		return nil, err
	}
	for n, minor := range minors {
		if minor == 0 {
			return nil, badRequest("invalid_amount", "the total is too small: a part of it would be nothing").at("/split/total/value")
		}
		s.of[n].minor = minor
	}
	return s, nil
}

// divide makes the parts of the total, n with the requester's.
func (in *Split) divide(total ledger.Amount, n int) ([]int64, error) {
	first := &in.Parts[0]
	for i := range in.Parts {
		p := &in.Parts[i]
		if (p.Amount == nil) != (first.Amount == nil) || (p.Share == nil) != (first.Share == nil) || (p.Percent == nil) != (first.Percent == nil) || p.ways() > 1 {
			return nil, badRequest("invalid_field", "all parts say in the same one way how large they are").at(fmt.Sprintf("/split/parts/%d", i))
		}
	}
	if in.IncludeRequester && first.ways() > 0 {
		return nil, badRequest("invalid_field", "only of equal parts; else name the requester as one of them").at("/split/include_requester")
	}
	if first.Amount != nil {
		return in.amounts(total)
	}
	weights, err := in.weights(n)
	if err != nil {
		return nil, err
	}
	parts, err := ledger.Split(total, weights)
	if err != nil {
		return nil, err
	}
	minors := make([]int64, n)
	for i := range parts {
		minors[i] = parts[i].Minor
	}
	return minors, nil
}

// ways is in how many ways the part says how large it is.
func (p *SplitPart) ways() (n int) {
	for _, given := range []bool{p.Amount != nil, p.Share != nil, p.Percent != nil} {
		if given {
			n++
		}
	}
	return n
}

// amounts are parts that say their amounts, which add up to the total.
func (in *Split) amounts(total ledger.Amount) (minors []int64, err error) {
	sum := new(big.Int)
	for i := range in.Parts {
		at := fmt.Sprintf("/split/parts/%d/amount", i)
		a, err := parseMoney(at, *in.Parts[i].Amount)
		if err != nil {
			return nil, err
		}
		if a.Currency != total.Currency {
			return nil, badRequest("invalid_field", "the total is in %s", total.Currency).at(at + "/currency")
		}
		minors = append(minors, a.Minor)
		sum.Add(sum, big.NewInt(a.Minor))
	}
	if !sum.IsInt64() || sum.Int64() != total.Minor {
		return nil, badRequest("amount_mismatch", "the parts do not add up to the total").at("/split/total/value")
	}
	return minors, nil
}

// weights are those of equal parts, of shares or of percentages.
func (in *Split) weights(n int) ([]int64, error) {
	weights, percent := make([]int64, n), int64(0)
	for i := range weights {
		weights[i] = 1
	}
	for i := range in.Parts {
		at := fmt.Sprintf("/split/parts/%d", i)
		switch p := &in.Parts[i]; {
		case p.Share != nil && (*p.Share < 1 || *p.Share > maxShare):
			return nil, badRequest("invalid_field", "a share is a whole number from 1 to %d", maxShare).at(at + "/share")
		case p.Share != nil:
			weights[i] = *p.Share
		case p.Percent != nil:
			w, err := ledger.ParsePercent(*p.Percent)
			if err != nil {
				return nil, badRequest("invalid_field", "%v", err).at(at + "/percent")
			}
			weights[i] = w
			percent += w
		}
	}
	if in.Parts[0].Percent != nil && percent != ledger.WholePercent {
		return nil, badRequest("amount_mismatch", "the percentages do not add up to 100").at("/split/parts")
	}
	return weights, nil
}
