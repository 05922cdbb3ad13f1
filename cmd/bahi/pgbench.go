package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

// runPgbench measures TPC-B-like transactions a second on a private PostgreSQL
// with fsync on: the yardstick of this machine at this moment.
func runPgbench(seconds int) (perSecond float64, err error) {
	pg, err := startPostgres()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pg.stop()) }()
	if _, err := pg.run("pgbench", "-i", "-q", "-s", "10", "postgres"); err != nil {
		return 0, err
	}
	out, err := pg.run("pgbench", "-c", "64", "-j", "2", "-T", strconv.Itoa(seconds), "postgres")
	if err != nil {
		return 0, err
	}
	match := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("pgbench printed no tps: %s", out)
	}
	return strconv.ParseFloat(string(match[1]), 64)
}

// pgServer is a private server on a free loopback port, with a data directory
// of its own, as the user postgres where this process is root.
type pgServer struct {
	bin, dir, port string
	as             *syscall.Credential
}

func startPostgres() (*pgServer, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return nil, errors.New("no PostgreSQL found; on Debian: apt-get install postgresql")
	}
	pg := &pgServer{bin: filepath.Dir(found[len(found)-1])}
	var err error
	if pg.as, err = postgresUser(); err != nil {
		return nil, err
	}
	if pg.dir, err = os.MkdirTemp("", "bahi-pg-"); err != nil {
		return nil, err
	}
	if pg.port, err = freePort(); err == nil && pg.as != nil {
		err = os.Chown(pg.dir, int(pg.as.Uid), int(pg.as.Gid))
	}
	if err == nil {
		_, err = pg.run("initdb", "-D", pg.data(), "-A", "trust", "-U", "postgres")
	}
	if err == nil {
		options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -p %s -k %s -c shared_buffers=256MB -c max_connections=100", pg.port, pg.dir)
		_, err = pg.run("pg_ctl", "-D", pg.data(), "-w", "-l", filepath.Join(pg.dir, "log"), "-o", options, "start")
	}
	if err != nil {
		os.RemoveAll(pg.dir)
		return nil, err
	}
	return pg, nil
}

func (pg *pgServer) url() string { return "postgres://postgres@127.0.0.1:" + pg.port + "/postgres?sslmode=disable" }

func (pg *pgServer) data() string { return filepath.Join(pg.dir, "data") }

func (pg *pgServer) stop() error {
	_, err := pg.run("pg_ctl", "-D", pg.data(), "-w", "-m", "immediate", "stop")
	return errors.Join(err, os.RemoveAll(pg.dir))
}

// run runs one of PostgreSQL's programs.
func (pg *pgServer) run(program string, args ...string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(pg.bin, program), args...)
	cmd.Dir = pg.dir
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+pg.port, "PGUSER=postgres")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: pg.as}
	log, err := os.CreateTemp("", "bahi-pg-out-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log // a file: pg_ctl's server keeps it open, a pipe would never end
	err = cmd.Run()
	out, _ := os.ReadFile(log.Name())
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return out, err
}

// postgresUser is who PostgreSQL runs as: it refuses root.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
