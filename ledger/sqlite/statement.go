package sqlite

import (
	"strconv"
	"strings"

	"bahi/ledger/columns"
)

// textOf makes the SQL of a change. Its parameters are the columns, in their order.
func textOf(c *columns.Change) string {
	names := strings.Split(c.Columns, ",")
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
	}
	// given writes "column = parameter" for some of the columns.
	given := func(from, to int, between string) string {
		pairs := make([]string, 0, to-from)
		for i := from; i < to; i++ {
			pairs = append(pairs, names[i]+" = ?"+strconv.Itoa(i+1))
		}
		return strings.Join(pairs, between)
	}
	switch c.Verb {
	case columns.Update:
		return "UPDATE " + c.Table + " SET " + given(c.Key, len(names), ", ") + " WHERE " + given(0, c.Key, " AND ")
	case columns.Delete:
		return "DELETE FROM " + c.Table + " WHERE " + given(0, c.Key, " AND ")
	}
	insert := "INSERT INTO " + c.Table + " (" + c.Columns + ") VALUES (?" + strings.Repeat(", ?", len(names)-1) + ")"
	switch c.Verb {
	case columns.Add:
		insert += " ON CONFLICT DO NOTHING"
	case columns.Merge, columns.Replace:
		insert += conflict(c.Verb, names[:c.Key], names[len(names)-c.Last:])
	}
	return insert
}

// conflict is what becomes of a row that is known. One that says nothing new writes nothing.
func conflict(verb columns.Verb, key, last []string) string {
	set, news := make([]string, len(last)), make([]string, len(last))
	for i, n := range last {
		set[i], news[i] = n+" = excluded."+n, n+" <> excluded."+n
		if verb == columns.Merge {
			set[i], news[i] = n+" = max("+n+", excluded."+n+")", n+" < excluded."+n
		}
	}
	return " ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET " + strings.Join(set, ", ") + " WHERE " + strings.Join(news, " OR ")
}
