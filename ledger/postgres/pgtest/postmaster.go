package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
)

// postmaster is one run of the server's first process, whose children are all the others.
type postmaster struct {
	pid  int
	done chan struct{} // closed when the process has ended
}

func (p *postmaster) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// startPostmaster runs cmd as a child that dies with this process. The kernel
// ties that to the thread which started the child, so the thread is kept for
// as long as the child lives, and is never used for anything else.
func startPostmaster(cmd *exec.Cmd) (*postmaster, error) {
	p := &postmaster{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(p.done)
		}
	}()
	return p, <-started
}

// StartAgain starts a stopped or killed server on its old port with its old
// data, and waits until it answers.
func (s *Server) StartAgain(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc.running() {
		return errors.New("the server runs already")
	}
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	// Not CommandContext: the server outlives the context in which it starts.
	cmd := s.command(context.Background(), "postgres", "-D", s.data(), "-p", s.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+s.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Setpgid = true // an interrupt from the terminal is for us to handle
	diesWithParent(cmd.SysProcAttr)
	if s.proc, err = startPostmaster(cmd); err != nil {
		return err
	}
	return s.waitReady(ctx, s.proc)
}

func (s *Server) logPath() string { return filepath.Join(s.dir, "log") }

func (s *Server) waitReady(ctx context.Context, p *postmaster) error {
	for {
		err := s.connected(ctx, func(conn *pgx.Conn) error { return conn.Ping(ctx) })
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			log, _ := os.ReadFile(s.logPath())
			return fmt.Errorf("PostgreSQL ended while starting:\n%s", log)
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", errors.Join(ctx.Err(), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}
