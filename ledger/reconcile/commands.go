package reconcile

import "bahi/ledger"

// CodeRunSuperseded is the refusal of what a run writes that another has overtaken.
const CodeRunSuperseded = "run_superseded"

var errSuperseded error = &ledger.Refusal{Code: CodeRunSuperseded, Detail: "another run of the reconciliation has begun since: this one stops, and what it has written so far stands"}

// StartRun begins a run of the reconciliation, and with it ends the last one's
// right to write. It returns the [ledger.Run], and is refused with
// [CodeRunSuperseded] if another one has begun since.
type StartRun struct {
	Last ledger.Run // as read before the batch; the zero value before the first
	Run  ledger.Run // From, Until and By
}

// Declare implements [ledger.Command].
func (c StartRun) Declare(s *ledger.Set) {
	s.Runs.Want(c.Last.N)
	s.Runs.Want(c.Last.N + 1)
}

// Apply implements [ledger.Command].
func (c StartRun) Apply(s *ledger.Set) (any, error) {
	if _, taken := s.Runs.Get(c.Last.N + 1); taken {
		return nil, errSuperseded
	}
	if last, ok := s.Runs.Get(c.Last.N); ok {
		last.Superseded = true
		s.Runs.Put(last.N, last)
	}
	run := c.Run
	run.N, run.Began = c.Last.N+1, s.Now
	s.Runs.Put(run.N, run)
	return run, nil
}

// EndRun notes what a run has counted. It returns the [ledger.Run].
type EndRun struct {
	Run ledger.Run
}

// Declare implements [ledger.Command].
func (c EndRun) Declare(s *ledger.Set) { s.Runs.Want(c.Run.N) }

// Apply implements [ledger.Command].
func (c EndRun) Apply(s *ledger.Set) (any, error) {
	now, err := current(s, c.Run.N)
	if err != nil {
		return nil, err
	}
	if now.Ended == 0 {
		run := c.Run
		run.Began, run.Ended = now.Began, max(s.Now, now.Began)
		s.Runs.Put(run.N, run)
		now = run
	}
	return now, nil
}

// current is the run, as long as none has begun after it.
func current(s *ledger.Set, n int64) (ledger.Run, error) {
	run, ok := s.Runs.Get(n)
	if !ok || run.Superseded {
		return run, errSuperseded
	}
	return run, nil
}

// Reconciled is a part of what a run has found. Storing it again changes nothing.
type Reconciled struct {
	Run       int64
	Matches   []ledger.Match
	Unmatched []ledger.Match // that were stored and are none any more
	Findings  []Finding
	Gone      []ledger.ID // breaks of which nothing is found any more
}

// Finding is a break as a run has found it.
type Finding struct {
	Break ledger.Break      // with its deadline
	Was   ledger.BreakState // in the snapshot that the run has read; 0 where there was none
}

// Declare implements [ledger.Command].
func (c Reconciled) Declare(s *ledger.Set) {
	s.Runs.Want(c.Run)
	FileBreaks{c.Findings, c.Gone}.Declare(s)
}

// Apply implements [ledger.Command]; it returns nothing.
func (c Reconciled) Apply(s *ledger.Set) (any, error) {
	if _, err := current(s, c.Run); err != nil {
		return nil, err
	}
	s.Matches = append(s.Matches, c.Matches...)
	s.Unmatched = append(s.Unmatched, c.Unmatched...)
	return FileBreaks{c.Findings, c.Gone}.Apply(s)
}

// FileBreaks opens, changes and closes breaks as they were found. It returns nothing.
type FileBreaks struct {
	Findings []Finding
	Gone     []ledger.ID // of which nothing is found any more
}

// Declare implements [ledger.Command].
func (c FileBreaks) Declare(s *ledger.Set) {
	for i := range c.Findings {
		s.Breaks.Want(c.Findings[i].Break.ID)
	}
	for _, id := range c.Gone {
		s.Breaks.Want(id)
	}
}

// Apply implements [ledger.Command].
func (c FileBreaks) Apply(s *ledger.Set) (any, error) {
	for i := range c.Findings {
		c.Findings[i].take(s)
	}
	for _, id := range c.Gone {
		if b, ok := s.Breaks.Get(id); ok && b.State == ledger.BreakOpen {
			b.State, b.Resolution = ledger.BreakClosed, ledger.Agreed
			s.Note(&b, ledger.NoteClosed, runner, b.Resolution.String())
			s.Breaks.Put(id, b)
		}
	}
	return nil, nil
}

// runner is who changes breaks on behalf of a run.
const runner = "reconciliation"

// take opens the break, changes it or opens it again.
func (f *Finding) take(s *ledger.Set) {
	b, known := s.Breaks.Get(f.Break.ID)
	what := ledger.NoteChanged
	switch {
	case !known:
		b, what = f.Break, ledger.NoteOpened
		b.Opened = s.Now
	case b.State == ledger.BreakOpen && b.Same(&f.Break):
		return
	case b.State == ledger.BreakClosed && f.Was == ledger.BreakOpen:
		return // it was closed since the run looked: the next one looks again
	case b.State == ledger.BreakClosed && b.Resolution != ledger.Agreed && b.Same(&f.Break):
		return // as it was when it was corrected or dismissed
	case b.State == ledger.BreakClosed:
		what = ledger.NoteReopened
	}
	b.Day, b.Deadline, b.Steps = f.Break.Day, f.Break.Deadline, f.Break.Steps
	b.Ours, b.Theirs = f.Break.Ours, f.Break.Theirs
	b.Bank, b.Switch, b.Book = f.Break.Bank, f.Break.Switch, f.Break.Book
	b.State, b.Resolution = ledger.BreakOpen, 0
	s.Note(&b, what, runner, facts(&b))
	s.Breaks.Put(b.ID, b)
}

// facts are a break's words and figures, for its history.
func facts(b *ledger.Break) string {
	text := "bank " + b.Bank.String() + ", switch " + b.Switch.String() + ", book " + b.Book.String()
	return text + "; ours " + ledger.Amount{Minor: b.Ours, Currency: b.Currency}.String() + ", theirs " + ledger.Amount{Minor: b.Theirs, Currency: b.Currency}.String() + " " + string(b.Currency)
}
