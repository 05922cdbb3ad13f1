package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"
)

// A red packet's shares are fixed when it is made, by a seed that nobody is shown until it
// is closed; what everybody is shown at once commits to it. How they are made of it is a
// part of the contract: whoever computes them anew must get the same.

// Seed is what the shares of a red packet are made of: 32 random bytes.
type Seed [32]byte

// shareVersion is the first line of what is committed to: it names the way shares are made.
const shareVersion = "bahi-shares-1"

// Commit is what commits to the shares of the pot of this ID: the SHA-256, in hexadecimal, of the packet's terms and its seed, each on a line.
func (p *Pot) Commit(id ID) string {
	text := fmt.Sprintf("%s\n%s\n%s\n%d\n%d\n%s\n%x\n", shareVersion, id.PotRef(), p.Amount.Currency, p.Amount.Minor, p.Shares, p.Mode, p.Seed[:])
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Divide are the shares of a pot in the order in which they are given, in minor units.
func (p *Pot) Divide() []int64 {
	if p.Mode == RandomShares {
		return randomShares(p.Amount.Minor, p.Shares, p.Seed)
	}
	return equalShares(p.Amount.Minor, p.Shares)
}

// equalShares differ by one minor unit at most; the first ones are the larger.
func equalShares(total int64, n int) []int64 {
	shares := make([]int64, n)
	for i := range shares {
		shares[i] = total / int64(n)
		if int64(i) < total%int64(n) {
			shares[i]++
		}
	}
	return shares
}

// randomShares divides total into n shares of at least 1, so that each way to do so is as
// likely as any other: it cuts the range from 0 to total at n-1 distinct places.
// No place in the order is therefore better than another.
func randomShares(total int64, n int, seed Seed) []int64 {
	cuts := make([]int64, 0, n+1)
	draw := draws{mac: hmac.New(sha256.New, seed[:])}
	for len(cuts) < n-1 {
		cut := 1 + draw.below(total-1)
		if at, taken := slices.BinarySearch(cuts, cut); !taken {
			cuts = slices.Insert(cuts, at, cut)
		}
	}
	shares, last := make([]int64, n), int64(0)
	for i, cut := range append(cuts, total) {
		shares[i], last = cut-last, cut
	}
	return shares
}

// draws are numbers that a seed stands for: the HMAC-SHA-256 of 0, 1, 2 …, each written
// in 8 bytes, under the seed; and of each four numbers of 8 bytes. All are big-endian.
type draws struct {
	mac   hash.Hash
	made  uint64 // blocks
	block [sha256.Size]byte
	rest  []byte // of the last one
}

func (d *draws) next() uint64 {
	if len(d.rest) == 0 {
		d.mac.Reset()
		d.mac.Write(binary.BigEndian.AppendUint64(d.block[:0], d.made))
		d.made++
		d.rest = d.mac.Sum(d.block[:0])
	}
	n := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

// below draws from 0 to n-1. Those of the 2^64 numbers that are left over once they are
// dealt out to n alike are thrown away, so that none of n is likelier than another.
func (d *draws) below(n int64) int64 {
	left := -uint64(n) % uint64(n) // 2^64 mod n
	for {
		if drawn := d.next(); drawn <= math.MaxUint64-left {
			return int64(drawn % uint64(n))
		}
	}
}

// MarshalText writes the seed in hexadecimal.
func (s Seed) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Seed) UnmarshalText(text []byte) error {
	if len(text) != 2*len(s) {
		return fmt.Errorf("a seed is %d hexadecimal digits", 2*len(s))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// String is the seed in hexadecimal.
func (s Seed) String() string { return hex.EncodeToString(s[:]) }

// IsZero says whether there is none.
func (s Seed) IsZero() bool { return s == Seed{} }
