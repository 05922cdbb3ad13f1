package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"bahi/ledger"
)

// SQLSTATEs that say more than "it failed".
const (
	codeSerialization = "40001"
	codeUnknownEnd    = "40003" // CockroachDB: the result of a statement is ambiguous
	codeDeadlock      = "40P01"
	codeUnique        = "23505"
	codeProtocol      = "08P01" // our own fault, though its class is that of lost connections
	codeReadOnly      = "25006" // a standby, or a primary that became one
)

// sqlState is the server's word for an error, or empty where the error is not
// the server's, such as a lost connection.
func sqlState(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// lost says whether the connection is of no use after the error.
func lost(err error) bool {
	e := (*pgconn.PgError)(nil)
	return !errors.As(err, &e) || e.Code == codeReadOnly || e.Severity == "FATAL" || e.Severity == "PANIC"
}

// failed says what failed, as [ledger.ErrUnavailable] where trying later may help.
func failed(doing string, err error) error {
	if unavailable(err) {
		return fmt.Errorf("postgres: %s: %w: %w", doing, ledger.ErrUnavailable, err)
	}
	return fmt.Errorf("postgres: %s: %w", doing, err)
}

// unavailable tells the surroundings' faults from our own: connections, resources,
// an operator's stop, a system error, a server that only reads, and one where too
// much happens at once.
func unavailable(err error) bool {
	if errors.Is(err, context.Canceled) { // the caller's own wish
		return false
	}
	code := sqlState(err)
	switch code {
	case "", codeReadOnly, codeSerialization:
		return true
	case codeProtocol:
		return false
	}
	for _, class := range []string{"08", "53", "57", "58"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
