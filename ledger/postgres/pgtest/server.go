package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Options say how a server is to run.
type Options struct {
	// Fsync makes a commit wait for the disk, as a real server does. Without it
	// a test is faster, and what is committed still survives the death of the
	// server's processes, though not of the machine.
	Fsync bool

	// Settings go into postgresql.conf, after the package's own and so above them.
	Settings map[string]string
}

// Server is one private PostgreSQL. Its methods may be called from several
// goroutines.
type Server struct {
	bin  string              // where PostgreSQL's programs are
	dir  string              // all that the server has on disk
	port string              // on 127.0.0.1, the same over all starts
	as   *syscall.Credential // whom the server runs as; nil for this process's user

	sweeper *sweeper

	mu       sync.Mutex
	proc     *postmaster // the running server, or the one that ran last
	standbys []string    // application names of its synchronous standbys
	closed   bool
}

// Start makes a new server and waits until it answers. ctx bounds the starting only.
func Start(ctx context.Context, options Options) (*Server, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	if err := s.initialise(ctx, options); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) initialise(ctx context.Context, options Options) error {
	_, err := s.run(ctx, "initdb", "-D", s.data(), "-A", "trust", "-U", "postgres",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	if err := appendTo(filepath.Join(s.data(), "postgresql.conf"), options.conf()); err != nil {
		return err
	}
	return s.StartAgain(ctx)
}

// newServer makes the directory of a server that has no data yet.
func newServer() (*Server, error) {
	bin, err := findPrograms("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.as, err = serverUser(); err != nil {
		return nil, err
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "bahi-pg-"); err != nil {
		return nil, err
	}
	if s.as != nil {
		err = os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid))
	}
	if err == nil {
		s.sweeper, err = startSweeper(s.dir, s.as)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

// Dir is a directory that the server's user may write to; it goes with the server.
func (s *Server) Dir() string { return s.dir }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// URL is where clients reach the database of that name.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", s.port),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// NewDatabase makes an empty database with a name of its own.
func (s *Server) NewDatabase(ctx context.Context) (url string, err error) {
	name := "bahi_" + strings.ToLower(rand.Text()[:12])
	if err := s.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", err
	}
	return s.URL(name), nil
}

// exec runs statements one after the other, none of them within a transaction.
func (s *Server) exec(ctx context.Context, statements ...string) error {
	return s.connected(ctx, func(conn *pgx.Conn) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
}

func (s *Server) connected(ctx context.Context, use func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return use(conn)
}

// DataBytes is the size of all files in the data directory, write-ahead log included.
func (s *Server) DataBytes() (int64, error) {
	var total int64
	err := filepath.WalkDir(s.data(), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				total += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the server removes files while we look
		}
		return err
	})
	return total, err
}

// Close stops the server and removes all it had. Its standbys are closed on their own.
func (s *Server) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	return errors.Join(s.StopImmediate(), s.sweeper.sweep())
}
