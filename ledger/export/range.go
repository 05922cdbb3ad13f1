package export

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"bahi/ledger"
)

// Range is a part of the log: the leaves at First and behind it, before Size. Size is
// that of a checkpoint.
type Range struct{ First, Size int64 }

// Bounds say which part of the log is meant, by times or by places. A time stands for
// the last checkpoint that is not later than it: since a time that is over never gets
// another one, the same bounds are the same range for good. A range ends where one
// that begins with the same bound begins: days that follow each other have no leaf in
// common and leave none out.
type Bounds struct {
	From string // a time (RFC 3339) or a day, which is its first moment; empty: the log's beginning
	To   string // likewise; empty: the last checkpoint
	// Places instead of times; below zero: not given.
	First      int64 // from this leaf on
	Checkpoint int64 // up to the checkpoint of this size
}

// Whole are the bounds of all there is.
var Whole = Bounds{First: -1, Checkpoint: -1}

// BoundsError is that bounds are not well-formed or that there is no such part of the log.
type BoundsError struct {
	Bound string // which one: from, to, from_leaf, checkpoint
	Why   string
}

// Error implements error.
func (e *BoundsError) Error() string { return e.Bound + ": " + e.Why }

// Find finds the part of the log. Days begin in the zone.
func (b Bounds) Find(ctx context.Context, r ledger.Reader, zone *time.Location) (found Range, err error) {
	if b.From != "" && b.First >= 0 {
		return found, &BoundsError{"from_leaf", "from is given too"}
	}
	if b.To != "" && b.Checkpoint >= 0 {
		return found, &BoundsError{"checkpoint", "to is given too"}
	}
	if b.Checkpoint >= 0 {
		found.Size, err = b.checkpoint(ctx, r)
	} else {
		found.Size, err = sizeAt(ctx, r, "to", b.To, zone)
	}
	if err != nil {
		return found, err
	}
	switch {
	case b.First >= 0:
		found.First = b.First
	case b.From != "":
		found.First, err = sizeAt(ctx, r, "from", b.From, zone)
	}
	if err == nil && found.First > found.Size {
		err = &BoundsError{"from", fmt.Sprintf("it is the leaf %d, behind the end, which is the checkpoint of size %d", found.First, found.Size)}
	}
	return found, err
}

func (b Bounds) checkpoint(ctx context.Context, r ledger.Reader) (int64, error) {
	if b.Checkpoint == 0 {
		return 0, nil
	}
	c, err := r.Checkpoint(ctx, b.Checkpoint)
	if errors.Is(err, ledger.ErrNotFound) {
		err = &BoundsError{"checkpoint", fmt.Sprintf("there is none of size %d", b.Checkpoint)}
	}
	return c.Size, err
}

// sizeAt is the size of the last checkpoint that is not later than a time.
func sizeAt(ctx context.Context, r ledger.Reader, bound, at string, zone *time.Location) (int64, error) {
	moment := int64(math.MaxInt64)
	if at != "" {
		t, err := parseMoment(at, zone)
		if err != nil {
			return 0, &BoundsError{bound, "a time such as 2026-11-25T10:00:00Z, or a day such as 2026-11-25"}
		}
		moment = t.UnixMicro()
	}
	c, err := r.CheckpointAt(ctx, moment)
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, nil
	}
	return c.Size, err
}

func parseMoment(s string, zone *time.Location) (time.Time, error) {
	if day, err := ledger.ParseDay(s); err == nil {
		return day.Time(zone), nil
	}
	return time.Parse(time.RFC3339, s)
}
