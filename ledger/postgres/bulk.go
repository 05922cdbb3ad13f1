package postgres

// bulk gathers the rows of a statement, written column by column from left to
// right. It is a [columns.Writer].
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

func (b *bulk) ID(v [16]byte)  { b.column().bytes(v[:]) }
func (b *bulk) Bool(v bool)    { b.column().bool(v) }
func (b *bulk) Text(v string)  { b.column().text(v) }
func (b *bulk) Int8(v int64)   { b.column().int8(v) }
func (b *bulk) Int4(v int)     { b.column().int4(v) }
func (b *bulk) Small(v uint8)  { b.column().int2(uint16(v)) }
func (b *bulk) Bytes(v []byte) { b.column().bytes(v) }

func (b *bulk) OptionalID(v [16]byte) {
	if v == [16]byte{} {
		b.column().null()
	} else {
		b.ID(v)
	}
}

func (b *bulk) OptionalText(v string) {
	if v == "" {
		b.column().null()
	} else {
		b.Text(v)
	}
}

func (b *bulk) OptionalSmall(v uint8) {
	if v == 0 {
		b.column().null()
	} else {
		b.Small(v)
	}
}

func (b *bulk) OptionalInt4(v int) {
	if v == 0 {
		b.column().null()
	} else {
		b.Int4(v)
	}
}

func (b *bulk) OptionalInt8(v int64) {
	if v == 0 {
		b.column().null()
	} else {
		b.Int8(v)
	}
}

func (b *bulk) Pointer(v *int64) {
	if v == nil {
		b.column().null()
	} else {
		b.Int8(*v)
	}
}

func (b *bulk) OptionalBytes(v []byte) {
	if len(v) == 0 {
		b.column().null()
	} else {
		b.Bytes(v)
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
