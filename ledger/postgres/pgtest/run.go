package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Run runs one of PostgreSQL's programs (psql, pgbench, pg_dump) against the
// server and returns all that it printed.
func (s *Server) Run(program string, args ...string) ([]byte, error) {
	return s.run(context.Background(), program, args...)
}

func (s *Server) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := s.command(ctx, program, args...).CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return out, nil
}

func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+s.port, "PGUSER=postgres")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return cmd
}
