package export

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"bahi/ledger"
	"bahi/ledger/audit/file"
)

// csvSink writes a table after RFC 4180.
type csvSink struct {
	table
	out  *output
	rows int64
	line []byte
	cell []byte
}

func newCSV(out *output, t table) *csvSink { return &csvSink{table: t, out: out} }

func (s *csvSink) wants(k ledger.LeafKind) bool { return slices.Contains(s.kinds, k) }
func (s *csvSink) replays() int64               { return nowhere }
func (s *csvSink) replay(*fact) error           { return nil }
func (s *csvSink) count() int64                 { return s.rows }

// timeLayout is UTC, always with microseconds, so that texts sort as their times do.
const timeLayout = "2006-01-02T15:04:05.000000Z"

func (s *csvSink) begin() error {
	for i := range s.columns {
		s.field(i, []byte(s.columns[i].name))
	}
	return s.finish()
}

func (s *csvSink) write(f *fact) error {
	return s.table.rows(f, func(l line) error {
		for i := range s.columns {
			c := &s.columns[i]
			b := s.cell[:0]
			switch c.kind {
			case whole:
				b = strconv.AppendInt(b, c.number(&l), 10)
			case money:
				b = file.AppendMoney(b, c.number(&l), l.currency())
			case moment, perhaps:
				if at := c.number(&l); at != 0 || c.kind == moment {
					b = time.UnixMicro(at).UTC().AppendFormat(b, timeLayout)
				}
			default:
				b = harmless(c.text(b, &l))
			}
			s.field(i, b)
			s.cell = b
		}
		s.rows++
		return s.finish()
	})
}

func (s *csvSink) end() error { return s.out.flush() }

// field adds a cell to the line.
func (s *csvSink) field(i int, b []byte) {
	if i > 0 {
		s.line = append(s.line, ',')
	}
	if !bytes.ContainsAny(b, ",\"\r\n") {
		s.line = append(s.line, b...)
		return
	}
	s.line = append(s.line, '"')
	s.line = append(s.line, bytes.ReplaceAll(b, []byte(`"`), []byte(`""`))...)
	s.line = append(s.line, '"')
}

func (s *csvSink) finish() error {
	err := s.out.add(append(s.line, '\r', '\n'))
	s.line = s.line[:0]
	return err
}

// harmless puts an apostrophe before a text that a spreadsheet would take for a formula.
func harmless(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	switch b[0] {
	case '=', '+', '-', '@', '\t', '\r', '\n':
		return slices.Insert(b, 0, '\'')
	}
	return b
}
