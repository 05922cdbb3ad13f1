package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"bahi/ledger/postgres/pgtest"
)

// profile gathers where a run's processor time goes: the server's by function,
// the database's by statement.
type profile struct {
	dir     string // where it goes
	address string // where the server serves its profiles
	cpu     chan error
}

// newProfile makes the directory; without one there is no profile.
func newProfile(dir string) (*profile, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return nil, err
	}
	return &profile{dir: dir, address: l.Addr().String(), cpu: make(chan error, 1)}, l.Close()
}

// flags are what the server is started with beside its own.
func (p *profile) flags() []string {
	if p == nil {
		return nil
	}
	return []string{"--pprof", p.address}
}

// withStatements makes PostgreSQL count what each statement costs.
func (p *profile) withStatements(o pgtest.Options) pgtest.Options {
	if p != nil {
		o.Settings = maps.Clone(o.Settings)
		o.Settings["shared_preload_libraries"] = "pg_stat_statements"
	}
	return o
}

// begin starts to look at the server for so long.
func (p *profile) begin(seconds int) {
	if p != nil {
		go func() { p.cpu <- p.fetch(fmt.Sprint("profile?seconds=", seconds), "server.pprof") }()
	}
}

func (p *profile) fetch(what, file string) error {
	answer, err := http.Get("http://" + p.address + "/debug/pprof/" + what)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	f, err := os.Create(filepath.Join(p.dir, file))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, answer.Body)
	return errors.Join(err, f.Close())
}

// costliest are the statements of the database by the time they took.
const costliest = `CREATE EXTENSION pg_stat_statements;
SELECT round(total_exec_time::numeric) AS ms, calls, rows, round((1000 * total_exec_time / greatest(rows, 1))::numeric, 1) AS "us/row",
       shared_blks_dirtied AS dirtied, wal_records, wal_bytes, left(regexp_replace(query, '\s+', ' ', 'g'), 120) AS query
FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY total_exec_time DESC LIMIT 30`

// end writes the profile; pg is nil where the book is a file.
func (p *profile) end(pg *pgtest.Server, url string) error {
	if p == nil {
		return nil
	}
	err := errors.Join(<-p.cpu, p.fetch("allocs", "allocs.pprof"))
	if pg != nil {
		table, failed := pg.Run("psql", "-X", url, "-c", costliest)
		err = errors.Join(err, failed, os.WriteFile(filepath.Join(p.dir, "statements.txt"), table, 0o644))
	}
	return err
}
