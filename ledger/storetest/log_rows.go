package storetest

import "bahi/ledger"

func (s some) access() ledger.Access { return s.accessAt(s.time()) }

func (s some) accessAt(at int64) ledger.Access {
	return ledger.Access{ID: s.id(), Who: s.text(), Role: s.text(), What: s.text(), Subject: s.text(), Denied: s.IntN(2) == 0, Reason: s.text(), Times: 1 + s.Int64N(1e6), At: at}
}

func (s some) erasure() ledger.Erasure {
	return ledger.Erasure{Party: s.id(), By: s.text(), At: s.time()}
}
