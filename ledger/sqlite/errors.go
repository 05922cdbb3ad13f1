package sqlite

import (
	"errors"
	"fmt"

	sqlite "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"bahi/ledger"
)

// failed says what failed, as [ledger.ErrUnavailable] where trying later may help.
func failed(doing string, err error) error {
	if unavailable(err) {
		return fmt.Errorf("sqlite: %s: %w: %w", doing, ledger.ErrUnavailable, err)
	}
	return fmt.Errorf("sqlite: %s: %w", doing, err)
}

// code is SQLite's primary result code, or 0 for another kind of error.
func code(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// unavailable tells the surroundings' faults, such as a full disk, from our own.
func unavailable(err error) bool {
	switch code(err) {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN,
		lib.SQLITE_READONLY, lib.SQLITE_NOMEM, lib.SQLITE_PROTOCOL:
		return true
	}
	return false
}
