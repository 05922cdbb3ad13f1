package sqlite

import (
	"context"
	"errors"

	"bahi/ledger"
)

// pool lends connections, opened at their first use.
type pool struct {
	free chan *conn // nil: not opened yet
	open func() (*conn, error)
}

func newPool(size int, open func() (*conn, error)) *pool {
	p := &pool{free: make(chan *conn, size), open: open}
	for range size {
		p.free <- nil
	}
	return p
}

// with calls f with a connection that nobody else has meanwhile.
func (p *pool) with(ctx context.Context, f func(*conn) error) error {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer func() { p.free <- c }()
	if c == nil {
		if c, err = p.open(); err != nil {
			return err
		}
	}
	return f(c)
}

func (p *pool) take(ctx context.Context) (*conn, error) {
	select {
	case c, open := <-p.free:
		if !open {
			return nil, ledger.ErrClosed
		}
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close waits until every connection is back.
func (p *pool) close() error {
	var errs []error
	for range cap(p.free) {
		if c := <-p.free; c != nil {
			errs = append(errs, c.close())
		}
	}
	close(p.free)
	return errors.Join(errs...)
}
