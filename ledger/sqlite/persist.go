package sqlite

import (
	"database/sql/driver"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// persist writes what the batch changed. Updates set only what can change in a
// row's life; an index whose columns are not set is not touched.
//
// Of a wallet transfer's 100 µs in a batch of 256, loading takes 10, this 60 and
// the commit 30 to 40. Most of it is pages: what is keyed by time (transfers,
// steps, postings) fills a page with many rows, but each entry under a random
// key dirties a page of its own, which the log takes whole. There are five:
// payer, payee, debited and credited account, idempotency key; without the
// first four a transfer takes a third less. Tables with a rowid, other page
// sizes and many rows to a statement were not faster.
func persist(c *conn, s *ledger.Set) error {
	r := rowWriter{conn: c}
	if err := columns.Persist(s, r.of); err != nil {
		return err
	}
	return r.err
}

// rowWriter is a [columns.Writer] that writes each row when it is complete. It
// keeps the first error.
type rowWriter struct {
	conn   *conn
	change *columns.Change
	text   string
	values []driver.Value
	err    error
}

// of begins a row.
func (w *rowWriter) of(c *columns.Change) columns.Writer {
	if c != w.change {
		w.change, w.text = c, w.conn.text(c)
	}
	return w
}

func (w *rowWriter) value(v driver.Value) {
	w.values = append(w.values, v)
	if len(w.values) < len(w.change.Types) {
		return
	}
	if w.err == nil {
		w.err = w.conn.exec(w.text, w.values...)
	}
	w.values = w.values[:0]
}

func (w *rowWriter) ID(v [16]byte)  { w.value(v[:]) }
func (w *rowWriter) Text(v string)  { w.value(v) }
func (w *rowWriter) Small(v uint8)  { w.value(int64(v)) }
func (w *rowWriter) Int4(v int)     { w.value(int64(v)) }
func (w *rowWriter) Int8(v int64)   { w.value(v) }
func (w *rowWriter) Bool(v bool)    { w.value(v) }
func (w *rowWriter) Bytes(v []byte) { w.value(v) }

// What is absent is stored as NULL: it costs no memory, no byte and no index entry.

func (w *rowWriter) OptionalID(v [16]byte) {
	if v == [16]byte{} {
		w.value(nil)
	} else {
		w.ID(v)
	}
}

func (w *rowWriter) OptionalText(v string) {
	if v == "" {
		w.value(nil)
	} else {
		w.value(v)
	}
}

func (w *rowWriter) OptionalInt8(v int64) {
	if v == 0 {
		w.value(nil)
	} else {
		w.value(v)
	}
}

func (w *rowWriter) OptionalSmall(v uint8) { w.OptionalInt8(int64(v)) }
func (w *rowWriter) OptionalInt4(v int)    { w.OptionalInt8(int64(v)) }

func (w *rowWriter) Pointer(v *int64) {
	if v == nil {
		w.value(nil)
	} else {
		w.value(*v)
	}
}

func (w *rowWriter) OptionalBytes(v []byte) {
	if len(v) == 0 {
		w.value(nil)
	} else {
		w.value(v)
	}
}
