package settle

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"bahi/ledger"
)

// Codes of refusals.
const (
	CodeWindowNotFound    = "window_not_found"
	CodeWindowNotOver     = "window_not_over"
	CodeWindowOutOfOrder  = "window_out_of_order"
	CodePositionsDiffer   = "positions_differ"
	CodePositionNotFound  = "position_not_found"
	CodeAmountDiffers     = "settlement_amount_differs"
	CodeAlreadyConfirmed  = "settlement_confirmed"
	CodeNothingToInstruct = "nothing_to_instruct"
)

func refuse(code, format string, args ...any) *ledger.Refusal {
	return &ledger.Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// CloseWindow fixes which postings belong to a window: of each account those from
// behind the window before it up to the last one there is. A window that is closed
// stays as it is: closing it again gives it as it was closed, and changes nothing.
//
// The first window of a kind that a book closes is the one that ended last, and
// takes all there is so far.
type CloseWindow struct {
	ID       string
	Schedule *Schedule
	Last     string             // the window of its kind that was closed last, as read before the batch; empty: none
	Accounts []ledger.AccountID // all that are to be cut, as read before the batch; a later one is the next window's
	By       string
}

// Declare implements [ledger.Command].
func (c CloseWindow) Declare(s *ledger.Set) {
	for _, id := range c.Accounts {
		s.Accounts.Want(id)
	}
	s.Windows.Want(c.ID)
	if c.Last != "" {
		s.Windows.Want(c.Last)
	}
	s.Answers.Want(c.follows())
}

// follows names what came after the last window. Two that close windows at once may
// both have read the same last one, and not see each other's rows: they meet here.
// What is answered under a key is never changed, so of each window there is one that
// follows, and one is the first, whatever the schedule of either says.
func (c *CloseWindow) follows() ledger.IdempotencyKey {
	last := c.Last
	if last == "" {
		w, _ := c.Schedule.Find(c.ID)
		last = "the first of " + w.Kind.String()
	}
	return ledger.IdempotencyKey{App: ":windows", Key: last} // no app's name begins so
}

// Apply implements [ledger.Command]; it returns the [ledger.Window].
func (c CloseWindow) Apply(s *ledger.Set) (any, error) {
	if w, ok := s.Windows.Get(c.ID); ok {
		return w, nil
	}
	w, ok := c.Schedule.Find(c.ID)
	if !ok {
		return nil, refuse(CodeWindowNotFound, "the schedule %s has no window %s", c.Schedule.Scheme, c.ID)
	}
	if s.Now < w.Until {
		return nil, refuse(CodeWindowNotOver, "window %s is over at %s: it cannot be closed before", w.ID, c.Schedule.time(w.Until))
	}
	last, err := c.inOrder(s, &w)
	if err != nil {
		return nil, err
	}
	w.Cuts, w.By, w.Closed = c.cuts(s, last), c.By, s.Now
	s.Windows.Put(w.ID, w)
	key := c.follows()
	s.Answers.Put(key, ledger.Answer{Key: key, RequestHash: sha256.Sum256([]byte(w.ID)), Body: []byte(w.ID), Created: s.Now})
	return w, nil
}

// inOrder refuses a window whose turn it is not. It returns the one before it.
func (c *CloseWindow) inOrder(s *ledger.Set, w *ledger.Window) (last ledger.Window, err error) {
	turn := c.Schedule.lastOver(w.Kind, s.Now)
	if c.Last != "" {
		var ok bool
		if last, ok = s.Windows.Get(c.Last); !ok {
			return last, refuse(CodeWindowOutOfOrder, "window %s is not closed", c.Last)
		}
		turn = c.Schedule.next(&last)
	}
	if w.ID != turn.ID {
		return last, refuse(CodeWindowOutOfOrder, "the next window for %s to be closed is %s, not %s", w.Kind, turn.ID, w.ID)
	}
	other, ok := s.Answers.Get(c.follows())
	switch {
	case ok && c.Last == "":
		return last, refuse(CodeWindowOutOfOrder, "the book's windows for %s began with %s", w.Kind, other.Body)
	case ok:
		return last, refuse(CodeWindowOutOfOrder, "window %s was closed after %s meanwhile", other.Body, c.Last)
	}
	return last, nil
}

// cuts go on where those of the last window end.
func (c *CloseWindow) cuts(s *ledger.Set, last ledger.Window) (cuts []ledger.Cut) {
	upTo := map[ledger.AccountID]int64{}
	for _, cut := range last.Cuts {
		upTo[cut.Account] = cut.UpTo
	}
	for _, id := range c.Accounts {
		if a, ok := s.Accounts.Get(id); ok {
			cuts = append(cuts, ledger.Cut{Account: id, After: upTo[id], UpTo: a.Seq})
			if a.Seq < upTo[id] {
				panic(fmt.Sprintf("settle: account %s has %d postings; window %s has settled %d", a.Name.Path, a.Seq, last.ID, upTo[id]))
			}
			delete(upTo, id)
		}
	}
	if len(upTo) > 0 {
		panic(fmt.Sprintf("settle: %d accounts of window %s are not in the one after it", len(upTo), last.ID))
	}
	slices.SortFunc(cuts, func(a, b ledger.Cut) int { return bytes.Compare(a.Account[:], b.Account[:]) })
	return cuts
}
