package sqlite

import (
	"database/sql/driver"

	"bahi/ledger"
)

// row is a result row that is read column by column, from left to right. The
// tables are STRICT, so a column holds its type or NULL, and NULL is Go's zero.
type row struct {
	values []driver.Value
	next   int
}

func (r *row) value() driver.Value {
	r.next++
	return r.values[r.next-1]
}

func (r *row) Int64() int64 {
	v, _ := r.value().(int64)
	return v
}

func (r *row) Text() string {
	v, _ := r.value().(string)
	return v
}

func (r *row) Blob() []byte {
	v, _ := r.value().([]byte)
	return v
}

func (r *row) Bool() bool { return r.Int64() != 0 }

func (r *row) ID() (id [16]byte) {
	copy(id[:], r.Blob())
	return id
}

func (r *row) Hash() (h [32]byte) {
	copy(h[:], r.Blob())
	return h
}

// What is absent is stored as NULL: it costs no memory, no byte and no index entry.

func optionalText[S ~string](s S) driver.Value {
	if s == "" {
		return nil
	}
	return string(s)
}

func optionalID(id *ledger.ID) driver.Value {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

func optionalInt[I ~uint8 | ~int64](i I) driver.Value {
	if i == 0 {
		return nil
	}
	return int64(i)
}

func optionalBytes(b []byte) driver.Value {
	if len(b) == 0 {
		return nil
	}
	return b
}
