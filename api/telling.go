package api

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"bahi/ledger"
	"bahi/ledger/feed"
)

// tellers say what events show, by the first word of their type. A feature that tells of
// records of its own adds its line here, and what it says in a file of its own.
var tellers = map[string]teller{
	"transfer": tellTransfers,
	"pot":      ofRecords(ledger.RecordPot, tellPot),
	"endpoint": ofRecords(ledger.RecordEndpoint, tellEndpoint),
	"webhook":  ofRecords(ledger.RecordEndpoint, tellEndpoint),
	"party":    ofRecords(ledger.RecordSafety, tellSafety),
}

// teller says what events of one kind show, one for each, in their order. It reads what
// they are about for all of them together.
type teller func(ctx context.Context, v *viewer, events []feed.Event) ([]EventData, error)

// viewer is for whom events are made ready.
type viewer struct {
	reader ledger.Reader
	see    sight
	locale
}

// viewer is for a chat backend, whose people are of the locale.
func (s *Server) viewer(tag string) (*viewer, error) {
	if tag == "" {
		tag = defaultLocale
	}
	l, err := parseLocale(tag, s.policy.Location())
	return &viewer{reader: s.reader, see: sightOwn, locale: l}, err
}

// tell makes events as the contract has them. What a newer node has told of, which this
// one does not know, comes with its type and nothing else.
func (v *viewer) tell(ctx context.Context, events []feed.Event) ([]AppEvent, error) {
	out := make([]AppEvent, len(events))
	places := map[string][]int{}
	for n := range events {
		e := &events[n]
		notice := e.ID()
		out[n] = AppEvent{ID: notice.EventRef(), Sequence: e.Sequence, Type: e.Type, CreatedAt: timeView(e.At)}
		kind, _, _ := strings.Cut(e.Type, ".")
		places[kind] = append(places[kind], n)
	}
	for kind, at := range places {
		tell := tellers[kind]
		if tell == nil {
			continue
		}
		some := make([]feed.Event, len(at))
		for i, n := range at {
			some[i] = events[n]
		}
		data, err := tell(ctx, v, some)
		if err != nil {
			return nil, err
		}
		for i, n := range at {
			out[n].Data = data[i]
		}
	}
	return out, nil
}

// ofRecords tells of records of a kind, each as it is when the event is read. Of one that
// is there no more nothing is told.
func ofRecords(kind ledger.RecordKind, tell func(ctx context.Context, v *viewer, e *feed.Event, r *ledger.Record) (EventData, error)) teller {
	return func(ctx context.Context, v *viewer, events []feed.Event) ([]EventData, error) {
		out, known := make([]EventData, len(events)), map[ledger.ID]*ledger.Record{}
		for n := range events {
			e := &events[n]
			r, looked := known[e.Subject]
			if !looked {
				found, err := v.reader.Record(ctx, ledger.RecordKey{Kind: kind, ID: e.Subject})
				if err == nil {
					r = &found
				} else if !errors.Is(err, ledger.ErrNotFound) {
					return nil, err
				}
				known[e.Subject] = r
			}
			if r == nil {
				continue
			}
			var err error
			if out[n], err = tell(ctx, v, e, r); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// RenderEvents makes the bodies of webhooks for people of a locale: events as the contract
// has them.
func (s *Server) RenderEvents(ctx context.Context, locale string, events []feed.Event) ([][]byte, error) {
	v, err := s.viewer(locale)
	if err != nil {
		return nil, err
	}
	told, err := v.tell(ctx, events)
	bodies := make([][]byte, len(told))
	for n := range told {
		bodies[n] = bytes.TrimSuffix(mustMarshal(told[n]), []byte("\n"))
	}
	return bodies, err
}

// tellTransfers shows each transfer as it was at the line of its history that the event is of.
func tellTransfers(ctx context.Context, v *viewer, events []feed.Event) ([]EventData, error) {
	var ids []ledger.ID
	asked := map[ledger.ID]bool{}
	for n := range events {
		if id := events[n].Subject; !asked[id] {
			ids, asked[id] = append(ids, id), true
		}
	}
	found, err := v.reader.TransfersOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]EventData, len(events))
	for n := range events {
		e := &events[n]
		t, ok := found[e.Subject]
		if !ok {
			continue
		}
		if err := v.takeBack(ctx, &t, &e.Notice); err != nil {
			return nil, err
		}
		out[n] = EventData{Transfer: transferView(&t, v.see), Bubble: v.transferBubble(&t)}
		if e.Type == ledger.NoticeRefunded {
			if err := v.tellRefunds(ctx, &t, &out[n]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// takeBack takes a transfer back to the line of its history that a notice is of. The history
// is only read where neither the transfer nor the notice has the line: of one that
// came on from doubt, or from giving money back.
func (v *viewer) takeBack(ctx context.Context, t *ledger.Transfer, n *ledger.Notice) error {
	state, ok := ledger.ParseState(strings.TrimPrefix(n.Type, "transfer."))
	if !ok { // such as that it is refunded: no line of its history
		return nil
	}
	born := t.Birth()
	switch {
	case t.Steps == n.N:
	case born.N == n.N:
		t.Take(born)
	case state == ledger.Debited, state == ledger.Held: // these have no reason
		t.Take(ledger.Step{Transfer: t.ID, N: n.N, State: state, At: n.At})
	default:
		steps, _, err := v.reader.TransferHistory(ctx, t.ID)
		if err != nil {
			return err
		}
		for _, step := range steps {
			if step.N == n.N {
				t.Take(step)
			}
		}
	}
	return nil
}
