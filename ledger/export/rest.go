package export

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
)

// Kept is how much of an export that was cut short is of use.
type Kept struct {
	Bytes int64 // from its beginning; the others are to be cut away
	From  int64 // the place where it goes on, see [Options]
	Rows  int64 // in these bytes
}

// Keep reads an export that was cut anywhere. Of the last leaf that it tells of
// perhaps not all is there, so what is kept ends before that. Nothing is kept of what
// cannot go on.
func Keep(r io.Reader, f Format) (k Kept, err error) {
	if !f.Resumable() {
		return k, nil
	}
	in := records{in: bufio.NewReaderSize(r, pieceSize), format: f}
	last := int64(-1)     // the place of the record before
	var rows, ended int64 // so far, and where that record ended
	for {
		begin := in.read
		record, err := in.next()
		if errors.Is(err, io.EOF) {
			return k, nil
		}
		if err != nil {
			return k, err
		}
		place, ok := placeOf(record, f)
		if !ok {
			continue
		}
		if place != last && last >= 0 {
			k = Kept{Bytes: begin, From: place, Rows: rows}
			if f.journal() {
				k.Bytes = ended // what is declared before a transaction goes with it
			}
		}
		last, ended = place, in.read
		rows++
	}
}

// records cuts an export into its records: lines, or the transactions of a journal.
type records struct {
	in     *bufio.Reader
	format Format
	read   int64
	buffer []byte
}

// next is the next whole record, or [io.EOF].
func (r *records) next() ([]byte, error) {
	r.buffer = r.buffer[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		r.buffer = append(r.buffer, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r.whole() {
			r.read += int64(len(r.buffer))
			return r.buffer, nil
		}
	}
}

func (r *records) whole() bool {
	if r.format == CSV {
		return bytes.Count(r.buffer, []byte{'"'})%2 == 0
	}
	return !r.format.journal() || bytes.HasSuffix(r.buffer, []byte("\n\n"))
}

var places = map[Format]*regexp.Regexp{
	JSONL:     regexp.MustCompile(`^\{"place":(\d+),`),
	CSV:       regexp.MustCompile(`^(\d+),`),
	HLedger:   regexp.MustCompile(`(?m)^    ; place:(\d+), `),
	Beancount: regexp.MustCompile(`(?m)^  place: (\d+)$`),
}

func placeOf(record []byte, f Format) (int64, bool) {
	found := places[f].FindSubmatch(record)
	if found == nil {
		return 0, false
	}
	place, err := strconv.ParseInt(string(found[1]), 10, 64)
	return place, err == nil
}
