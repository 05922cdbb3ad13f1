package postgres

import "encoding/binary"

// row is a result row in the protocol's binary format, read column by column
// from left to right. NULL is Go's zero.
type row struct {
	values [][]byte
	next   int
}

func (r *row) value() []byte {
	r.next++
	return r.values[r.next-1]
}

// Int64 reads an integer of any size.
func (r *row) Int64() int64 {
	switch v := r.value(); len(v) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

// Pointer reads an integer of eight bytes, nil where it is NULL.
func (r *row) Pointer() *int64 {
	v := r.value()
	if v == nil {
		return nil
	}
	n := int64(binary.BigEndian.Uint64(v))
	return &n
}

func (r *row) Bool() bool {
	v := r.value()
	return len(v) == 1 && v[0] != 0
}

func (r *row) Text() string { return string(r.value()) }

// Blob copies: the driver reuses its buffer.
func (r *row) Blob() []byte { return append([]byte(nil), r.value()...) }

func (r *row) ID() (id [16]byte) {
	copy(id[:], r.value())
	return id
}

func (r *row) Hash() (h [32]byte) {
	copy(h[:], r.value())
	return h
}
