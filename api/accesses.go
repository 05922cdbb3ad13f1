package api

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bahi/ledger"
)

// accesses writes down who looks at the book, before they see it, and who tried to.
// Denials are anybody's to make, so they are gathered for a moment, and those that
// are alike are written down once: a flood of them adds [maxDenials] rows a second at most.
type accesses struct {
	book   *ledger.Pipeline
	reader ledger.Reader
	log    *slog.Logger

	mu       sync.Mutex
	gathered map[denial]*times
	timer    *time.Timer // runs while there is something to write down

	writing sync.Mutex  // one at a time
	batch   ledger.Many // what is being written down, until it is known to be
}

// denial is what denials that are alike have in common.
type denial struct{ who, role, what, reason string }

// times is how often there was a denial, and of what.
type times struct {
	n        int64
	subjects []string
	others   bool // there were more than are kept
}

const (
	denialDelay   = time.Second // for how long they are gathered
	denialWrite   = 5 * time.Second
	maxDenials    = 32 // that are told apart; what is beyond is only counted
	maxSubjects   = 8
	manyOthers    = "others"
	unknownCaller = "unknown"
)

// before writes down that somebody looks at the book. Only then may they be answered.
func (a *accesses) before(ctx context.Context, access ledger.Access) error {
	access.ID, access.Times = ledger.NewID(), 1
	_, err := a.book.Submit(ctx, ledger.Request{Command: ledger.RecordAccess{Access: access}})
	return err
}

// denied notes that somebody was denied something. It never waits.
func (a *accesses) denied(d denial, subject string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gathered == nil {
		a.gathered = map[denial]*times{}
	}
	t := a.gathered[d]
	if t == nil && len(a.gathered) >= maxDenials {
		d, subject = denial{who: manyOthers, what: manyOthers}, ""
		t = a.gathered[d]
	}
	if t == nil {
		t = &times{}
		a.gathered[d] = t
	}
	t.add(subject)
	if a.timer == nil {
		a.timer = time.AfterFunc(denialDelay, a.writeGathered)
	}
}

func (t *times) add(subject string) {
	t.n++
	if subject == "" {
		return
	}
	for _, known := range t.subjects {
		if known == subject {
			return
		}
	}
	if len(t.subjects) >= maxSubjects {
		t.others = true
		return
	}
	t.subjects = append(t.subjects, subject)
}

func (t *times) subject() string {
	all := strings.Join(t.subjects, "; ")
	if t.others {
		all += "; and others"
	}
	return all
}

// writeGathered is called by the timer.
func (a *accesses) writeGathered() {
	a.mu.Lock()
	a.timer = nil
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), denialWrite)
	defer cancel()
	if err := a.flush(ctx); err == nil || errors.Is(err, ledger.ErrClosed) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil {
		a.timer = time.AfterFunc(denialDelay, a.writeGathered)
	}
}

// flush writes down what was gathered. What cannot be is kept for the next time.
func (a *accesses) flush(ctx context.Context) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	if err := a.settle(ctx); err != nil {
		return err
	}
	a.batch = a.take()
	return a.write(ctx)
}

// settle writes down what the time before could not, unless it was written after all.
func (a *accesses) settle(ctx context.Context) error {
	if len(a.batch) == 0 {
		return nil
	}
	// All of them are in one commit, or none is: looking for the last tells.
	last := a.batch[len(a.batch)-1].(ledger.RecordAccess).Access.ID
	found, err := a.reader.Accesses(ctx, ledger.Page{Before: following(last), Limit: 1})
	if err != nil {
		return err
	}
	if len(found) > 0 && found[0].ID == last {
		a.batch = nil
		return nil
	}
	return a.write(ctx)
}

// following is the ID right behind another.
func following(id ledger.ID) ledger.ID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

func (a *accesses) write(ctx context.Context) error {
	if len(a.batch) == 0 {
		return nil
	}
	if _, err := a.book.Submit(ctx, ledger.Request{Command: a.batch}); err != nil {
		a.log.Warn("denials are not written down yet", "error", err)
		return err
	}
	a.batch = nil
	return nil
}

// take is a command for all that was gathered.
func (a *accesses) take() (batch ledger.Many) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for d, t := range a.gathered {
		batch = append(batch, ledger.RecordAccess{Access: ledger.Access{ID: ledger.NewID(), Who: d.who, Role: d.role, What: d.what,
			Subject: t.subject(), Denied: true, Reason: d.reason, Times: t.n}})
	}
	a.gathered = nil
	return batch
}

// close writes down what there is when the last request was answered.
func (a *accesses) close(ctx context.Context) {
	a.mu.Lock()
	if a.timer != nil && a.timer.Stop() {
		a.timer = nil
	}
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), denialWrite)
	defer cancel()
	if err := a.flush(ctx); err != nil {
		a.log.Error("denials may be lost", "error", err)
	}
}
