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

// arrays lends arrays to one batch after the other: made anew and grown for each,
// they were an eighth of all that the server allocated.
type arrays struct {
	spare, lent []*array
}

func (s *arrays) lend(element uint32) *array {
	var a *array
	if n := len(s.spare); n > 0 {
		a, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		a = &array{buf: make([]byte, arrayHeader, 1024)}
	}
	s.lent = append(s.lent, a)
	a.buf, a.count, a.nulls = a.buf[:arrayHeader], 0, false
	clear(a.buf)
	binary.BigEndian.PutUint32(a.buf[0:], 1)
	binary.BigEndian.PutUint32(a.buf[8:], element)
	binary.BigEndian.PutUint32(a.buf[16:], 1)
	return a
}

// maxSpare is the room of the largest array that is kept: each holds another column
// in every batch, so all of them would come to have the room of the largest.
const maxSpare = 1 << 20

// takeBack ends the use of all arrays that are lent.
func (s *arrays) takeBack() {
	for _, a := range s.lent {
		if cap(a.buf) <= maxSpare {
			s.spare = append(s.spare, a)
		}
	}
	clear(s.lent)
	s.lent = s.lent[:0]
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

// only is the only value of the array, nil for NULL.
func (a *array) only() []byte {
	if a.nulls {
		return nil
	}
	return a.buf[arrayHeader+4:]
}

// param is the finished array.
func (a *array) param() []byte {
	if a.nulls {
		a.buf[7] = 1
	}
	binary.BigEndian.PutUint32(a.buf[12:], uint32(a.count))
	return a.buf
}
