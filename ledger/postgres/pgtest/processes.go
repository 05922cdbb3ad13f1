package pgtest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// process is what /proc says of one: its parent, and its state by one letter
// (R running, S sleeping, T stopped, Z ended and not yet waited for).
type process struct {
	pid, parent int
	state       byte
}

// PIDs returns all processes of the server, the postmaster first; none when it is stopped.
func (s *Server) PIDs() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.proc.running() {
		return nil
	}
	return append([]int{s.proc.pid}, descendants(s.proc.pid)...)
}

func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if p, ok := readProcess(path); ok {
			children[p.parent] = append(children[p.parent], p.pid)
		}
	}
	var all []int
	for todo := children[pid]; len(todo) > 0; todo = todo[1:] {
		all = append(all, todo[0])
		todo = append(todo, children[todo[0]]...)
	}
	slices.Sort(all)
	return all
}

// readProcess reads a line like "42 (postgres: writer) S 17 …". The name may
// hold any character, so the fields are counted from its last parenthesis.
func readProcess(path string) (process, bool) {
	line, err := os.ReadFile(path)
	if err != nil {
		return process{}, false // it ended
	}
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return process{}, false
	}
	fields := bytes.Fields(line[end+1:])
	if len(fields) < 2 {
		return process{}, false
	}
	pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(path)))
	parent, err2 := strconv.Atoi(string(fields[1]))
	return process{pid: pid, parent: parent, state: fields[0][0]}, err1 == nil && err2 == nil
}

// waitState waits until every process is in one of the states or gone. A
// signal is not obeyed at once, and a process that waits for the disk obeys late.
func waitState(states string, pids ...int) {
	deadline := time.Now().Add(5 * time.Second)
	for _, pid := range pids {
		path := filepath.Join("/proc", strconv.Itoa(pid), "stat")
		for time.Now().Before(deadline) {
			p, ok := readProcess(path)
			if !ok || bytes.IndexByte([]byte(states+"ZX"), p.state) >= 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}
