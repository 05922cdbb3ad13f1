package pgtest

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// sweeper is a shell that waits for this process to close the pipe between
// them, by intent or by dying, and then removes what is left of a server: its
// processes and programs, known by where they work, its last piece of shared
// memory, its directory. One way for both ends, so that the rare one is tried all the time.
type sweeper struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

const sweep = `
trap '' INT TERM HUP
read -r _
memory=$(sed -n '7s/.* //p' "$1/data/postmaster.pid")
tries=100
while [ -e "$1" ] && [ $tries -gt 0 ]; do
	for p in /proc/[0-9]*; do
		case "$(readlink "$p/cwd")" in
		"$1"|"$1/"*|"$1 (deleted)") kill -KILL "${p#/proc/}" ;;
		esac
	done
	rm -rf "$1" || sleep 0.1
	tries=$((tries-1))
done
[ -z "$memory" ] || ipcrm -m "$memory"
[ ! -e "$1" ]
`

func startSweeper(dir string, as *syscall.Credential) (*sweeper, error) {
	cmd := exec.Command("/bin/sh", "-c", sweep, "sh", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &sweeper{cmd: cmd, pipe: pipe}, cmd.Start()
}

// sweep removes the server and waits until it is gone.
func (s *sweeper) sweep() error {
	_ = s.pipe.Close()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("a private PostgreSQL left something behind: %w", err)
	}
	return nil
}
