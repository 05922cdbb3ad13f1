package pgtest

import (
	"path/filepath"
	"strconv"
)

// State is the state of a process by its letter in /proc, 0 when it is gone.
func State(pid int) byte {
	p, _ := readProcess(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return p.state
}
