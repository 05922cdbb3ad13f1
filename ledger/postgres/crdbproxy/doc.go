// Package crdbproxy makes a PostgreSQL server look like CockroachDB to its
// clients, where the two differ in what a client sees: a parameter that names
// CockroachDB, SERIALIZABLE as the default isolation, the client-side retry
// protocol of SAVEPOINT cockroach_restart, the text of a retry error, and the
// refusal of what CockroachDB lacks. It is for tests, and injects the faults
// that a test wants to see survived.
//
// It does not make PostgreSQL's SQL CockroachDB's: what CockroachDB's grammar
// refuses is for another test, for which [Proxy.Statements] collects the texts.
//
// Every connection is one goroutine, which sends the server one message at a
// time and waits for its answer. That costs a round trip on the loopback per
// message, and buys that a fault hits exactly the statement it is meant for,
// in a pipeline too.
package crdbproxy
