package ledger

// Refused is a command that was refused before its batch, by what was read
// then. It goes through the pipeline all the same for its idempotency key: a
// repeat gets its first answer even where the same request would be refused today.
type Refused struct {
	Why error
}

// Declare implements [Command].
func (Refused) Declare(*Set) {}

// Apply implements [Command]: it always refuses.
func (c Refused) Apply(*Set) (any, error) { return nil, c.Why }
