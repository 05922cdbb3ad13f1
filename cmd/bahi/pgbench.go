package main

import (
	"fmt"
	"regexp"
	"strconv"

	"bahi/ledger/postgres/pgtest"
)

// durable is how the bench runs PostgreSQL: every commit is on the disk before it is answered.
var durable = pgtest.Options{Fsync: true, Settings: map[string]string{
	"shared_buffers": "512MB", "max_connections": "100", "synchronous_commit": "on", "max_wal_size": "4GB"}}

// initPgbench makes the tables of pgbench.
func initPgbench(pg *pgtest.Server) error {
	_, err := pg.Run("pgbench", "-i", "-q", "-s", "10", "postgres")
	return err
}

// runPgbench measures TPC-B-like transactions a second on the server: the
// yardstick of this machine at this moment.
func runPgbench(pg *pgtest.Server, seconds int) (perSecond float64, err error) {
	out, err := pg.Run("pgbench", "-c", "64", "-j", "2", "-T", strconv.Itoa(seconds), "postgres")
	if err != nil {
		return 0, err
	}
	match := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("pgbench printed no tps: %s", out)
	}
	return strconv.ParseFloat(string(match[1]), 64)
}
