package reconcile

import (
	"context"
	"errors"

	"bahi/ledger"
	"bahi/ledger/address"
)

// Assign says who looks after a break; nobody where owner is empty.
func (d *Desk) Assign(ctx context.Context, id ledger.ID, owner, by string) (ledger.Break, error) {
	return ledger.Do[ledger.Break](ctx, d.Book, AssignBreak{ID: id, Owner: owner, By: by})
}

// Comment adds a line to a break's history. The same again right after it changes nothing.
func (d *Desk) Comment(ctx context.Context, id ledger.ID, text, by string) (ledger.Break, error) {
	return d.again(ctx, func() (ledger.Command, error) {
		notes, err := d.Reader.BreakNotes(ctx, id)
		c := CommentBreak{ID: id, Text: text, By: by}
		if len(notes) > 0 {
			c.Last = notes[len(notes)-1]
		}
		return c, err
	})
}

// Dismiss closes a break as it is.
func (d *Desk) Dismiss(ctx context.Context, id ledger.ID, why, by string) (ledger.Break, error) {
	return d.again(ctx, func() (ledger.Command, error) {
		b, err := d.Reader.Break(ctx, id)
		return CloseBreak{ID: id, Tries: b.Tries, Text: why, By: by}, err
	})
}

// again makes a command anew while others are at the same break.
func (d *Desk) again(ctx context.Context, make func() (ledger.Command, error)) (b ledger.Break, err error) {
	for range tries {
		c, err := make()
		if err != nil {
			return b, err
		}
		if b, err = ledger.Do[ledger.Break](ctx, d.Book, c); !errors.Is(err, ledger.ErrBreakBusy) {
			return b, err
		}
	}
	return b, ledger.ErrBreakBusy
}

// CodeTextInvalid is the refusal of a comment or an owner that is not fit to be shown.
const CodeTextInvalid = "text_invalid"

const (
	maxText  = 1000 // characters of a comment
	maxOwner = 100
)

// AssignBreak says who looks after a break; nobody where Owner is empty. Assigning
// it to the same again changes nothing. It returns the [ledger.Break].
type AssignBreak struct {
	ID    ledger.ID
	Owner string
	By    string
}

// Declare implements [ledger.Command].
func (c AssignBreak) Declare(s *ledger.Set) { s.Breaks.Want(c.ID) }

// Apply implements [ledger.Command].
func (c AssignBreak) Apply(s *ledger.Set) (any, error) {
	b, err := breakOf(s, c.ID)
	if err != nil || b.Owner == c.Owner {
		return b, err
	}
	if c.Owner != "" {
		if err := fit(c.Owner, maxOwner); err != nil {
			return nil, err
		}
	}
	b.Owner = c.Owner
	s.Note(&b, ledger.NoteAssigned, c.By, c.Owner)
	s.Breaks.Put(b.ID, b)
	return b, nil
}

// CommentBreak adds a line to a break's history, unless it is the last one already.
// It returns the [ledger.Break].
type CommentBreak struct {
	ID   ledger.ID
	Last ledger.BreakNote // of the break's history, as read before the batch
	Text string
	By   string
}

// Declare implements [ledger.Command].
func (c CommentBreak) Declare(s *ledger.Set) { s.Breaks.Want(c.ID) }

// Apply implements [ledger.Command].
func (c CommentBreak) Apply(s *ledger.Set) (any, error) {
	b, err := breakOf(s, c.ID)
	if err != nil {
		return nil, err
	}
	if b.Notes != c.Last.N {
		return nil, ledger.ErrBreakBusy
	}
	if err := fit(c.Text, maxText); err != nil {
		return nil, err
	}
	if c.Last.What == ledger.NoteCommented && c.Last.By == c.By && c.Last.Text == c.Text {
		return b, nil
	}
	s.Note(&b, ledger.NoteCommented, c.By, c.Text)
	s.Breaks.Put(b.ID, b)
	return b, nil
}

// CloseBreak dismisses a break as it is. One that is dismissed already is left so. It is
// refused while a correction of it waits to be applied. It returns the [ledger.Break].
type CloseBreak struct {
	ID    ledger.ID
	Tries int // the break's, as read before the batch
	By    string
	Text  string // why
}

// Declare implements [ledger.Command].
func (c CloseBreak) Declare(s *ledger.Set) {
	s.Breaks.Want(c.ID)
	s.Corrections.Want(ledger.CorrectionID(c.ID, c.Tries))
}

// Apply implements [ledger.Command].
func (c CloseBreak) Apply(s *ledger.Set) (any, error) {
	b, err := breakOf(s, c.ID)
	switch {
	case err != nil:
		return nil, err
	case b.State == ledger.BreakClosed && b.Resolution == ledger.Dismissed:
		return b, nil
	case b.State == ledger.BreakClosed:
		return nil, &ledger.Refusal{Code: ledger.CodeBreakClosed, Detail: "the break is closed already (" + b.Resolution.String() + ")"}
	case b.Tries != c.Tries:
		return nil, ledger.ErrBreakBusy
	}
	if err := fit(c.Text, maxText); err != nil {
		return nil, err
	}
	newest, ok := s.Corrections.Get(ledger.CorrectionID(b.ID, b.Tries))
	if ok && (newest.State == ledger.CorrectionProposed || newest.State == ledger.CorrectionApproved) {
		return nil, &ledger.Refusal{Code: ledger.CodeCorrectionPending, Detail: "correction " + newest.ID.CorrectionRef() + " is " + newest.State.String() + "; withdraw it first"}
	}
	b.State, b.Resolution = ledger.BreakClosed, ledger.Dismissed
	s.Note(&b, ledger.NoteClosed, c.By, c.Text)
	s.Breaks.Put(b.ID, b)
	return b, nil
}

func breakOf(s *ledger.Set, id ledger.ID) (ledger.Break, error) {
	b, ok := s.Breaks.Get(id)
	if !ok {
		return b, &ledger.Refusal{Code: ledger.CodeBreakNotFound, Detail: "there is no break " + id.BreakRef()}
	}
	return b, nil
}

func fit(text string, most int) error {
	if err := address.Text(text, most); err != nil {
		return &ledger.Refusal{Code: CodeTextInvalid, Detail: "the text is " + err.Error()}
	}
	return nil
}
