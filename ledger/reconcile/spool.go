package reconcile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// MaxFile is how large a file of statements may be, in bytes.
const MaxFile = 4 << 30

// ErrFileTooLarge is [Spool]'s error for more than MaxFile.
var ErrFileTooLarge = fmt.Errorf("the file is larger than %d bytes", int64(MaxFile))

// Spool keeps what r has in a temporary file, since it is read twice. Close removes it.
func Spool(r io.Reader) (*Spooled, error) {
	f, err := os.CreateTemp("", "bahi-statement-*")
	if err != nil {
		return nil, err
	}
	s := &Spooled{f}
	// Without a name it goes with the process, however that ends.
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	n, err := io.Copy(f, io.LimitReader(r, MaxFile+1))
	if err == nil && n > MaxFile {
		err = ErrFileTooLarge
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Spooled is a file that is read twice.
type Spooled struct{ *os.File }
