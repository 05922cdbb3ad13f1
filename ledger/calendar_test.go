package ledger_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// testZones have what zones can do to a time of day: they skip an hour, half an hour, two,
// the hour after midnight or, in Samoa, the 30th of December 2011.
var testZones = []string{"UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo",
	"Africa/Casablanca", "Asia/Gaza", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia", "Pacific/Kiritimati", "America/Argentina/Buenos_Aires", "Etc/GMT+12"}

// slowly finds the occurrences of a calendar after a time by looking at each day and, of those
// that count, at each minute that the zone's clocks show.
func slowly(t testing.TB, c *ledger.Calendar, after int64, n int) (found []ledger.Occurrence) {
	t.Helper()
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		t.Fatal(err)
	}
	day := max(c.From, ledger.DayAt(after, zone)-2)
	for ; len(found) < n && (c.Until == 0 || day <= c.Until) && (c.Count == 0 || len(found) < c.Count); day++ {
		if !falls(c, day) {
			continue
		}
		if at := minuteShown(day.Time(time.UTC), c.Minute, zone); at > after {
			found = append(found, ledger.Occurrence{N: len(found) + 1, Day: day, At: at})
		}
	}
	return found
}

func falls(c *ledger.Calendar, day ledger.Day) bool {
	date := day.Time(time.UTC)
	if c.Every == ledger.Weekly {
		return date.Weekday() == c.Weekday
	}
	tomorrow := date.AddDate(0, 0, 1)
	return date.Day() == c.Date || date.Day() < c.Date && tomorrow.Day() == 1
}

// minuteShown walks through the minutes around a day: the first at which the clocks show the
// wanted time, or else the first at which they show a later one.
func minuteShown(day time.Time, minute int, zone *time.Location) int64 {
	wanted := day.Add(time.Duration(minute) * time.Minute).Format("2006-01-02 15:04")
	t := day.Add(-15 * time.Hour)
	for t.In(zone).Format("2006-01-02 15:04") < wanted {
		t = t.Add(time.Minute)
	}
	return t.UnixMicro()
}

// occurrences are the first n of a calendar after a time.
func occurrences(t testing.TB, c *ledger.Calendar, after int64, n int) (found []ledger.Occurrence) {
	t.Helper()
	o, ok, err := c.First(after)
	for ; ok && err == nil && len(found) < n; o, ok, err = c.Next(o) {
		found = append(found, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCalendarIsWhatTheClocksShow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		day := rapid.Custom(func(rt *rapid.T) ledger.Day {
			return ledger.DayOf(time.Date(rapid.IntRange(2010, 2045).Draw(rt, "year"), 1, rapid.IntRange(1, 366).Draw(rt, "day"), 0, 0, 0, 0, time.UTC))
		})
		c := &ledger.Calendar{Every: rapid.SampledFrom([]ledger.Every{ledger.Weekly, ledger.Monthly}).Draw(rt, "every"),
			Weekday: time.Weekday(rapid.IntRange(0, 6).Draw(rt, "weekday")), Date: rapid.IntRange(1, 31).Draw(rt, "date"),
			Minute: rapid.IntRange(0, 24*60-1).Draw(rt, "minute"), Zone: rapid.SampledFrom(testZones).Draw(rt, "zone"), From: day.Draw(rt, "from")}
		if rapid.Bool().Draw(rt, "ends") {
			c.Until = c.From + ledger.Day(rapid.IntRange(0, 200).Draw(rt, "days"))
		}
		if rapid.Bool().Draw(rt, "counted") {
			c.Count = rapid.IntRange(1, 5).Draw(rt, "count")
		}
		after := (c.From + ledger.Day(rapid.IntRange(-40, 40).Draw(rt, "off"))).Time(time.UTC).UnixMicro() + rapid.Int64Range(0, 24*3600*1e6).Draw(rt, "into the day")
		if got, want := occurrences(t, c, after, 6), slowly(t, c, after, 6); !slices.Equal(got, want) {
			rt.Fatalf("%+v after %s:\n%v\nwant\n%v", c, time.UnixMicro(after).UTC(), got, want)
		}
	})
}

// Ten years of the last days of months, leap years among them.
func TestMonthEnds(t *testing.T) {
	for date := 28; date <= 31; date++ {
		for _, zone := range []string{"Asia/Kolkata", "Europe/Berlin", "America/New_York"} {
			c := &ledger.Calendar{Every: ledger.Monthly, Date: date, Minute: 2*60 + 30, Zone: zone, From: ledger.DayOf(time.Date(2023, 12, 15, 0, 0, 0, 0, time.UTC)), Count: 120}
			got := occurrences(t, c, 0, 200)
			if len(got) != 120 {
				t.Fatalf("%d of 120", len(got))
			}
			for n, o := range got {
				month := time.Date(2023, time.Month(12+n), 1, 0, 0, 0, 0, time.UTC)
				want := time.Date(month.Year(), month.Month(), date, 0, 0, 0, 0, time.UTC)
				if want.Month() != month.Month() { // there is no such date
					want = month.AddDate(0, 1, -1)
				}
				if o.Day != ledger.DayOf(want) || o.N != n+1 {
					t.Errorf("on the %d: %d is on %s, want %s", date, o.N, o.Day, want.Format(time.DateOnly))
				}
			}
			if want := slowly(t, c, 0, 200); !slices.Equal(got, want) {
				t.Errorf("on the %d, %s: %v\nwant %v", date, zone, got, want)
			}
		}
	}
	for _, c := range []struct {
		date, year int
		want       string
	}{{29, 2027, "2027-02-28"}, {30, 2028, "2028-02-29"}, {31, 2028, "2028-02-29"}, {29, 2028, "2028-02-29"}, {31, 2100, "2100-02-28"}, {28, 2028, "2028-02-28"}} {
		from := time.Date(c.year, 2, 1, 0, 0, 0, 0, time.UTC)
		o := occurrences(t, &ledger.Calendar{Every: ledger.Monthly, Date: c.date, Zone: "UTC", From: ledger.DayOf(from)}, from.UnixMicro()-1, 2)
		if o[0].Day.String() != c.want || o[1].Day.Time(time.UTC).Day() != c.date {
			t.Errorf("on the %d: %s and %s, want %s", c.date, o[0].Day, o[1].Day, c.want)
		}
	}
}

