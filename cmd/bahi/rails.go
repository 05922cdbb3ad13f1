package main

import (
	"fmt"
	"path/filepath"

	"bahi/banks"
	"bahi/banks/sim"
)

// rail opens the adapter of a bank from its entry. What it opens may change when
// the entry does: before is what the bank has had so far, or nil. A rail goes on
// with the same adapter, and lets the change hold by begin; or it opens another,
// and the one before is closed once its calls have ended.
type rail func(n *node, e *bankEntry, before *opened) (*opened, error)

// rails are all there are, by the name that a banks file calls them.
var rails = map[string]rail{simRail: openSim, remoteRail: openRemote}

// opened is a bank's adapter as its rail opened it.
type opened struct {
	banks.Adapter
	begin func()       // lets the entry hold, once its whole file is taken in; nil: nothing to do
	close func() error // nil: nothing to do

	entry bankEntry
}

const simRail = "sim"

// openSim opens a simulated bank, with a book of its own in the data directory.
func openSim(n *node, e *bankEntry, before *opened) (*opened, error) {
	profile := sim.Profiles[e.profile]
	if before != nil { // its book has one writer
		bank := before.Adapter.(*sim.Bank)
		return &opened{Adapter: bank, begin: func() { bank.Behave(e.latency, profile) }, close: before.close}, nil
	}
	bank, err := sim.Open(sim.Config{Code: e.bank.Code, IFSC: e.bank.IFSCPrefix + "0000001", Path: filepath.Join(n.data, simJournal(e.bank.Code)),
		Clock: banks.WallClock{}, OpeningBalance: openingBalance, Latency: e.latency, Profile: profile})
	if err != nil {
		return nil, fmt.Errorf("simulated bank %s: %w", e.bank.Code, err)
	}
	bank.SetReporter(n.dispatcher)
	return &opened{Adapter: bank, close: bank.Close}, nil
}

// simJournal is the name of the file with a simulated bank's book.
func simJournal(code string) string { return "bank-" + code + ".jsonl" }
