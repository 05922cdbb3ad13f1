package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"bahi/ledger"
)

// Profile is how a bank treats what no account and no amount decides: so many of
// ten thousand it declines. Which ones, the instruction's id decides, so that a
// repeat and a restart find the bank of the same mind. The zero profile declines nothing.
type Profile struct {
	Business  int  // debits and credits of ten thousand, declined for the customer's fault
	Technical int  // and for the bank's own
	Reversed  int  // debit reversals of ten thousand that it carries out; the others it declines every time
	Hangs     bool // it does nothing and never answers
}

// Profiles are banks as they are in India, by what the NPCI publishes of them, and
// one that hangs.
var Profiles = map[string]Profile{
	"large":   {Business: 6_20, Technical: 60, Reversed: 64_00},
	"good":    {Business: 4_80, Technical: 8, Reversed: 99_90},
	"weak":    {Business: 5_60, Technical: 5_80, Reversed: 12_00},
	"hanging": {Hangs: true},
}

// The codes that a profile declines with, the customer's faults and the bank's own.
var profileCodes = map[ledger.Leg]struct{ business, technical []string }{
	debit:  {[]string{"Z9", "ZM", "Z8", "Z7", "K1"}, []string{"XY", "XT"}},
	credit: {[]string{"XI", "YF", "ZY", "XC"}, []string{"Y1", "XU"}},
}

// act is how the bank treats an instruction.
func (p *Profile) act(id ledger.InstructionID) Act {
	switch {
	case *p == Profile{}:
		return Act{}
	case p.Hangs:
		return neverHears
	}
	drawn := draw(id)
	n := int(drawn % 100_00)
	if codes, ok := profileCodes[id.Leg]; ok {
		switch pick := int(drawn / 100_00 % 1000); {
		case n < p.Business:
			return Act{Does: Declines, Code: codes.business[pick%len(codes.business)]}
		case n < p.Business+p.Technical:
			return Act{Does: Declines, Code: codes.technical[pick%len(codes.technical)]}
		}
	} else if id.Leg == debitReversal && n >= p.Reversed {
		return Act{Does: Declines, Code: "96", Again: Forever}
	}
	return Act{}
}

// draw is a number that goes with an instruction for ever and looks like chance.
func draw(id ledger.InstructionID) uint64 {
	sum := sha256.Sum256(append(id.Transfer[:], byte(id.Leg)))
	return binary.BigEndian.Uint64(sum[:])
}

// manner is what can change of a bank while it is open.
type manner struct {
	latency time.Duration
	profile Profile
}

// Behave gives the bank another latency and profile from the next instruction on.
func (b *Bank) Behave(latency time.Duration, p Profile) { b.manner.Store(&manner{latency, p}) }
