package api

import "bahi/ledger"

// sight is how much of what a person can be known by somebody is shown.
type sight uint8

const (
	sightNone  sight = iota // of auditors and operators: of an account's number its last digits, else nothing
	sightOwn                // of chat backends, which told us themselves: all but accounts' numbers, of which they see as much
	sightWhole              // of inspectors
)

// sightOf is what the holder of a key sees.
func sightOf(k *ledger.Key) sight {
	switch k.Role {
	case ledger.RoleChat:
		return sightOwn
	case ledger.RoleInspector:
		return sightWhole
	}
	return sightNone
}

// text is what people wrote or are called, phones and UPI ids among it.
func (s sight) text(v string) string {
	if s == sightNone {
		return ""
	}
	return v
}

// account is an account's number.
func (s sight) account(number string) string {
	if s == sightWhole {
		return number
	}
	return masked(number)
}
