package export

import "io"

// output gathers what is written to pieces of some size.
type output struct {
	w   io.Writer
	b   []byte
	err error // once there is one nothing is written any more
}

const pieceSize = 64 << 10

func (o *output) add(b []byte) error {
	o.b = append(o.b, b...)
	if len(o.b) >= pieceSize {
		return o.flush()
	}
	return o.err
}

func (o *output) flush() error {
	if o.err == nil && len(o.b) > 0 {
		_, o.err = o.w.Write(o.b)
	}
	o.b = o.b[:0]
	return o.err
}

// Write implements [io.Writer].
func (o *output) Write(b []byte) (int, error) { return len(b), o.add(b) }
