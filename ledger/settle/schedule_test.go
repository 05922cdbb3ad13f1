package settle

import (
	"testing"
	"time"
	_ "time/tzdata"

	"bahi/ledger"
)

func moment(t *testing.T, zone *time.Location, s string) int64 {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05.000000", s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMicro()
}

func TestWindowsOfTheDay(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	s := UPI()
	if n, err := s.Check(); err != nil {
		t.Fatalf("slot %d: %v", n, err)
	}
	for _, c := range []struct{ now, transfers, disputes string }{
		{"2026-11-25 00:00:00.000000", "upi-2026-11-24-10", "upi-2026-11-24-12"},
		{"2026-11-24 23:59:59.999999", "upi-2026-11-24-09", "upi-2026-11-24-11"},
		{"2026-11-25 00:00:00.000001", "upi-2026-11-24-10", "upi-2026-11-24-12"},
		{"2026-11-25 04:59:59.999999", "upi-2026-11-24-10", "upi-2026-11-24-12"},
		{"2026-11-25 05:00:00.000000", "upi-2026-11-25-01", "upi-2026-11-24-12"},
		{"2026-11-25 07:00:00.000000", "upi-2026-11-25-02", "upi-2026-11-24-12"},
		{"2026-11-25 11:59:59.999999", "upi-2026-11-25-04", "upi-2026-11-24-12"},
		{"2026-11-25 12:00:00.000000", "upi-2026-11-25-04", "upi-2026-11-25-11"},
		{"2026-11-25 20:59:59.999999", "upi-2026-11-25-08", "upi-2026-11-25-11"},
		{"2026-11-25 21:00:00.000000", "upi-2026-11-25-09", "upi-2026-11-25-11"},
		{"2027-01-01 00:30:00.000000", "upi-2026-12-31-10", "upi-2026-12-31-12"},
		{"2028-02-29 06:00:00.000000", "upi-2028-02-29-01", "upi-2028-02-28-12"},
	} {
		now := moment(t, kolkata, c.now)
		if got := s.lastOver(ledger.WindowTransfers, now).ID; got != c.transfers {
			t.Errorf("at %s the last window for transfers is %s, want %s", c.now, got, c.transfers)
		}
		if got := s.lastOver(ledger.WindowDisputes, now).ID; got != c.disputes {
			t.Errorf("at %s the last window for disputes is %s, want %s", c.now, got, c.disputes)
		}
	}
	w, ok := s.Find("upi-2026-11-25-10")
	if !ok || w.From != moment(t, kolkata, "2026-11-25 21:00:00.000000") || w.Until != moment(t, kolkata, "2026-11-26 00:00:00.000000") || w.Day.String() != "2026-11-25" || w.N != 10 {
		t.Errorf("the last window of the day is %+v", w)
	}
	for _, id := range []string{"", "upi", "upi-2026-11-25", "upi-2026-11-25-00", "upi-2026-11-25-13", "upi-2026-11-25-3", "upi-2026-11-25-+3", "upi-2026-02-30-01",
		"upi-2026-1-25-003", "UPI-2026-11-25-03", "imps-2026-11-25-03", "upi-2026-11-25-03 ", "upi/2026-11-25/03"} {
		if w, ok := s.Find(id); ok {
			t.Errorf("%q names window %+v", id, w)
		}
	}
}

// In a year of days the windows of a kind follow each other without a gap, in the
// order of their names, also where a day has 23 or 25 hours.
func TestWindowsFollowEachOther(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range []*time.Location{india, berlin} {
		s := UPI()
		s.Zone = zone
		hours := map[time.Duration]int{}
		for _, kind := range s.kinds() {
			w := s.lastOver(kind, moment(t, zone, "2026-01-01 00:00:00.000000"))
			for n := 0; w.Day < 20454+365; n++ { // until 2027
				next := s.next(&w)
				if next.From != w.Until || next.Until <= next.From || next.ID <= w.ID || next.Kind != kind {
					t.Fatalf("%s: %+v is followed by %+v", zone, w, next)
				}
				if found, ok := s.Find(next.ID); !ok || found.From != next.From || found.Until != next.Until {
					t.Fatalf("%s is found as %+v", next.ID, found)
				}
				if last := s.lastOver(kind, next.Until); last.ID != next.ID {
					t.Fatalf("at the end of %s the last window is %s", next.ID, last.ID)
				}
				w = next
				hours[time.Duration(w.Until-w.From)*time.Microsecond]++
			}
		}
		odd := hours[4*time.Hour] + hours[6*time.Hour] + hours[11*time.Hour] + hours[13*time.Hour]
		if want := map[*time.Location]int{india: 0, berlin: 4}[zone]; odd != want {
			t.Errorf("%s: %d windows are longer or shorter than on other days, want %d", zone, odd, want)
		}
	}
}

// A changed schedule goes on behind the windows that were closed under the old one.
func TestNextAfterTheScheduleChanged(t *testing.T) {
	s := UPI()
	closed, _ := s.Find("upi-2026-11-25-04") // 9 to 11
	changed := &Schedule{Scheme: "upi", Zone: india, Slots: []Slot{{ledger.WindowTransfers, 0, 6 * 60}, {ledger.WindowTransfers, 6 * 60, 12 * 60},
		{ledger.WindowTransfers, 12 * 60, 13 * 60}, {ledger.WindowTransfers, 13 * 60, 14 * 60}, {ledger.WindowTransfers, 14 * 60, 24 * 60}}}
	// Its second and third window end later, but their names are of windows that are closed.
	if got := changed.next(&closed); got.ID != "upi-2026-11-25-05" {
		t.Errorf("next is %s", got.ID)
	}
	changed.Slots = changed.Slots[:2]
	if got := changed.next(&closed); got.ID != "upi-2026-11-26-01" {
		t.Errorf("next is %s", got.ID)
	}
}

func TestSlotsThatAreRefused(t *testing.T) {
	const hour = 60
	for want, slots := range map[int][]Slot{
		1: {{ledger.WindowTransfers, 0, 5 * hour}, {ledger.WindowTransfers, 4 * hour, 6 * hour}},
		2: {{ledger.WindowTransfers, 0, 5 * hour}, {ledger.WindowDisputes, 0, 6 * hour}, {ledger.WindowTransfers, 21 * hour, 3 * hour}},
		0: {{ledger.WindowDisputes, 0, 5 * hour}},
	} {
		if n, err := (&Schedule{Slots: slots}).Check(); err == nil || n != want {
			t.Errorf("%v: slot %d, %v", slots, n, err)
		}
	}
	for _, s := range []string{"24:01", "25:00", "5:00", "05:60", "05-00", "", "05:00:00", "-1:00", "+5:00"} {
		if c, ok := ParseClock(s); ok {
			t.Errorf("%q is %s", s, c)
		}
	}
	if c, ok := ParseClock("24:00"); !ok || c != endOfDay {
		t.Errorf("24:00 is %s", c)
	}
}
