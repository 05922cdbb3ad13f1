package postgres

import "encoding/binary"

// Object identifiers of the types that the book's columns have.
const (
	oidBool  = 16
	oidBytea = 17
	oidInt8  = 20
	oidInt2  = 21
	oidInt4  = 23
	oidText  = 25
	oidUUID  = 2950
)

// array is one column of many rows, as PostgreSQL's binary format of a
// one-dimensional array. It is built byte by byte: the driver's own encoding
// goes through reflection for every value.
type array struct {
	buf   []byte
	count int
	nulls bool
}

const arrayHeader = 20 // dimensions, flags, element type, length, lower bound

func newArray(element uint32) *array {
	a := &array{buf: make([]byte, arrayHeader, 1024)}
	binary.BigEndian.PutUint32(a.buf[0:], 1)
	binary.BigEndian.PutUint32(a.buf[8:], element)
	binary.BigEndian.PutUint32(a.buf[16:], 1)
	return a
}

func (a *array) size(n int) { a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(n)); a.count++ }

func (a *array) null() {
	a.buf = append(a.buf, 0xff, 0xff, 0xff, 0xff) // size -1
	a.count++
	a.nulls = true
}

func (a *array) bytes(b []byte) {
	a.size(len(b))
	a.buf = append(a.buf, b...)
}

func (a *array) text(s string) {
	a.size(len(s))
	a.buf = append(a.buf, s...)
}

func (a *array) int8(v int64) {
	a.size(8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(v))
}

func (a *array) int4(v int) {
	a.size(4)
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(v))
}

func (a *array) int2(v uint16) {
	a.size(2)
	a.buf = binary.BigEndian.AppendUint16(a.buf, v)
}

func (a *array) bool(v bool) {
	a.size(1)
	if v {
		a.buf = append(a.buf, 1)
	} else {
		a.buf = append(a.buf, 0)
	}
}

// param is the finished array.
func (a *array) param() []byte {
	if a.nulls {
		a.buf[7] = 1
	}
	binary.BigEndian.PutUint32(a.buf[12:], uint32(a.count))
	return a.buf
}
