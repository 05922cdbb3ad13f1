package postgres

import (
	"strconv"
	"strings"

	"bahi/ledger"
)

// statement is an SQL text whose parameters are arrays, one for each column of
// the rows it is about: however many rows, it is one statement. To open a set of
// arrays takes longer than to write a row, so a single row has a text of its own.
type statement struct {
	sql   string
	one   string   // the same for one row, whose values are the parameters
	types []uint32 // of the values
}

var typeNames = map[uint32]string{oidUUID: "uuid", oidText: "text", oidInt2: "int2", oidInt4: "int4", oidInt8: "int8", oidBool: "bool", oidBytea: "bytea"}

// short names of the types make the tables below readable.
const (
	uuid, text, i2, i4, i8, boolean, bytea = oidUUID, oidText, oidInt2, oidInt4, oidInt8, oidBool, oidBytea
)

// insertInto makes an INSERT of all columns.
func insertInto(table, columns string, types ...uint32) statement {
	into := "INSERT INTO " + table + " (" + columns + ") "
	return statement{sql: into + "SELECT * FROM " + unnest(types), one: into + "VALUES (" + strings.Join(values(types, ""), ", ") + ")", types: types}
}

// update makes an UPDATE; columns begins with the n columns of the key.
func update(table string, n int, columns string, types ...uint32) statement {
	names, given := strings.Split(columns, ", "), values(types, "")
	// each writes "column = value" for some of the columns.
	each := func(names, values []string, of, between string) string {
		pairs := make([]string, len(names))
		for i, c := range names {
			pairs[i] = of + c + " = " + values[i]
		}
		return strings.Join(pairs, between)
	}
	unnested := make([]string, len(names))
	for i, c := range names {
		unnested[i] = "u." + c
	}
	return statement{types: types,
		sql: "UPDATE " + table + " AS t SET " + each(names[n:], unnested[n:], "", ", ") + " FROM " + unnest(types) + " AS u (" + columns + ") WHERE " +
			each(names[:n], unnested[:n], "t.", " AND "),
		one: "UPDATE " + table + " AS t SET " + each(names[n:], given[n:], "", ", ") + " WHERE " + each(names[:n], given[:n], "t.", " AND ")}
}

func unnest(types []uint32) string { return "unnest(" + strings.Join(values(types, "[]"), ", ") + ")" }

// values are the parameters with their types.
func values(types []uint32, array string) []string {
	params := make([]string, len(types))
	for i, t := range types {
		params[i] = "$" + strconv.Itoa(i+1) + "::" + typeNames[t] + array
	}
	return params
}

// bulk gathers the rows of a statement, written column by column from left to
// right. Absent values become NULL.
type bulk struct {
	statement *statement
	arrays    []*array
	next      int
}

func newBulk(s *statement, from *arrays) *bulk {
	b := &bulk{statement: s, arrays: make([]*array, len(s.types))}
	for i, t := range s.types {
		b.arrays[i] = from.lend(t)
	}
	return b
}

func (b *bulk) column() *array {
	a := b.arrays[b.next]
	b.next = (b.next + 1) % len(b.arrays)
	return a
}

func (b *bulk) id(id [16]byte) { b.column().bytes(id[:]) }
func (b *bulk) bool(v bool)    { b.column().bool(v) }
func (b *bulk) text(s string)  { b.column().text(s) }
func (b *bulk) int8(v int64)   { b.column().int8(v) }
func (b *bulk) int4(v int)     { b.column().int4(v) }
func (b *bulk) small(v uint8)  { b.column().int2(uint16(v)) }
func (b *bulk) bytes(v []byte) { b.column().bytes(v) }
func (b *bulk) optionalID(id ledger.ID) {
	if id.IsZero() {
		b.column().null()
	} else {
		b.id(id)
	}
}

func (b *bulk) optionalText(s string) {
	if s == "" {
		b.column().null()
	} else {
		b.text(s)
	}
}

func (b *bulk) optionalSmall(v uint8) {
	if v == 0 {
		b.column().null()
	} else {
		b.small(v)
	}
}

func (b *bulk) optionalInt8(v int64) {
	if v == 0 {
		b.column().null()
	} else {
		b.int8(v)
	}
}

func (b *bulk) optionalBytes(v []byte) {
	if len(v) == 0 {
		b.column().null()
	} else {
		b.bytes(v)
	}
}

// query is the statement with its rows.
func (b *bulk) query() query {
	params := make([][]byte, len(b.arrays))
	if b.arrays[0].count == 1 {
		for i, a := range b.arrays {
			params[i] = a.only()
		}
		return query{sql: b.statement.one, params: params}
	}
	for i, a := range b.arrays {
		params[i] = a.param()
	}
	return query{sql: b.statement.sql, params: params}
}
