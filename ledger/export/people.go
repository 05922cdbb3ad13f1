package export

import (
	"context"
	"encoding/json"

	"bahi/ledger"
)

// people reads what the persons of a chunk's transfers can be known by.
func (w *walker) people(ctx context.Context) error {
	at := map[ledger.ID]int{}
	ids := make([]ledger.ID, 0, readAtOnce)
	for i := range w.facts {
		t, ok := w.facts[i].leaf.(*ledger.Transfer)
		if !ok || (w.options.App != "" && t.App != w.options.App) {
			continue
		}
		at[t.ID] = i
		if ids = append(ids, t.ID); len(ids) == cap(ids) {
			if err := w.peopleOf(ctx, ids, at); err != nil {
				return err
			}
			ids = ids[:0]
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return w.peopleOf(ctx, ids, at)
}

func (w *walker) peopleOf(ctx context.Context, ids []ledger.ID, at map[ledger.ID]int) error {
	found, err := w.options.People(ctx, ids)
	if err != nil {
		return err
	}
	for id, p := range found {
		if p.Payer == nil && p.Payee == nil {
			continue
		}
		if w.facts[at[id]].people, err = json.Marshal(p); err != nil {
			return err
		}
	}
	return nil
}
