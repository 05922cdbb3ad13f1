package main

import (
	"fmt"
	"strings"

	"bahi/banks"
	"bahi/banks/remote"
)

// maxInFlight is how many instructions a bank's process may be asked at once:
// two full leases.
const maxInFlight = 1000

// remoteBank is a bank that a process of its own drives, as the command line names it.
type remoteBank banks.Bank

// UnmarshalText reads CODE:IFSC:handle,handle…
func (b *remoteBank) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ":")
	if len(parts) != 3 {
		return fmt.Errorf("%q is not of the form CODE:IFSC:handle,handle", text)
	}
	*b = remoteBank{Code: parts[0], Name: parts[0], IFSCPrefix: parts[1], MaxInFlight: maxInFlight}
	if parts[2] != "" {
		b.Handles = strings.Split(parts[2], ",")
	}
	return nil
}

// remoteEntries lists them as a banks file would.
func remoteEntries(list []remoteBank) (entries []bankEntry) {
	for _, b := range list {
		entries = append(entries, bankEntry{bank: banks.Bank(b), rail: remoteRail})
	}
	return entries
}

const remoteRail = "remote"

// openRemote gives a bank the near end of its process.
func openRemote(_ *node, _ *bankEntry, before *opened) (*opened, error) {
	if before != nil {
		return &opened{Adapter: before.Adapter, close: before.close}, nil
	}
	bank := remote.New(remote.Config{})
	return &opened{Adapter: bank, close: bank.Close}, nil
}
