package pgtest

import (
	"errors"
	"slices"
	"syscall"
)

var errNotRunning = errors.New("the server does not run")

// Freeze stops every process of the server where it is: connections stay open
// and nobody answers, as with a machine that hangs.
func (s *Server) Freeze() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.proc.running() {
		return errNotRunning
	}
	_, err := s.freeze()
	return err
}

// freeze stops the postmaster first, so that it makes no children while the
// others are stopped. It returns the children.
func (s *Server) freeze() ([]int, error) {
	if err := syscall.Kill(s.proc.pid, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	waitState("T", s.proc.pid)
	children := descendants(s.proc.pid)
	err := signal(syscall.SIGSTOP, children...)
	waitState("T", children...)
	return children, err
}

// Thaw lets a frozen server go on as if nothing had happened.
func (s *Server) Thaw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.proc.running() {
		return errNotRunning
	}
	return s.thaw()
}

func (s *Server) thaw() error {
	return signal(syscall.SIGCONT, append(descendants(s.proc.pid), s.proc.pid)...)
}

// StopImmediate stops the server without a checkpoint, so that its next start
// recovers from the log. A server that does not run is left as it is.
func (s *Server) StopImmediate() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.proc.running() {
		return nil
	}
	err := errors.Join(signal(syscall.SIGQUIT, s.proc.pid), s.thaw())
	<-s.proc.done
	return err
}

// Kill ends all processes of the server at once, as a crash does.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.proc.running() {
		return errNotRunning
	}
	children, err := s.freeze() // so that none escapes
	if err != nil {
		return err
	}
	err = signal(syscall.SIGKILL, append(children, s.proc.pid)...)
	<-s.proc.done
	waitState("", children...)
	return err
}

// signal sends sig to those that still live.
func signal(sig syscall.Signal, pids ...int) error {
	var failed error
	for pid := range slices.Values(pids) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
