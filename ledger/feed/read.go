package feed

import (
	"context"

	"bahi/ledger"
)

// Event is a notice with its number among those of its app.
type Event struct {
	Sequence int64
	ledger.Notice
}

// rowsAtOnce is how many rows of a stream are read together: each holds one event where
// little happens, and some hundred where much does.
const rowsAtOnce = 32

// Read reads an app's events behind a number, in order, up to a limit.
func Read(ctx context.Context, r ledger.RecordReader, app string, after int64, limit int) (events []Event, err error) {
	for len(events) < limit {
		most := min(limit-len(events), rowsAtOnce)
		rows, err := r.Stream(ctx, app, after, most)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			notices, err := ledger.ParseNotices(rows[i].Data)
			if err != nil {
				return nil, err
			}
			for n, notice := range notices {
				if sequence := rows[i].First + int64(n); sequence > after && len(events) < limit {
					events = append(events, Event{sequence, notice})
				}
			}
			after = rows[i].Last
		}
		if len(rows) < most {
			break
		}
	}
	return events, nil
}
