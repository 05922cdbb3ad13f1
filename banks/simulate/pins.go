package simulate

import (
	"bahi/banks"
	"bahi/ledger"
)

// pins are the payers' credentials, by transfer, and how often a bank was sent each.
type pins map[ledger.ID]int

// make is a credential for a transfer that is about to be made.
func (p pins) make(t ledger.ID) banks.Credential {
	p[t] = 0
	return banks.NewCredential("PIN of " + t.TransferRef())
}

// checkPIN demands that a debit whose payer has a credential is sent with it and
// at most once, and that nothing else comes with one.
func (w *world) checkPIN(what string, i *banks.Instruction) {
	sent, has := w.pins[i.ID.Transfer]
	want := ""
	if has && what == "submit" && i.ID.Leg == ledger.LegDebit {
		want = "PIN of " + i.ID.Transfer.TransferRef()
		w.pins[i.ID.Transfer]++
	}
	if got := i.Credential.Reveal(); got != want || want != "" && sent > 0 {
		w.found("%s %s comes with the credential %q, want %q; it was sent %d times before", what, i.ID, got, want, sent)
	}
}

// checkForgotten demands that no node keeps a credential once nothing is to be sent.
func (w *world) checkForgotten() {
	for _, n := range w.nodes {
		if n.up() && n.banks.Entrusted() > 0 {
			w.found("%s keeps %d credentials", n.name(), n.banks.Entrusted())
		}
	}
}
