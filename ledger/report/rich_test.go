package report_test

import (
	"testing"

	"bahi/ledger/report"
	"bahi/ledger/report/reporttest"
)

// The sums of every report are those that the verifier derives, account by account.
func TestReportsAgreeWithTheVerifier(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			for seed := 11; seed <= 13; seed++ {
				if name != "memory" && seed < 13 {
					continue
				}
				if seed == 13 {
					report.AtOnce(t, 3) // accounts go on in the next page
				}
				p := plans.Example(seed)
				w := newWorld(t, open(t), p.skew...)
				p.play(w)
				if err := reporttest.Check(background, w.store); err != nil {
					t.Error(err)
				}
				w.close()
			}
		})
	}
}
