package main

import "bahi/banks"

// simulatedBanks are the banks that come with Bahi, to try everything without a
// real one. Their names are rivers, no real bank's.
var simulatedBanks = []banks.Bank{
	{Code: "NRMD", Name: "Narmada Bank", IFSCPrefix: "NRMD", Handles: []string{"narmada"}},
	{Code: "KVRI", Name: "Kaveri Bank", IFSCPrefix: "KVRI", Handles: []string{"kaveri"}},
	{Code: "GDVR", Name: "Godavari Bank", IFSCPrefix: "GDVR", Handles: []string{"godavari"}},
	{Code: "STLJ", Name: "Sutlej Bank", IFSCPrefix: "STLJ", Handles: []string{"sutlej"}},
}

// simulatedEntries lists them as a banks file would.
func simulatedEntries() (entries []bankEntry) {
	for _, b := range simulatedBanks {
		entries = append(entries, bankEntry{bank: b, rail: simRail})
	}
	return entries
}

// openingBalance is what every account at a simulated bank begins with: INR 1,00,000.00.
const openingBalance = 100_000_00
