package settle

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"bahi/ledger"
	"bahi/ledger/reconcile"
	"bahi/ledger/reconcile/statement"
)

// TakeFile compares a file that was taken in with our positions, if it is a settlement
// report; see [Desk.TakeReport].
func (d *Desk) TakeFile(ctx context.Context, in *reconcile.Ingested, file io.ReadSeeker) ([]ledger.Break, error) {
	if len(in.Statements) == 0 || in.Statements[0].Format != string(statement.Settlement) {
		return nil, nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.TakeReport(ctx, statement.Read(file, statement.Options{Format: statement.Settlement}))
}

// TakeReport compares the switch's settlement report with our positions, window by
// window, and opens a break for each bank of which they differ, and closes those that
// agree now. It returns what differs. A window that is not closed is refused with
// [CodeWindowNotFound]: nothing is compared then.
func (d *Desk) TakeReport(ctx context.Context, items iter.Seq2[statement.Item, error]) (differ []ledger.Break, err error) {
	rows, err := ReadReport(items)
	if err != nil {
		return nil, err
	}
	byWindow := map[string][]Reported{}
	var windows []string
	for _, r := range rows {
		if _, known := byWindow[r.Window]; !known {
			windows = append(windows, r.Window)
		}
		byWindow[r.Window] = append(byWindow[r.Window], r)
	}
	var all reconcile.FileBreaks
	for _, id := range windows {
		w, err := d.Window(ctx, id)
		if err != nil {
			return nil, err
		}
		positions, err := d.Positions(ctx, &w)
		if err != nil {
			return nil, err
		}
		found := Compare(&w, positions, byWindow[id])
		for _, b := range found {
			f, err := d.finding(ctx, b)
			if err != nil {
				return nil, err
			}
			all.Findings = append(all.Findings, f)
		}
		differ = append(differ, found...)
		all.Gone = append(all.Gone, agreed(&w, positions, byWindow[id], found)...)
	}
	_, err = ledger.Do[any](ctx, d.Book, all)
	return differ, err
}

// finding is a break as it is filed; it is to be closed by the next day's end.
func (d *Desk) finding(ctx context.Context, b ledger.Break) (f reconcile.Finding, err error) {
	b.Deadline = reconcile.Deadline(b.Day, d.Schedule.Zone)
	was, err := d.Reader.Break(ctx, b.ID)
	if errors.Is(err, ledger.ErrNotFound) {
		err = nil
	}
	return reconcile.Finding{Break: b, Was: was.State}, err
}

// agreed are the breaks of those banks of the window that do not differ.
func agreed(w *ledger.Window, positions []ledger.Position, rows []Reported, differ []ledger.Break) (ids []ledger.ID) {
	banks := map[string]bool{}
	for i := range positions {
		banks[positions[i].Bank] = true
	}
	for i := range rows {
		banks[rows[i].Bank] = true
	}
	for bank := range banks {
		id := ledger.BreakID(ledger.ClassSettlement, ledger.Subject{Window: w.ID, Bank: bank})
		if !slices.ContainsFunc(differ, func(b ledger.Break) bool { return b.ID == id }) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, ledger.ID.Compare)
	return ids
}
