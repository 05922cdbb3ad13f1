package pgtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby makes a second server that follows this one, synchronously: from its
// return on, a commit here is acknowledged only when the standby has it too,
// and waits for ever while the standby is stopped or closed.
func (s *Server) Standby(ctx context.Context) (*Server, error) {
	standby, err := newServer()
	if err != nil {
		return nil, err
	}
	if err := s.follow(ctx, standby); err != nil {
		return nil, errors.Join(err, standby.Close())
	}
	return standby, nil
}

func (s *Server) follow(ctx context.Context, standby *Server) error {
	name := "standby_" + standby.port
	from := fmt.Sprintf("host=127.0.0.1 port=%s user=postgres application_name=%s", s.port, name)
	_, err := standby.run(ctx, "pg_basebackup", "-D", standby.data(), "-d", from, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	// The copy brought along whom the primary waits for; a promoted standby must wait for nobody.
	if err := appendTo(filepath.Join(standby.data(), "postgresql.auto.conf"), "synchronous_standby_names = ''\n"); err != nil {
		return err
	}
	if err := standby.StartAgain(ctx); err != nil {
		return err
	}
	if err := s.waitFor(ctx, `SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming')`, name); err != nil {
		return err
	}
	return s.makeSynchronous(ctx, name)
}

func (s *Server) makeSynchronous(ctx context.Context, name string) error {
	s.mu.Lock()
	s.standbys = append(s.standbys, name)
	all := fmt.Sprintf("FIRST %d (%s)", len(s.standbys), strings.Join(s.standbys, ", "))
	s.mu.Unlock()
	if err := s.exec(ctx, "ALTER SYSTEM SET synchronous_standby_names = '"+all+"'", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return s.waitFor(ctx, `SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND sync_state = 'sync')`, name)
}

// Promote makes a standby a primary that takes writes.
func (s *Server) Promote(ctx context.Context) error {
	if err := s.exec(ctx, "SELECT pg_promote(false)"); err != nil {
		return err
	}
	return s.waitFor(ctx, "SELECT NOT pg_is_in_recovery()")
}

// waitFor asks until the answer is true.
func (s *Server) waitFor(ctx context.Context, question string, args ...any) error {
	return s.connected(ctx, func(conn *pgx.Conn) error {
		for {
			var yes bool
			if err := conn.QueryRow(ctx, question, args...).Scan(&yes); err != nil || yes {
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s: %w", question, ctx.Err())
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}
