package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"time"

	"bahi/banks"
)

// bankSet is the banks of a node and where they are listed. Only one goroutine
// changes it.
type bankSet struct {
	node     *node
	path     string      // of the banks file; empty: the simulated banks
	beside   []bankEntry // banks that the command line names
	registry *banks.Registry
	open     map[string]*opened // by code; those that are leaving too
	retired  []retired
	seen     fs.FileInfo // of the file, when it was last read
	log      *slog.Logger
}

// retired is an adapter that another one followed.
type retired struct {
	*opened
	until time.Time // its calls have ended by then
}

// load reads the banks and makes them the ones that there are, or changes nothing.
func (s *bankSet) load() error {
	entries := simulatedEntries()
	if s.path != "" {
		var err error
		s.seen, _ = os.Stat(s.path) // before it is read: what changes meanwhile is read again
		if entries, err = readBanksFile(s.path); err != nil {
			return err
		}
	}
	return s.take(append(entries, s.beside...))
}

// take opens what is new, and then lets the whole list hold at once.
func (s *bankSet) take(entries []bankEntry) (err error) {
	wrong := &fileErrors{path: s.path}
	next, list := make([]*opened, len(entries)), make([]banks.Bank, len(entries))
	defer func() {
		if err != nil {
			s.discard(next)
		}
	}()
	for n := range entries {
		e := &entries[n]
		if next[n], err = s.openOne(e); err != nil {
			wrong.add(e.line("rail"), "%v", err)
			return wrong
		}
		list[n] = e.bank
		list[n].Adapter = next[n].Adapter
	}
	if err := s.registry.Replace(list); err != nil {
		wrong.addBank(entries, err)
		return wrong
	}
	for n := range entries {
		s.hold(entries[n].bank.Code, next[n])
	}
	return nil
}

var errRail = errors.New("a bank gets another rail at a restart only, with nothing open at it")

// openOne opens an entry's adapter, or goes on with the one that is open.
func (s *bankSet) openOne(e *bankEntry) (*opened, error) {
	before := s.open[e.bank.Code]
	switch {
	case before != nil && before.entry.rail != e.rail:
		return nil, errRail
	case before != nil && before.entry.opensAs(e):
		return &opened{Adapter: before.Adapter, close: before.close, entry: *e}, nil
	}
	o, err := rails[e.rail](s.node, e, before)
	if err == nil {
		o.entry = *e
	}
	return o, err
}

// opensAs says whether a rail would open the same adapter for both.
func (e *bankEntry) opensAs(o *bankEntry) bool {
	return e.endpoint == o.endpoint && e.credentials.reveal() == o.credentials.reveal() && e.latency == o.latency && e.profile == o.profile
}

// equal says whether nothing at all has changed.
func (e *bankEntry) equal(o *bankEntry) bool {
	return e.opensAs(o) && reflect.DeepEqual(e.bank, o.bank)
}

// discard closes what was opened for a list that was refused.
func (s *bankSet) discard(next []*opened) {
	for _, o := range next {
		if o == nil {
			continue
		}
		if before := s.open[o.entry.bank.Code]; before == nil || before.Adapter != o.Adapter {
			s.close(o)
		}
	}
}

// hold lets an opened adapter follow the one before.
func (s *bankSet) hold(code string, o *opened) {
	before := s.open[code]
	s.open[code] = o
	if o.begin != nil {
		o.begin()
	}
	if before != nil && before.Adapter != o.Adapter {
		s.retired = append(s.retired, retired{before, time.Now().Add(s.node.longestCall())})
	}
	if before == nil || !before.entry.equal(&o.entry) {
		s.log.Info("bank", "code", code, "rail", o.entry.rail, "new", before == nil)
	}
}

// tidy closes what is not called any more: adapters that others followed, and
// those of banks that have left.
func (s *bankSet) tidy(now time.Time) {
	kept := s.retired[:0]
	for _, r := range s.retired {
		if now.Before(r.until) {
			kept = append(kept, r)
			continue
		}
		s.close(r.opened)
	}
	s.retired = kept
	known := map[string]bool{}
	for _, b := range s.registry.All() {
		known[b.Code] = true
	}
	for code, o := range s.open {
		if !known[code] {
			s.close(o)
			delete(s.open, code)
		}
	}
}

func (s *bankSet) close(o *opened) {
	if o.close == nil {
		return
	}
	if err := o.close(); err != nil {
		s.log.Warn("bank", "code", o.entry.bank.Code, "error", err)
	}
}

// closeAll closes every adapter, once nothing calls one any more.
func (s *bankSet) closeAll() {
	for _, o := range s.open {
		s.close(o)
	}
	for _, r := range s.retired {
		s.close(r.opened)
	}
}

// watchEvery is how often the banks file is looked at.
const watchEvery = time.Second

// watch reads the banks file again when it has changed, and at a SIGHUP, until
// ctx ends. A file with a mistake changes nothing.
func (s *bankSet) watch(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			s.reload()
		case <-tick.C:
			if s.changed() {
				s.reload()
			}
			s.tidy(time.Now())
		}
		if err := s.node.caps.refresh(ctx, s.node.store, s.registry.All()); err != nil && ctx.Err() == nil {
			s.log.Warn("the accounts of banks with a net debit cap cannot be read; the caps stay as they were", "error", err)
		}
	}
}

// changed says whether the file is another than the one that was last read. One
// that is gone is not: it may be about to be replaced.
func (s *bankSet) changed() bool {
	if s.path == "" {
		return false
	}
	now, err := os.Stat(s.path)
	return err == nil && (s.seen == nil || !now.ModTime().Equal(s.seen.ModTime()) || now.Size() != s.seen.Size())
}

func (s *bankSet) reload() {
	if err := s.load(); err != nil {
		s.log.Error("the banks file is refused; the banks stay as they are", "error", err)
		return
	}
	if s.path != "" {
		s.log.Info("the banks are as the file lists them", "banks", len(s.registry.All()))
	}
}
