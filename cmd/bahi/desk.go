package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
	_ "time/tzdata" // the zone is known on every machine

	"bahi/ledger"
	"bahi/ledger/address"
	"bahi/ledger/reconcile"
)

// rules are what reconciliation and settlement go by.
type rules struct {
	Zone         string `help:"Where the banks' business days begin and end." default:"Asia/Kolkata" env:"BAHI_ZONE"`
	ApproveAbove int64  `help:"Corrections of more than so many rupees (dollars, yen) need a second person; -1: none does." default:"10000" env:"BAHI_APPROVE_ABOVE"`
}

// Validate is called by the parser.
func (r rules) Validate() error {
	if _, err := time.LoadLocation(r.Zone); err != nil || r.Zone == "" {
		return errors.New("--zone: the name of a time zone, such as Asia/Kolkata")
	}
	return nil
}

// apply sets what the rules say in a policy.
func (r rules) apply(p *ledger.Policy) {
	p.Zone, _ = time.LoadLocation(r.Zone) // was tried
	p.ApproveAbove = r.ApproveAbove
}

// desk is the book as an operator works on it from the command line, also while
// servers use it.
type desk struct {
	storage
	rules
	As string `help:"Who does it, as histories have it; your login name if not given." env:"BAHI_AS"`
}

// Validate is called by the parser.
func (d desk) Validate() error {
	if d.As != "" && address.Text(d.As, maxUserName) != nil {
		return errors.New("--as: a name that can be read, of 99 characters at most")
	}
	return errors.Join(d.storage.Validate(), d.rules.Validate())
}

// who does it.
func (d desk) who() string {
	if d.As != "" {
		return d.As
	}
	return loginName()
}

// work opens the book for f, once it is written down who is at it and by which command.
func (d desk) work(ctx context.Context, command, subject string, f func(*reconcile.Desk) error) error {
	policy := ledger.DefaultPolicy()
	d.apply(&policy)
	counter := rand.Uint32()
	rrn := func() string {
		counter++
		return address.RRN(time.Now().In(policy.Location()), counter)
	}
	return d.storage.work(ctx, &policy, func(store ledger.Store, book *ledger.Pipeline) error {
		if err := accessed(ctx, book, d.who(), command, subject); err != nil {
			return err
		}
		return f(&reconcile.Desk{Book: book, Reader: store, Policy: &policy, Now: time.Now, RRN: rrn})
	})
}

// lastDays is the business days up to and with today.
func (d desk) lastDays(n int) (from, until ledger.Day) {
	zone, _ := time.LoadLocation(d.Zone) // was tried
	until = ledger.DayOf(time.Now().In(zone)) + 1
	return until - ledger.Day(n), until
}
