//go:build race

package audit_test

import "flag"

// The race detector makes each try of a property slow, and tries of other kinds are made
// without it.
func init() {
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
}