// Where the clocks are put forward the time does not exist, where they are put back there
// are two of it: it is done once all the same.
func TestSummerTime(t *testing.T) {
	for _, c := range []struct {
		zone, day string
		minute    int
		want      string
	}{
		{"Europe/Berlin", "2027-03-28", 2*60 + 30, "2027-03-28T01:00:00Z"}, // 02:00 becomes 03:00
		{"Europe/Berlin", "2027-03-28", 2 * 60, "2027-03-28T01:00:00Z"},
		{"Europe/Berlin", "2027-03-28", 1*60 + 59, "2027-03-28T00:59:00Z"},
		{"Europe/Berlin", "2027-03-28", 3 * 60, "2027-03-28T01:00:00Z"},
		{"Europe/Berlin", "2027-10-31", 2*60 + 30, "2027-10-31T00:30:00Z"}, // and again at 01:30Z
		{"Europe/Berlin", "2027-10-31", 3 * 60, "2027-10-31T02:00:00Z"},
		{"America/New_York", "2027-03-14", 2*60 + 30, "2027-03-14T07:00:00Z"},
		{"America/New_York", "2027-11-07", 1*60 + 30, "2027-11-07T05:30:00Z"},
		{"America/New_York", "2027-11-07", 2 * 60, "2027-11-07T07:00:00Z"},
		{"Australia/Lord_Howe", "2027-10-03", 2*60 + 15, "2027-10-02T15:30:00Z"}, // half an hour
		{"Europe/Berlin", "2040-12-31", 9 * 60, "2040-12-31T08:00:00Z"},          // where ZoneBounds fails
		{"Australia/Lord_Howe", "2041-01-01", 12 * 60, "2041-01-01T01:00:00Z"},
		{"Pacific/Apia", "2011-12-30", 9 * 60, "2011-12-30T10:00:00Z"}, // a day that Samoa left out
	} {
		day, err := ledger.ParseDay(c.day)
		if err != nil {
			t.Fatal(err)
		}
		weekly := &ledger.Calendar{Every: ledger.Weekly, Weekday: day.Time(time.UTC).Weekday(), Minute: c.minute, Zone: c.zone, From: day}
		got := occurrences(t, weekly, day.Time(time.UTC).AddDate(0, 0, -3).UnixMicro(), 2)
		if at := time.UnixMicro(got[0].At).UTC().Format(time.RFC3339); at != c.want || got[1].Day != day+7 {
			t.Errorf("%s in %s, minute %d: %s and then %s, want %s", c.day, c.zone, c.minute, at, got[1].Day, c.want)
		}
		// It is the first after any earlier time, and not after itself.
		first, ok, err := weekly.First(got[0].At - 1)
		if err != nil || !ok || first.At != got[0].At {
			t.Errorf("%s in %s: just before it the next is %v, %v", c.day, c.zone, first, err)
		}
		if first, ok, err = weekly.First(got[0].At); err != nil || !ok || first.At <= got[0].At {
			t.Errorf("%s in %s: at its time the next is %v, %v", c.day, c.zone, first, err)
		}
	}
}

func TestZonesThatAreNone(t *testing.T) {
	for _, name := range []string{"", "Local", "localtime", "../etc/passwd", "/etc/localtime", "Asia/../Asia/Kolkata", "right/Asia/Kolkata", "posix/Asia/Kolkata",
		"Asia/Kolkata ", "asia/kolkata", "Asia/Atlantis", "+05:30", "IST-5:30", "Asia/Kolkata\x00", "A/B/C/D"} {
		if zone, err := ledger.LoadZone(name); !errors.Is(err, ledger.ErrZone) {
			t.Errorf("%q is %v, %v", name, zone, err)
		}
		weekly := &ledger.Calendar{Every: ledger.Weekly, Zone: name}
		if _, _, err := weekly.First(0); !errors.Is(err, ledger.ErrZone) {
			t.Errorf("%q: first: %v", name, err)
		}
		if _, _, err := weekly.Next(ledger.Occurrence{}); !errors.Is(err, ledger.ErrZone) {
			t.Errorf("%q: next: %v", name, err)
		}
	}
	for _, name := range append(testZones, "America/Port-au-Prince", "Africa/Dar_es_Salaam", "GB-Eire", "America/Indiana/Tell_City", "Etc/GMT-14") {
		for range 2 { // once remembered
			if zone, err := ledger.LoadZone(name); err != nil || zone.String() != name {
				t.Errorf("%q is %v, %v", name, zone, err)
			}
		}
	}
}
