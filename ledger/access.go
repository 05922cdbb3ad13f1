package ledger

// Access is that somebody looked at the book, or tried to. It is in the log before
// the answer is given. Accesses are only ever added.
type Access struct {
	ID      ID
	Who     string // an API key's outside form, or the name of an operating system's user, as "user:asha"; "unknown" of who had no valid key
	Role    string // of the key; empty for a user
	What    string // the route, as "GET /v1/export", or the command, as "bahi export"
	Subject string // what of it, in words that name no person: ids, a range, a format
	Denied  bool
	Reason  string // why it was denied: a code of problems
	Times   int64  // how often; denials that follow each other closely are counted together, in a flood those of several as "others"
	At      int64  // Unix microseconds
}

// RecordAccess records that somebody looks at the book. It returns the [Access].
type RecordAccess struct {
	Access Access // all but At
}

// Declare implements [Command].
func (c RecordAccess) Declare(*Set) {}

// Apply implements [Command].
func (c RecordAccess) Apply(s *Set) (any, error) {
	a := c.Access
	a.At = s.Now
	s.Accesses = append(s.Accesses, a)
	return a, nil
}
