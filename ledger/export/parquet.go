package export

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"bahi/ledger"
)

// Money is a DECIMAL of one scale in all rows, so that a reader may add it up without
// knowing the currencies: as many digits as the currency that has the most (UYW). Times
// ten to the fourth an amount in minor units can be too large for 64 bits, which a
// DECIMAL over an INT64 has, so it is kept in as many bytes as the precision needs.
const (
	moneyScale     = 4
	moneyPrecision = 23
	moneyBytes     = 10
)

// rowGroup is how many rows are kept until they are written: some megabytes.
const rowGroup = 32 << 10

// parquetSink writes a table as Parquet.
type parquetSink struct {
	table
	out   *output
	w     *parquet.GenericWriter[any]
	rows  int64
	batch []parquet.Row
	bytes []byte // that the batch's texts and amounts are in
}

const parquetBatch = 64

func newParquet(out *output, o *Options, t table) *parquetSink {
	s := &parquetSink{table: t, out: out}
	s.w = parquet.NewGenericWriter[any](out, schemaOf(o, t), parquet.MaxRowsPerRowGroup(rowGroup), parquet.Compression(&parquet.Snappy),
		parquet.CreatedBy("bahi", "1", "export"), // not the library's, which names a build
		parquet.KeyValueMetadata("bahi.first", strconv.FormatInt(o.Range.First, 10)),
		parquet.KeyValueMetadata("bahi.size", strconv.FormatInt(o.Range.Size, 10)),
		parquet.KeyValueMetadata("bahi.app", o.App))
	return s
}

// schemaOf is the table's schema, its columns in the table's order.
func schemaOf(o *Options, t table) *parquet.Schema {
	group := parquet.Group{}
	for i := range t.columns {
		group[t.columns[i].name] = t.columns[i].node()
	}
	fields := group.Fields()
	at := map[string]int{}
	for i := range t.columns {
		at[t.columns[i].name] = i
	}
	slices.SortFunc(fields, func(a, b parquet.Field) int { return at[a.Name()] - at[b.Name()] })
	return parquet.NewSchema(string(o.Of), ordered{group, fields})
}

// ordered is a group whose fields have an order of their own.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

// Fields implements [parquet.Node].
func (o ordered) Fields() []parquet.Field { return o.fields }

func (c *column) node() parquet.Node {
	switch c.kind {
	case whole:
		return parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked)
	case moment:
		return parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.DeltaBinaryPacked)
	case perhaps:
		return parquet.Optional(parquet.Timestamp(parquet.Microsecond))
	case money:
		return parquet.Decimal(moneyScale, moneyPrecision, parquet.FixedLenByteArrayType(moneyBytes))
	case word:
		return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	}
	return parquet.String()
}

func (s *parquetSink) wants(k ledger.LeafKind) bool { return slices.Contains(s.kinds, k) }
func (s *parquetSink) replays() int64               { return nowhere }
func (s *parquetSink) replay(*fact) error           { return nil }
func (s *parquetSink) count() int64                 { return s.rows }
func (s *parquetSink) begin() error                 { return nil }

func (s *parquetSink) write(f *fact) error {
	return s.table.rows(f, func(l line) error {
		n := len(s.batch)
		if n < cap(s.batch) {
			s.batch = s.batch[:n+1]
		} else {
			s.batch = append(s.batch, nil)
		}
		row := s.batch[n][:0]
		for i := range s.columns {
			row = append(row, s.value(&s.columns[i], &l).Level(0, s.columns[i].level(&l), i))
		}
		s.batch[n] = row
		s.rows++
		if len(s.batch) == parquetBatch {
			return s.flush()
		}
		return nil
	})
}

func (s *parquetSink) value(c *column, l *line) parquet.Value {
	if c.number != nil && c.kind != money {
		if at := c.number(l); at != 0 || c.kind != perhaps {
			return parquet.Int64Value(at)
		}
		return parquet.NullValue()
	}
	from := len(s.bytes)
	if c.kind == money {
		s.bytes = appendDecimal(s.bytes, c.number(l), l.currency())
		return parquet.FixedLenByteArrayValue(s.bytes[from:])
	}
	s.bytes = c.text(s.bytes, l)
	return parquet.ByteArrayValue(s.bytes[from:])
}

// level is 1 where a value that may be missing is there.
func (c *column) level(l *line) int {
	if c.kind == perhaps && c.number(l) != 0 {
		return 1
	}
	return 0
}

func (s *parquetSink) flush() error {
	_, err := s.w.WriteRows(s.batch)
	s.batch, s.bytes = s.batch[:0], s.bytes[:0]
	return err
}

func (s *parquetSink) end() error {
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.w.Close(); err != nil {
		return err
	}
	return s.out.flush()
}

var tens = [...]uint64{1, 10, 100, 1000, 10_000}

// appendDecimal appends minor units at the scale of all currencies, big-endian and in two's complement.
func appendDecimal(b []byte, minor int64, c ledger.Currency) []byte {
	digits, err := c.Digits()
	if err != nil || digits > moneyScale {
		digits = 0
	}
	size := uint64(minor)
	if minor < 0 {
		size = -size
	}
	high, low := bits.Mul64(size, tens[moneyScale-digits])
	if minor < 0 {
		var borrow uint64
		low, borrow = bits.Sub64(0, low, 0)
		high, _ = bits.Sub64(0, high, borrow)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(high))
	return binary.BigEndian.AppendUint64(b, low)
}
