package main

import (
	"cmp"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // the zones of schemes, also where the machine has none

	"bahi/ledger"
	"bahi/ledger/settle"
)

// settlementYAML is a settlement file as it is written.
type settlementYAML struct {
	Scheme  at[string]   `yaml:"scheme"`
	Zone    at[string]   `yaml:"zone"`
	Windows []at[window] `yaml:"windows"`
	Fees    at[feesYAML] `yaml:"fees"`
}

type window struct {
	Kind  at[string] `yaml:"kind"`
	From  at[string] `yaml:"from"`
	Until at[string] `yaml:"until"`
}

type feesYAML struct {
	Currency at[string]            `yaml:"currency"`
	Default  at[string]            `yaml:"default"`
	Banks    map[string]at[string] `yaml:"banks"`
}

// Bounds of a settlement file.
const (
	maxSettlementFile = 1 << 20 // bytes
	maxWindows        = 99      // a day: a window's name ends in two digits
)

var (
	schemeName = regexp.MustCompile(`^[a-z0-9]{1,8}$`)
	bankCode   = regexp.MustCompile(`^[A-Z]{4}$`)
)

// readSchedule is the schedule of a settlement file, UPI's where there is none.
func readSchedule(path string) (*settle.Schedule, error) {
	if path == "" {
		return settle.UPI(), nil
	}
	return readSettings(path, "the settlement file", maxSettlementFile, parseSchedule)
}

func parseSchedule(text []byte, wrong *fileErrors) *settle.Schedule {
	var file settlementYAML
	switch err := decodeYAML(text, &file); {
	case err == io.EOF:
		wrong.add(1, "there is nothing in it")
		return nil
	case err != nil:
		wrong.addYAML(err)
		return nil
	}
	s := &settle.Schedule{Scheme: file.Scheme.value}
	if !schemeName.MatchString(s.Scheme) {
		wrong.add(max(1, file.Scheme.line), "scheme is 1 to 8 small letters and digits, such as upi")
	}
	var err error
	if s.Zone, err = time.LoadLocation(file.Zone.value); err != nil || file.Zone.value == "" || file.Zone.value == "Local" {
		wrong.add(max(1, file.Zone.line), "zone is the name of a time zone, such as Asia/Kolkata")
	}
	s.Slots = readSlots(file.Windows, wrong)
	if file.Fees.line != 0 {
		s.Fees = file.Fees.value.read(file.Fees.line, wrong)
	}
	return s
}

// readSlots reads the windows and checks them, in their order.
func readSlots(windows []at[window], wrong *fileErrors) []settle.Slot {
	if len(windows) > maxWindows {
		wrong.add(windows[maxWindows].line, "there are more than %d windows", maxWindows)
		return nil
	}
	before, slots := len(wrong.found), make([]settle.Slot, len(windows))
	for n := range windows {
		w := &windows[n].value
		line := func(key int) int { return cmp.Or(key, windows[n].line) }
		kind, known := ledger.ParseWindowKind(w.Kind.value)
		from, begins := settle.ParseClock(w.From.value)
		until, ends := settle.ParseClock(w.Until.value)
		if !known {
			wrong.add(line(w.Kind.line), "kind is transfers or disputes")
		}
		if !begins {
			wrong.add(line(w.From.line), "from is a time of the day, such as 05:00")
		}
		if !ends {
			wrong.add(line(w.Until.line), "until is a time of the day, such as 07:00, at most 24:00")
		}
		slots[n] = settle.Slot{Kind: kind, From: from, Until: until}
	}
	if len(wrong.found) > before {
		return nil
	}
	if n, err := (&settle.Schedule{Slots: slots}).Check(); err != nil {
		line := 1
		if n < len(windows) {
			line = windows[n].line
		}
		wrong.add(line, "%v", err)
	}
	return slots
}

func (y *feesYAML) read(start int, wrong *fileErrors) settle.Fees {
	fees := settle.Fees{Currency: ledger.Currency(cmp.Or(y.Currency.value, bankCurrency)), Banks: map[string]int64{}}
	if _, err := fees.Currency.Digits(); err != nil {
		wrong.add(y.Currency.line, "there is no currency %q", y.Currency.value)
		return fees
	}
	fee := func(v at[string]) int64 {
		a, err := ledger.ParseAmount(v.value, string(fees.Currency))
		if err != nil {
			wrong.add(cmp.Or(v.line, start), "a fee is a sum in %s for each transfer, such as 0.50: %v", fees.Currency, err)
		}
		return a.Minor
	}
	if y.Default.line != 0 {
		fees.Default = fee(y.Default)
	}
	for _, code := range slices.Sorted(maps.Keys(y.Banks)) {
		if !bankCode.MatchString(code) {
			wrong.add(y.Banks[code].line, "a bank's code is four capitals, not %q", code)
		}
		fees.Banks[code] = fee(y.Banks[code])
	}
	return fees
}
