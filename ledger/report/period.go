package report

import (
	"fmt"
	"time"

	"bahi/ledger"
)

// Period is what a report tells of: the postings from an instant to another, both
// included, in Unix microseconds. Where From is 0 it has no beginning.
type Period struct{ From, To int64 }

// ParsePeriod reads the ends of a period: each an RFC 3339 time, or a day of the zone
// (2026-11-25), of which From is the beginning and To the end. Without a text From
// is no beginning, and To is now. Neither may be in the future.
func ParsePeriod(from, to string, zone *time.Location, now time.Time) (p Period, err error) {
	if p.To, err = parseInstant(to, zone, true, now); err != nil {
		return p, err
	}
	if from != "" {
		p.From, err = parseInstant(from, zone, false, now)
	}
	if err == nil && p.From > p.To {
		err = fmt.Errorf("the period ends at %s, before it begins at %s", timeText(p.To), timeText(p.From))
	}
	return p, err
}

func parseInstant(s string, zone *time.Location, end bool, now time.Time) (int64, error) {
	if s == "" {
		return now.UnixMicro(), nil
	}
	var at int64
	if day, err := ledger.ParseDay(s); err == nil {
		if end {
			at = (day + 1).Time(zone).UnixMicro() - 1
		} else {
			at = day.Time(zone).UnixMicro()
		}
	} else {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return 0, fmt.Errorf("%q is neither a day such as 2026-11-25 nor a time such as 2026-11-25T09:30:00Z", s)
		}
		at = t.UnixMicro()
	}
	switch {
	case at > now.UnixMicro():
		return 0, fmt.Errorf("%s is in the future: it ends at %s, and now it is %s", s, timeText(at), timeText(now.UnixMicro()))
	case at <= 0:
		return 0, fmt.Errorf("%s is before all books", s)
	}
	return at, nil
}

// facts say what the period is.
func (p Period) facts() []fact {
	if p.From == 0 {
		return []fact{{"at", at(p.To)}}
	}
	return []fact{{"from", at(p.From)}, {"to", at(p.To)}}
}
