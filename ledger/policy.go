package ledger

import "time"

// Policy holds the timers of a transfer's life. The defaults are UPI's.
type Policy struct {
	Submit      time.Duration   // how long a bank may take to answer an instruction
	Check       time.Duration   // how long a bank may take to answer a status check or a reversal
	Takeover    time.Duration   // how long after that an instruction without a result is taken up again
	QueueLimit  time.Duration   // how long a debit may wait to be sent before it expires
	Checks      []time.Duration // after how long since it was made a silent instruction is asked after; then it is reversed
	Reversals   []time.Duration // after how long since it was made a reversal is tried again; then it is given up
	DecideAfter time.Duration   // how long reconciliation has for a transfer in doubt

	RemindEvery time.Duration // how long after a reminder of an ask there may be another one
	RemindDaily int           // how many there may be within 24 hours; 0: any number

	PotLasts time.Duration // how long money that is put aside may be claimed where nothing else is said

	Limits       *Limits        // nil: none
	Zone         *time.Location // of the banks' business days; nil: India's
	ApproveAbove int64          // corrections of more than so many rupees (euros, yen) need a second person; below zero: none does
}

// india has no summer time.
var india = time.FixedZone("IST", 5*60*60+30*60)

// Day is the business day of a moment (Unix microseconds).
func (p *Policy) Day(micros int64) Day { return DayAt(micros, p.Location()) }

// Location is where the business days begin and end.
func (p *Policy) Location() *time.Location {
	if p.Zone == nil {
		return india
	}
	return p.Zone
}

// debitTime is how long after its transfer was made a debit is still welcome.
func (p *Policy) debitTime() time.Duration { return p.QueueLimit + p.Submit + p.Takeover }

// DefaultPolicy is UPI's: 15 s for an answer, no status check before 90 s, at
// most three within two hours, a decision by the next day.
func DefaultPolicy() Policy {
	return Policy{
		Submit:      15 * time.Second,
		Check:       10 * time.Second,
		Takeover:    15 * time.Second,
		QueueLimit:  15 * time.Second,
		Checks:      []time.Duration{90 * time.Second, 15 * time.Minute, 2 * time.Hour},
		Reversals:   []time.Duration{90 * time.Second, 15 * time.Minute, 2 * time.Hour},
		DecideAfter: 24 * time.Hour,

		RemindEvery: time.Hour,
		RemindDaily: 3,
		PotLasts:    24 * time.Hour,

		ApproveAbove: 10_000,
	}
}
