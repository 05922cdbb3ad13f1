// Package endtoend holds the test that takes Bahi's whole work in: transfers through
// faulty simulated banks, what the banks and the switch say of them, with mistakes of
// every kind in it, the corrections, and the settlement.
package endtoend
