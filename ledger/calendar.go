package ledger

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Every is how often something recurs.
type Every uint8

// The rhythms of a [Calendar].
const (
	Once Every = iota + 1
	Weekly
	Monthly
)

// Calendar says when something is to be done: once, or on a day of each week or month at a
// time that the clocks of a zone show.
type Calendar struct {
	Every   Every        `json:"every"`
	At      int64        `json:"at,omitzero"`      // Once: Unix microseconds
	Weekday time.Weekday `json:"weekday,omitzero"` // Weekly
	Date    int          `json:"date,omitzero"`    // Monthly: 1 to 31; a month that has fewer days has its last one instead
	Minute  int          `json:"minute,omitzero"`  // of the day, that clocks show
	Zone    string       `json:"zone,omitzero"`    // IANA's name
	From    Day          `json:"from,omitzero"`    // the first day that it may be done on
	Until   Day          `json:"until,omitzero"`   // the last one; 0: there is none
	Count   int          `json:"count,omitzero"`   // how many occurrences there are; 0: no end
}

// Occurrence is one of the times of a [Calendar].
type Occurrence struct {
	N   int   `json:"n"`   // 1, 2, 3 …
	Day Day   `json:"day"` // that it belongs to: its time is on the next one where clocks are put forward over midnight
	At  int64 `json:"at"`  // Unix microseconds
}

// ErrZone means that there is no such time zone.
var ErrZone = errors.New("not the name of a time zone such as Asia/Kolkata")

// zoneName are IANA's names. Beside these, a machine may know files that are none, and zones
// that count leap seconds.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$`)

// maxZone is how long such a name is at most.
const maxZone = 40

var zones sync.Map // of *time.Location by name

// LoadZone finds a time zone by IANA's name.
func LoadZone(name string) (*time.Location, error) {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	if len(name) > maxZone || name == time.Local.String() || !zoneName.MatchString(name) {
		return nil, ErrZone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrZone, err)
	}
	zones.Store(strings.Clone(name), zone)
	return zone, nil
}

// First is the first occurrence that is later than a time, if there is one.
func (c *Calendar) First(after int64) (o Occurrence, ok bool, err error) {
	if c.Every == Once {
		return Occurrence{N: 1, At: c.At}, c.At > after, nil
	}
	zone, err := LoadZone(c.Zone)
	if err != nil {
		return o, false, err
	}
	// The day before that of the time: its occurrence may be put off into it.
	day := max(c.From, DayAt(after, zone)-1) - 1
	for {
		day = c.following(day)
		o = Occurrence{N: 1, Day: day, At: c.at(day, zone)}
		if o.At > after {
			return o, c.has(o), nil
		}
	}
}

// Next is the occurrence after one, if there is one.
func (c *Calendar) Next(o Occurrence) (next Occurrence, ok bool, err error) {
	if c.Every == Once {
		return o, false, nil
	}
	zone, err := LoadZone(c.Zone)
	if err != nil {
		return o, false, err
	}
	day := c.following(o.Day)
	next = Occurrence{N: o.N + 1, Day: day, At: c.at(day, zone)}
	return next, c.has(next), nil
}

// has says whether the calendar goes so far.
func (c *Calendar) has(o Occurrence) bool {
	return (c.Until == 0 || o.Day <= c.Until) && (c.Count == 0 || o.N <= c.Count)
}

// following is the next day behind one that something is to be done on.
func (c *Calendar) following(day Day) Day {
	next := (day + 1).Time(time.UTC)
	if c.Every == Weekly {
		return day + 1 + Day((c.Weekday-next.Weekday()+7)%7)
	}
	y, m, d := next.Date()
	if c.inMonth(y, m) < d {
		m++
	}
	return DayOf(time.Date(y, m, c.inMonth(y, m), 0, 0, 0, 0, time.UTC))
}

// inMonth is the date that something is to be done on in a month.
func (c *Calendar) inMonth(y int, m time.Month) int {
	return min(c.Date, time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day())
}

// maxOffset is more than any zone was ever ahead of UTC or behind it, in seconds.
const maxOffset = 16 * 60 * 60

// at is when the clocks of the zone show the calendar's time on a day: the first time where
// they do so twice, and where they never do, the moment at which they are put forward. It goes by
// offsets alone: [time.Time.ZoneBounds] stands still at the end of some years.
func (c *Calendar) at(day Day, zone *time.Location) int64 {
	shown := int64(day)*secondsOfDay + int64(c.Minute)*60 // as UTC would have it
	offset := func(at int64) int64 {
		_, o := time.Unix(at, 0).In(zone).Zone()
		return int64(o)
	}
	before, after := offset(shown-maxOffset), offset(shown+maxOffset)
	for _, o := range []int64{max(before, after), min(before, after)} { // the greater one is the earlier time
		if at := shown - o; offset(at) == o {
			return at * 1_000_000
		}
	}
	last, first := shown-maxOffset, shown+maxOffset // the clocks show less, and more
	for last+1 < first {
		if at := (last + first) / 2; at+offset(at) < shown {
			last = at
		} else {
			first = at
		}
	}
	return first * 1_000_000
}
