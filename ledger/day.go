package ledger

import "time"

// Day is a business day as banks count them: days since 1 January 1970.
type Day int32

const secondsOfDay = 24 * 60 * 60

// DayAt is the day of a moment (Unix microseconds) in a zone.
func DayAt(micros int64, zone *time.Location) Day { return DayOf(time.UnixMicro(micros).In(zone)) }

// DayOf is the day that t's own calendar shows.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay)
}

// Time is the day's midnight in a zone.
func (d Day) Time(zone *time.Location) time.Time {
	y, m, day := time.Unix(int64(d)*secondsOfDay, 0).UTC().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, zone)
}

// String is the day in the form 2026-11-25.
func (d Day) String() string { return d.Time(time.UTC).Format(time.DateOnly) }

// ParseDay reads what String wrote.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	return DayOf(t), err
}
