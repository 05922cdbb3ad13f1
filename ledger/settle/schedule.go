// Package settle settles what the banks owe each other. A scheme's day is cut into
// windows ([Schedule]); once a window's time is over it is closed ([CloseWindow]),
// which fixes the postings that belong to it; these make each bank's position
// ([StorePositions]), which the report tells ([Report]) and the bank's payment
// confirms ([ConfirmPosition]). [Desk] does all of that in order.
package settle

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"bahi/ledger"
)

// Schedule says when a scheme's windows are, and what its transfers cost.
type Schedule struct {
	Scheme string // small letters and digits
	Zone   *time.Location
	Slots  []Slot // in the order of their numbers, which begin at 1
	Fees   Fees
}

// Slot is a window of every day. Those of a kind follow each other; what happens
// between two of them belongs to the later one.
type Slot struct {
	Kind        ledger.WindowKind
	From, Until Clock
}

// Clock is a time of the day, in minutes from midnight; 24:00 is the day's end.
type Clock int

const endOfDay Clock = 24 * 60

// String is the time in the form 21:00.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// ParseClock reads what String wrote.
func ParseClock(s string) (Clock, bool) {
	h, m, _ := strings.Cut(s, ":")
	hours, err := strconv.Atoi(h)
	minutes, err2 := strconv.Atoi(m)
	c := Clock(hours*60 + minutes)
	return c, err == nil && err2 == nil && c >= 0 && minutes < 60 && c <= endOfDay && c.String() == s
}

// Fees are what the payer's bank pays for each transfer that it remits.
type Fees struct {
	Currency ledger.Currency
	Default  int64 // minor units
	Banks    map[string]int64
}

func (f *Fees) of(bank string, c ledger.Currency) int64 {
	if bank == "" || c != f.Currency {
		return 0
	}
	if fee, ok := f.Banks[bank]; ok {
		return fee
	}
	return f.Default
}

// UPI is the schedule of India's scheme: ten windows a day for transfers and two
// for disputes, no fees.
func UPI() *Schedule {
	const hour = 60
	s := &Schedule{Scheme: "upi", Zone: india, Slots: []Slot{{ledger.WindowTransfers, 0, 5 * hour}}}
	for from := Clock(5 * hour); from < 21*hour; from += 2 * hour {
		s.Slots = append(s.Slots, Slot{ledger.WindowTransfers, from, from + 2*hour})
	}
	s.Slots = append(s.Slots, Slot{ledger.WindowTransfers, 21 * hour, endOfDay},
		Slot{ledger.WindowDisputes, 0, 12 * hour}, Slot{ledger.WindowDisputes, 12 * hour, endOfDay})
	return s
}

// india is Asia/Kolkata since 1945, which has no summer time.
var india = time.FixedZone("Asia/Kolkata", 5*60*60+30*60)

// Check says what is wrong with the slots, and with which.
func (s *Schedule) Check() (n int, err error) {
	before := map[ledger.WindowKind]Clock{}
	for n, slot := range s.Slots {
		switch {
		case slot.From >= slot.Until:
			return n, fmt.Errorf("the window ends at %s and begins at %s: it has to end later, on the same day", slot.Until, slot.From)
		case slot.From < before[slot.Kind]:
			return n, fmt.Errorf("the window begins at %s, before the one before it ends (%s)", slot.From, before[slot.Kind])
		}
		before[slot.Kind] = slot.Until
	}
	if before[ledger.WindowTransfers] == 0 {
		return 0, fmt.Errorf("there is no window for transfers")
	}
	return 0, nil
}

// window is the n-th window of a day, as far as the schedule knows it.
func (s *Schedule) window(d ledger.Day, n int) ledger.Window {
	slot := s.Slots[n-1]
	at := func(c Clock) int64 {
		y, m, day := d.Time(time.UTC).Date()
		return time.Date(y, m, day, 0, int(c), 0, 0, s.Zone).UnixMicro()
	}
	return ledger.Window{ID: fmt.Sprintf("%s-%s-%02d", s.Scheme, d, n), Scheme: s.Scheme, Kind: slot.Kind, Day: d, N: n, From: at(slot.From), Until: at(slot.Until)}
}

// Find is the window that an ID names, such as upi-2026-11-25-03.
func (s *Schedule) Find(id string) (ledger.Window, bool) {
	rest, ok := strings.CutPrefix(id, s.Scheme+"-")
	if !ok || len(rest) != len("2026-11-25-03") {
		return ledger.Window{}, false
	}
	day, err := ledger.ParseDay(rest[:10])
	n, err2 := strconv.Atoi(rest[11:])
	if err != nil || err2 != nil || n < 1 || n > len(s.Slots) {
		return ledger.Window{}, false
	}
	w := s.window(day, n)
	return w, w.ID == id
}

// lastOver is the window of a kind that ended last. Every day has one.
func (s *Schedule) lastOver(kind ledger.WindowKind, now int64) (last ledger.Window) {
	for d := ledger.DayAt(now, s.Zone); last.ID == ""; d-- {
		for n := len(s.Slots); n > 0 && last.ID == ""; n-- {
			if w := s.window(d, n); w.Kind == kind && w.Until <= now {
				last = w
			}
		}
	}
	return last
}

// next is the window of the same kind that follows one that is closed. The
// schedule may have changed since: of the new one's windows it is the first that
// ends later and was not closed under the old one.
func (s *Schedule) next(closed *ledger.Window) (next ledger.Window) {
	for d := closed.Day; next.ID == ""; d++ {
		for n := range s.Slots {
			w := s.window(d, n+1)
			if w.Kind == closed.Kind && w.Until > closed.Until && (w.Day > closed.Day || w.N > closed.N) {
				return w
			}
		}
	}
	return next
}

// kinds are those that the schedule has windows for.
func (s *Schedule) kinds() (kinds []ledger.WindowKind) {
	for _, k := range []ledger.WindowKind{ledger.WindowTransfers, ledger.WindowDisputes} {
		for _, slot := range s.Slots {
			if slot.Kind == k {
				kinds = append(kinds, k)
				break
			}
		}
	}
	return kinds
}

// time is a moment as the scheme's clock shows it.
func (s *Schedule) time(micros int64) string {
	return time.UnixMicro(micros).In(s.Zone).Format("2006-01-02 15:04 MST")
}
