package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"bahi/ledger/postgres/pgtest"
)

// usage is what a run has used so far.
type usage struct {
	server, database, load time.Duration // of the processors' time
	stored                 int64         // bytes of the book with its indexes, without the write-ahead log
}

// meter reads the usage of a run. A field that does not apply stays zero.
type meter struct {
	server int            // process id
	pg     *pgtest.Server // nil where the book is a file
	book   storage
}

func (m *meter) read() (u usage) {
	u.server, u.load = cpuTime(m.server), cpuTime(os.Getpid())
	if m.pg == nil {
		if f, err := os.Stat(m.book.path()); err == nil {
			u.stored = f.Size()
		}
		return u
	}
	for _, pid := range m.pg.PIDs() {
		u.database += cpuTime(pid)
	}
	out, err := m.pg.Run("psql", "-At", m.book.DatabaseURL, "-c", "SELECT pg_database_size(current_database())")
	if err == nil {
		u.stored, _ = strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	}
	return u
}

// ticksPerSecond is Linux's unit of processor time, the same on every machine it runs on.
const ticksPerSecond = 100

// cpuTime is what a process has used, in and outside of the kernel; 0 where there is no /proc.
func cpuTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // the name before it may hold spaces
	fields := bytes.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond
}
