package crdbproxy

// Fault is what befalls a statement. The zero value is none.
type Fault int

const (
	// None lets the statement through.
	None Fault = iota

	// Restart answers that the transaction must be restarted, and lets it fail
	// on the server. A rollback is never answered so, and goes through.
	Restart

	// RestartLate lets the server answer a read, and says in place of its last
	// word that the transaction must be restarted: all rows have come by then.
	RestartLate

	// DropBefore closes the connection and does not tell the server of the
	// statement. The transaction is undone when the client sees the end.
	DropBefore

	// DropAfter lets the server execute the statement, with all of the pipeline
	// before it, and closes the connection in place of the answer: a commit is
	// then stored, and its client cannot know.
	DropAfter
)

// Inject sets what decides about each statement that a client executes, in
// place of what was set before; nil for no faults. It is called by several
// goroutines, and for a prepared statement with the text that was prepared.
func (p *Proxy) Inject(decide func(sql string) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

func (p *Proxy) fault(sql string) Fault {
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	if decide == nil {
		return None
	}
	return decide(sql)
}
