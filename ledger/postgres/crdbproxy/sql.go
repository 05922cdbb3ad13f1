package crdbproxy

import (
	"regexp"
	"slices"
	"strings"
)

// kind is what a statement does to the transaction around it.
type kind int

const (
	other       kind = iota
	setting          // SET, SHOW: may come before SAVEPOINT cockroach_restart
	begin            // BEGIN, START TRANSACTION
	commit           // COMMIT, END
	rollback         // ROLLBACK, ABORT
	savepoint        // SAVEPOINT cockroach_restart
	releaseSave      // RELEASE SAVEPOINT cockroach_restart
	rollbackTo       // ROLLBACK TO SAVEPOINT cockroach_restart
)

const restartSavepoint = "cockroach_restart"

var (
	quoted   = regexp.MustCompile(`'(?:[^']|'')*'|--[^\n]*|/\*(?s:.*?)\*/`)
	noise    = []string{"work", "transaction", "savepoint"}
	lackings = []struct {
		what    string
		pattern *regexp.Regexp
	}{
		{"LISTEN, UNLISTEN and NOTIFY", regexp.MustCompile(`(?:^|;)\s*(?:un)?(?:listen|notify)\b`)},
		{"LOCK TABLE", regexp.MustCompile(`(?:^|;)\s*lock\b`)},
		{"advisory locks", regexp.MustCompile(`\bpg_(?:try_)?advisory_\w*lock\w*\s*\(`)},
		{"deferrable constraints and transactions", regexp.MustCompile(`\bdeferrable\b|\binitially\s+deferred\b|\bset\s+constraints\b`)},
	}
	notDeferrable = regexp.MustCompile(`\bnot\s+deferrable\b`)
)

// bare is the text in lower case without comments and without what strings hold.
func bare(sql string) string {
	sql = quoted.ReplaceAllStringFunc(sql, func(match string) string {
		if match[0] == '\'' {
			return "''"
		}
		return " "
	})
	return strings.Trim(strings.ToLower(sql), "; \t\r\n")
}

// lacking names what the statement wants and CockroachDB lacks, or is empty.
func lacking(sql string) string {
	text := notDeferrable.ReplaceAllString(bare(sql), " ")
	for _, lack := range lackings {
		if lack.pattern.MatchString(text) {
			return lack.what
		}
	}
	return ""
}

// kindOf reads one statement. Several in one text are none of the special kinds.
func kindOf(sql string) kind {
	text := bare(sql)
	words := strings.Fields(strings.ReplaceAll(text, `"`, ""))
	if len(words) == 0 || strings.Contains(text, ";") {
		return other
	}
	rest := slices.DeleteFunc(slices.Clone(words[1:]), func(word string) bool { return slices.Contains(noise, word) })
	switch words[0] {
	case "set", "show":
		return setting
	case "begin", "start":
		return begin
	case "commit", "end":
		return when(len(rest) == 0, commit)
	case "rollback", "abort":
		if slices.Equal(rest, []string{"to", restartSavepoint}) {
			return rollbackTo
		}
		return when(len(rest) == 0, rollback)
	case "savepoint":
		return when(slices.Equal(rest, []string{restartSavepoint}), savepoint)
	case "release":
		return when(slices.Equal(rest, []string{restartSavepoint}), releaseSave)
	}
	return other
}

func when(is bool, k kind) kind {
	if is {
		return k
	}
	return other
}
