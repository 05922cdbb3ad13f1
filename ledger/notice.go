package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A notice is what an app is told of: that something has changed. It is written in the
// same commit as the change, to the outbox, and gets its number among all notices of
// its app a moment later, see [Publish]: two nodes that commit at once could not agree on
// numbers without waiting for each other. What it says to people is made when it is
// read, so that nothing of a person is kept here.
type Notice struct {
	App     string
	Type    string // such as "transfer.completed"
	Subject ID     // the transfer or the record
	N       int    // which of the subject: of a transfer the line of its history
	At      int64  // Unix microseconds
}

func (n *Notice) describe(f Fields) {
	set(&n.App, f.Text("app", n.App))
	set(&n.Type, f.Text("type", n.Type))
	set(&n.Subject, f.ID("subject", n.Subject, ""))
	number(f, "n", &n.N)
	set(&n.At, f.Time("at", n.At))
}

// ID names the event for good: it is the same whenever and to whomever it is told.
func (n *Notice) ID() ID {
	h := sha256.New()
	for _, text := range []string{n.App, n.Type} {
		h.Write([]byte(text))
		h.Write([]byte{0}) // neither holds a zero byte
	}
	h.Write(n.Subject[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(n.N)))
	return ID(h.Sum(nil)[:16])
}

// AppendNotices appends notices in a form that [ParseNotices] reads.
func AppendNotices(b []byte, notices []Notice) []byte {
	w := leafWriter{b}
	for i := range notices {
		notices[i].describe(&w)
	}
	return w.b
}

// ParseNotices reads what [AppendNotices] wrote.
func ParseNotices(b []byte) (notices []Notice, err error) {
	r := leafReader{b: b}
	for len(r.b) > 0 && !r.bad {
		var n Notice
		n.describe(&r)
		notices = append(notices, n)
	}
	if r.bad {
		return nil, fmt.Errorf("notices: %w", ErrLeaf)
	}
	return notices, nil
}

// tell adds a notice of a record.
func (s *Set) tell(r *Record, what string, n int) {
	if r.App != "" {
		s.Notices = append(s.Notices, Notice{App: r.App, Type: what, Subject: r.ID, N: n, At: s.Now})
	}
}

// News is what the batch adds to the outbox, of transfers first, each in the order of
// what happened. Engines persist it as one row, numbered like those of the log.
func (s *Set) News() []Notice {
	var news []Notice
	add := func(t *Transfer, line *Step) {
		if t.App != "" {
			news = append(news, Notice{App: t.App, Type: TransferNotice(line.State), Subject: t.ID, N: line.N, At: line.At})
		}
	}
	s.Transfers.Changes(func(_ ID, t *Transfer, inserted bool) {
		if inserted {
			born := t.Birth()
			add(t, &born)
		}
	})
	for i := range s.Steps {
		t, _ := s.Transfers.Get(s.Steps[i].Transfer)
		add(&t, &s.Steps[i])
	}
	return append(news, s.Notices...)
}

// TransferNotice is the type of the notice that a transfer has come to a state.
func TransferNotice(state State) string { return "transfer." + state.String() }

// OutboxRow is the notices of one commit, without numbers yet.
type OutboxRow struct {
	N    int64 // given by the database as those of the log are; never given twice
	Data []byte
}

// StreamRow is a run of notices of one app.
type StreamRow struct {
	App   string
	First int64 // the number of its first notice, from 1
	Last  int64
	Data  []byte
}

// Publish gives notices their numbers: those of a subject in their order, each app's without a
// gap. Rows that were published meanwhile are passed over, so it may be done by several
// nodes at once. It returns nothing.
type Publish struct {
	Rows []OutboxRow // as read before the batch
}

// maxStreamRow is how many notices a row of a stream has at most, so that one can be read alone.
const maxStreamRow = 256

type streamBody struct {
	Last int64 `json:"last"`
}

// StreamKey names the record of how many events an app has had.
func StreamKey(app string) RecordKey {
	sum := sha256.Sum256([]byte(app))
	return RecordKey{RecordStream, ID(sum[:16])}
}

// LastEvent is the number of the last event that an app has had, or 0.
func LastEvent(ctx context.Context, r RecordReader, app string) (int64, error) {
	head, err := r.Record(ctx, StreamKey(app))
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	body, err := ReadRecord[streamBody](&head)
	return body.Last, err
}

// Declare implements [Command].
func (c Publish) Declare(s *Set) {
	for i := range c.Rows {
		s.Outbox.Want(c.Rows[i].N)
		notices, err := ParseNotices(c.Rows[i].Data)
		if err != nil {
			continue // Apply says so
		}
		for _, n := range notices {
			s.Records.Want(StreamKey(n.App))
		}
	}
}

// Apply implements [Command].
func (c Publish) Apply(s *Set) (any, error) {
	var apps []string
	by := map[string][]Notice{}
	for i := range c.Rows {
		row, ok := s.Outbox.Get(c.Rows[i].N)
		if !ok {
			continue
		}
		notices, err := ParseNotices(row.Data)
		if err != nil {
			panic(err)
		}
		for _, n := range notices {
			if _, ok := by[n.App]; !ok {
				apps = append(apps, n.App)
			}
			by[n.App] = append(by[n.App], n)
		}
		s.Outbox.Delete(row.N)
	}
	for _, app := range apps {
		s.stream(app, by[app])
	}
	return nil, nil
}

// stream appends notices to those that an app has had.
func (s *Set) stream(app string, notices []Notice) {
	r, head, ok := record[streamBody](s, StreamKey(app))
	if !ok {
		r = Record{RecordKey: StreamKey(app), App: app}
	}
	for len(notices) > 0 {
		n := min(len(notices), maxStreamRow)
		s.Streams = append(s.Streams, StreamRow{App: app, First: head.Last + 1, Last: head.Last + int64(n), Data: AppendNotices(nil, notices[:n])})
		head.Last += int64(n)
		notices = notices[n:]
	}
	putRecord(s, r, head)
}
