package settle

import (
	"context"
	"errors"

	"bahi/ledger"
)

// Desk settles a book by a schedule.
type Desk struct {
	Book     *ledger.Pipeline
	Reader   ledger.Reader
	Schedule *Schedule
}

// Close closes a window, or gives it as it was closed, and stores its positions.
func (d *Desk) Close(ctx context.Context, id, by string) (ledger.Window, error) {
	w, err := d.Reader.Window(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		w, err = d.close(ctx, id, by)
	}
	if err != nil {
		return w, err
	}
	_, err = d.Positions(ctx, &w)
	return w, err
}

// CloseDue closes every window that is over, in order, and stores their positions.
// It returns those that were closed by it.
func (d *Desk) CloseDue(ctx context.Context, now int64, by string) (closed []ledger.Window, err error) {
	for _, kind := range d.Schedule.kinds() {
		for {
			w, due, err := d.due(ctx, kind, now)
			if err != nil || !due {
				if err != nil {
					return closed, err
				}
				break
			}
			if w, err = d.Close(ctx, w.ID, by); err != nil {
				return closed, err
			}
			closed = append(closed, w)
		}
	}
	return closed, nil
}

// due is the window of a kind that is to be closed next, and whether it is over.
func (d *Desk) due(ctx context.Context, kind ledger.WindowKind, now int64) (next ledger.Window, due bool, err error) {
	last, err := d.last(ctx, kind)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		next = d.Schedule.lastOver(kind, now)
	case err != nil:
		return next, false, err
	default:
		next = d.Schedule.next(&last)
	}
	return next, next.Until <= now, nil
}

// last is the window of a kind that was closed last.
func (d *Desk) last(ctx context.Context, kind ledger.WindowKind) (ledger.Window, error) {
	const page = 50
	before := ""
	for {
		windows, err := d.Reader.Windows(ctx, d.Schedule.Scheme, before, page)
		if err != nil {
			return ledger.Window{}, err
		}
		for _, w := range windows {
			if w.Kind == kind {
				return w, nil
			}
			before = w.ID
		}
		if len(windows) < page {
			return ledger.Window{}, ledger.ErrNotFound
		}
	}
}

// close closes a window that was not yet when it was looked for.
func (d *Desk) close(ctx context.Context, id, by string) (w ledger.Window, err error) {
	w, ok := d.Schedule.Find(id)
	if !ok {
		return w, refuse(CodeWindowNotFound, "the schedule %s has no window %s", d.Schedule.Scheme, id)
	}
	c := CloseWindow{ID: id, Schedule: d.Schedule, By: by}
	last, err := d.last(ctx, w.Kind)
	switch {
	case err == nil:
		c.Last = last.ID
		// Whoever closed it may have ended before its positions were stored.
		if _, err := d.Positions(ctx, &last); err != nil {
			return w, err
		}
	case !errors.Is(err, ledger.ErrNotFound):
		return w, err
	}
	if c.Accounts, err = d.accounts(ctx, w.Kind); err != nil {
		return w, err
	}
	return ledger.Do[ledger.Window](ctx, d.Book, c)
}

// accounts are those that windows of a kind cut, in every currency, with their stripes.
func (d *Desk) accounts(ctx context.Context, kind ledger.WindowKind) (ids []ledger.AccountID, err error) {
	path := ledger.TransitAccount("").Path
	if kind == ledger.WindowDisputes {
		path = ledger.SuspenseAccount("").Path
	}
	accounts, err := ledger.StripesAt(ctx, d.Reader, path)
	for i := range accounts {
		ids = append(ids, accounts[i].ID)
	}
	return ids, err
}

// Positions are those of a closed window, stored now if they were not yet.
func (d *Desk) Positions(ctx context.Context, w *ledger.Window) ([]ledger.Position, error) {
	positions, err := d.Reader.PositionsOf(ctx, w.ID)
	if err != nil || len(positions) > 0 {
		return positions, err
	}
	flows, err := d.Reader.Flows(ctx, w.Cuts)
	if err != nil || len(flows) == 0 {
		return nil, err
	}
	if positions, err = positionsOf(w, flows, &d.Schedule.Fees); err != nil {
		return nil, err
	}
	return ledger.Do[[]ledger.Position](ctx, d.Book, StorePositions{Window: w.ID, Positions: positions})
}

// Confirm takes a confirmation in, also where the window's positions were not stored yet.
func (d *Desk) Confirm(ctx context.Context, c ConfirmPosition) (ledger.Position, error) {
	w, err := d.Window(ctx, c.Window)
	if err != nil {
		return ledger.Position{}, err
	}
	if _, err := d.Positions(ctx, &w); err != nil {
		return ledger.Position{}, err
	}
	return ledger.Do[ledger.Position](ctx, d.Book, c)
}

// Window is a closed window.
func (d *Desk) Window(ctx context.Context, id string) (ledger.Window, error) {
	w, err := d.Reader.Window(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		err = refuse(CodeWindowNotFound, "there is no closed window %s", id)
	}
	return w, err
}

// Report is what a closed window settles.
func (d *Desk) Report(ctx context.Context, id string) (*Report, error) {
	w, err := d.Window(ctx, id)
	if err != nil {
		return nil, err
	}
	positions, err := d.Positions(ctx, &w)
	return &Report{Window: w, Positions: positions}, err
}
