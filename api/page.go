package api

import (
	"encoding/base64"
	"strconv"
	"strings"

	"bahi/ledger"
)

// A cursor is where a page ended, in a form that nobody should read meaning into.

func badCursor() *problem {
	return badRequest("invalid_cursor", "use next_cursor of the page before, as it is").at("cursor")
}

func cursorOf(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func readCursor(cursor string) (string, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", badCursor()
	}
	return string(text), nil
}

// idPage reads the cursor of a list ordered by ID.
func idPage(cursor string, limit int) (ledger.Page, error) {
	p := ledger.Page{Limit: limit + 1} // one more than is shown tells whether there is another page
	if cursor == "" {
		return p, nil
	}
	text, err := readCursor(cursor)
	if err != nil || len(text) != len(p.Before) {
		return p, badCursor()
	}
	p.Before = ledger.ID([]byte(text))
	return p, nil
}

// cut takes a page from rows, of which one more than the limit was asked for, and
// makes the cursor to the next page, if there is one, from where the page ends.
func cut[T any](rows []T, limit int, end func(last *T) string) (page []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], cursorOf(end(&rows[limit-1]))
}

// seqPage reads the cursor of a statement.
func seqPage(cursor string) (before int64, err error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := readCursor(cursor)
	if err != nil {
		return 0, err
	}
	before, err = strconv.ParseInt(text, 10, 64)
	if err != nil || before < 1 {
		return 0, badCursor()
	}
	return before, nil
}

func nextSeq(lines []ledger.StatementLine, limit int) string {
	if len(lines) < limit || lines[len(lines)-1].Seq == 1 {
		return ""
	}
	return cursorOf(strconv.FormatInt(lines[len(lines)-1].Seq, 10))
}

// accountPage reads the cursor of the list of accounts.
func accountPage(cursor string) (after ledger.AccountName, err error) {
	if cursor == "" {
		return after, nil
	}
	text, err := readCursor(cursor)
	path, currency, ok := strings.Cut(text, "\n")
	if err != nil || !ok {
		return after, badCursor()
	}
	return ledger.AccountName{Path: path, Currency: ledger.Currency(currency)}, nil
}
