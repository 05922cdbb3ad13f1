package memory

import "bahi/ledger"

// Of what is sealed the plain form is not kept, as in a database that has no columns for it.

// saveTransfer keeps a transfer; of one that is known only how far it is changes.
func (b *book) saveTransfer(id ledger.ID, t *ledger.Transfer, _ bool) {
	now := *t
	if known, ok := b.transfers[id]; ok {
		now.Payer, now.Payee, now.Note, now.Metadata = known.Payer, known.Payee, known.Note, known.Metadata
	}
	if now.Payer.Mark != [32]byte{} {
		now.Note, now.Metadata = "", ""
	}
	closeEnd(&now.Payer)
	closeEnd(&now.Payee)
	b.transfers[id] = now
}

func closeEnd(e *ledger.End) {
	if e.Mark != [32]byte{} {
		e.Name, e.Account, e.UPI = "", "", ""
	}
}

func closedParty(p ledger.Party) ledger.Party {
	if p.Sealed != "" {
		p.Name = ""
	}
	return p
}

func closedInstrument(i ledger.Instrument) ledger.Instrument {
	if i.Sealed != "" {
		i.Value, i.UPI = "", ""
	}
	return i
}

func closedAnswer(a ledger.Answer) ledger.Answer {
	if a.Sealed != nil {
		a.RequestHash, a.Body, a.About = [32]byte{}, nil, nil
	}
	return a
}
