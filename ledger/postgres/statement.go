package postgres

import (
	"strconv"
	"strings"

	"bahi/ledger/columns"
)

// statement is an SQL text whose parameters are arrays, one for each column of
// the rows it is about: however many rows, it is one statement. To open a set of
// arrays takes longer than to write a row, so a single row has a text of its own.
type statement struct {
	sql   string
	one   string   // the same for one row, whose values are the parameters
	types []uint32 // of the values
}

var types = [...]struct {
	oid  uint32
	name string
}{
	columns.UUID: {oidUUID, "uuid"}, columns.Text: {oidText, "text"}, columns.Int2: {oidInt2, "int2"}, columns.Int4: {oidInt4, "int4"},
	columns.Int8: {oidInt8, "int8"}, columns.Bool: {oidBool, "bool"}, columns.Bytea: {oidBytea, "bytea"},
}

// statementOf makes the texts of a change.
func statementOf(c *columns.Change) *statement {
	t := texts{Change: c, names: strings.Split(c.Columns, ",")}
	for i, n := range t.names {
		t.names[i] = strings.TrimSpace(n)
	}
	s := &statement{types: make([]uint32, len(c.Types))}
	for i, of := range c.Types {
		s.types[i] = types[of].oid
	}
	switch c.Verb {
	case columns.Update:
		s.sql = "UPDATE " + c.Table + " AS t SET " + t.each(c.Key, len(t.names), "", " = u.", ", ") + " FROM " + t.unnest() + " WHERE " + t.sameKey("t.", "u.")
		s.one = "UPDATE " + c.Table + " AS t SET " + t.given(c.Key, len(t.names), "", ", ") + " WHERE " + t.given(0, c.Key, "t.", " AND ")
	case columns.Delete:
		s.sql = "DELETE FROM " + c.Table + " WHERE (" + c.Columns + ") IN (SELECT * FROM " + t.unnest() + ")"
		s.one = "DELETE FROM " + c.Table + " WHERE " + t.given(0, c.Key, "", " AND ")
	default:
		into := "INSERT INTO " + c.Table + " (" + c.Columns + ") "
		s.sql = into + "SELECT u.* FROM " + t.unnest() + t.unknown() + t.conflict()
		s.one = into + "VALUES (" + strings.Join(t.values(""), ", ") + ")" + t.conflict()
	}
	return s
}

// texts makes the parts of a statement.
type texts struct {
	*columns.Change
	names []string
}

// values are the parameters with their types.
func (t *texts) values(array string) []string {
	params := make([]string, len(t.Types))
	for i, of := range t.Types {
		params[i] = "$" + strconv.Itoa(i+1) + "::" + types[of].name + array
	}
	return params
}

func (t *texts) unnest() string {
	return "unnest(" + strings.Join(t.values("[]"), ", ") + ") AS u (" + t.Columns + ")"
}

// each writes "column = value" for some of the columns.
func (t *texts) each(from, to int, of, is, between string) string {
	pairs := make([]string, 0, to-from)
	for _, n := range t.names[from:to] {
		pairs = append(pairs, of+n+is+n)
	}
	return strings.Join(pairs, between)
}

// given does so with the parameters.
func (t *texts) given(from, to int, of, between string) string {
	values := t.values("")
	pairs := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		pairs = append(pairs, of+t.names[i]+" = "+values[i])
	}
	return strings.Join(pairs, between)
}

func (t *texts) sameKey(a, b string) string { return t.each(0, t.Key, a, " = "+b, " AND ") }

// unknown leaves the rows out that say nothing new: ON CONFLICT locks a row even
// where it does not write it, and the lock is written to the row and to the log.
func (t *texts) unknown() string {
	if t.Verb != columns.Merge && t.Verb != columns.Replace {
		return ""
	}
	return " LEFT JOIN " + t.Table + " AS t ON " + t.sameKey("t.", "u.") + " WHERE t." + t.names[0] + " IS NULL OR " + t.news("t.", "u.")
}

// news says whether a row differs from the one that is known, as far as it is written.
func (t *texts) news(known, told string) string {
	than := " <> "
	if t.Verb == columns.Merge {
		than = " < "
	}
	return t.each(len(t.names)-t.Last, len(t.names), known, than+told, " OR ")
}

// conflict is what becomes of a row that is known.
func (t *texts) conflict() string {
	if t.Verb == columns.Insert {
		return ""
	}
	if t.Verb == columns.Add {
		return " ON CONFLICT DO NOTHING"
	}
	last := make([]string, 0, t.Last)
	for _, n := range t.names[len(t.names)-t.Last:] {
		value := "excluded." + n
		if t.Verb == columns.Merge {
			value = "GREATEST(" + t.Table + "." + n + ", " + value + ")"
		}
		last = append(last, n+" = "+value)
	}
	return " ON CONFLICT (" + strings.Join(t.names[:t.Key], ", ") + ") DO UPDATE SET " + strings.Join(last, ", ") + " WHERE " + t.news(t.Table+".", "excluded.")
}
