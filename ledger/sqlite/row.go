package sqlite

import "database/sql/driver"

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

func (r *row) Pointer() *int64 {
	v, ok := r.value().(int64)
	if !ok {
		return nil
	}
	return &v
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
