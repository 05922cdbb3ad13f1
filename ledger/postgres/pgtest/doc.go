// Package pgtest starts private PostgreSQL servers from the programs installed
// on this machine, for tests and for measuring. A server has its own data
// directory and its own free port on the loopback interface, runs as the user
// postgres where this process is root, and can be treated badly: frozen,
// killed, started again, given a standby that is promoted.
//
// Nothing is left behind: not by [Server.Close], and on Linux not by the death
// of this process either.
package pgtest
