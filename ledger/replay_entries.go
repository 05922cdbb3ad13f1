package ledger

// What beside transfers owns postings, and what breaks and windows add up to.

// take removes the postings that were kept for an entry: a commit's postings come before it.
func (r *Replay) take(id ID) []Posting {
	l := r.loose[id]
	if l == nil {
		return nil
	}
	delete(r.loose, id)
	return l.postings
}

func (r *Replay) correction(c *Correction) {
	where := c.ID.CorrectionRef()
	was, ok := r.corrections[c.ID]
	switch b := r.breakOf(c.Break); {
	case !ok && c.ID == CorrectionID(c.Break, b.corrections+1):
		b.corrections++
	case !ok && r.part.whole():
		r.violated("correction", where, "it is not the correction %d of its break, nor one that waits to be applied", b.corrections+1)
	case ok && (c.State <= was.State || !c.same(&was)):
		r.violated("correction", where, "it goes from %s to %s, or is another", was.State, c.State)
	}
	r.owes(where, c.owed(), r.take(c.ID))
	if c.State.open() {
		r.corrections[c.ID] = *c
	} else {
		delete(r.corrections, c.ID)
	}
}

// same says whether all that never changes of a correction is the same.
func (c *Correction) same(was *Correction) bool {
	return c.Break == was.Break && c.Transfer == was.Transfer && c.Leg == was.Leg && c.Bank == was.Bank && c.Action == was.Action &&
		c.Currency == was.Currency && c.Difference == was.Difference && c.ProposedBy == was.ProposedBy && c.Created == was.Created && c.Updated >= was.Updated
}

func (r *Replay) breakOf(id ID) *replayedBreak {
	b := r.breaks[id]
	if b == nil {
		b = &replayedBreak{}
		r.breaks[id] = b
	}
	return b
}

func (r *Replay) note(n *BreakNote) {
	b := r.breakOf(n.Break)
	if b.notes == 0 && !r.part.whole() {
		b.notes = n.N - 1
	}
	b.notes++
	if n.N != b.notes && !(r.part.Gaps && n.N > b.notes) {
		r.violated("notes", n.Break.BreakRef(), "line %d stands where line %d should", n.N, b.notes)
	}
	b.notes = n.N
	if n.At < b.at {
		r.violated("notes", n.Break.BreakRef(), "line %d is of %d, before the one before it", n.N, n.At)
	}
	b.at = n.At
}

func (r *Replay) window(w *Window) {
	if _, ok := r.windows[w.ID]; ok {
		r.violated("window_once", w.ID, "it was closed before")
	}
	r.windows[w.ID] = struct{}{}
	of := windowsOf{w.Scheme, w.Kind}
	last, follows := r.cuts[of]
	now := make(map[AccountID]int64, len(w.Cuts))
	for _, c := range w.Cuts {
		if after, ok := last[c.Account]; c.UpTo < c.After || (c.After != after && (ok || follows || r.part.whole())) {
			r.violated("window_cuts", w.ID, "it takes the postings of account %s from behind %d up to %d; the window before it ends at %d", c.Account, c.After, c.UpTo, after)
		}
		if a, ok := r.accounts[c.Account]; r.part.whole() && (!ok || c.UpTo > a.Seq) {
			r.violated("window_cuts", w.ID, "it takes the postings of account %s up to %d, which it does not have", c.Account, c.UpTo)
		}
		now[c.Account] = c.UpTo
	}
	for id := range last {
		if _, ok := now[id]; !ok {
			r.violated("window_cuts", w.ID, "it does not cut account %s, which the window before it did", id)
		}
	}
	r.cuts[of] = now
}

func (r *Replay) position(p *Position) {
	where := p.Window + " " + p.Bank
	was, ok := r.positions[p.ID]
	_, closed := r.windows[p.Window]
	switch {
	case p.ID != PositionID(p.Window, p.Bank, p.Currency):
		r.violated("position", where, "id %s is not the hash of its name", p.ID.Ref(positionPrefix))
	case r.isEnded(p.ID):
		r.violated("position", where, "it changes after it was confirmed")
	case ok && (p.Remitted != was.Remitted || p.Received != was.Received || p.Fees != was.Fees || p.Updated < was.Updated):
		r.violated("position", where, "what it is made of has changed")
	case !ok && !closed && r.part.whole():
		r.violated("position", where, "its window is not closed")
	}
	if !ok && !r.isEnded(p.ID) {
		of := netOf{p.Window, p.Currency}
		net := netSum{r.nets[of].minor + p.Net(), r.place}
		if r.nets[of] = net; net.minor == 0 {
			delete(r.nets, of)
		}
	}
	r.owes(where, p.owed(), r.take(p.ID))
	if p.State == PositionConfirmed {
		delete(r.positions, p.ID)
		r.ended[tail(p.ID)] = struct{}{}
	} else {
		r.positions[p.ID] = *p
	}
}
