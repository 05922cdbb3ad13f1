package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit/file"
	"bahi/ledger/privacy/mark"
)

// Kept is what an auditor has kept of an earlier time: a signed checkpoint, or a whole
// audit file, which is compared leaf by leaf.
type Kept struct {
	Name       string // of the file, for findings
	checkpoint string
	leaves     *file.Reader
	line       file.Line // the next leaf of it
	over       bool      // there is nothing more to compare
}

// maxCheckpoint bounds the text of a signed checkpoint.
const maxCheckpoint = 64 << 10

// ReadKept begins to read what was kept. Of an audit file it reads the rest while it is compared.
func ReadKept(name string, r io.Reader) (*Kept, error) {
	in := bufio.NewReader(r)
	begin, err := in.Peek(1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	k := &Kept{Name: name}
	if begin[0] == '{' {
		if k.leaves, err = file.NewReader(in); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		k.checkpoint = k.leaves.Header.Checkpoint
		k.line.Place = -1
		return k, nil
	}
	b, err := io.ReadAll(io.LimitReader(in, maxCheckpoint+1))
	if err == nil && len(b) > maxCheckpoint {
		err = errors.New("too long for a checkpoint")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	k.checkpoint, k.over = string(bytes.TrimRight(b, "\n"))+"\n", true
	return k, nil
}

// to goes on to a place, and says whether there is a leaf there.
func (k *Kept) to(place int64) (bool, error) {
	for !k.over && k.line.Place < place {
		l, err := k.leaves.Next()
		switch {
		case err == io.EOF:
			k.over = true
		case err != nil:
			k.over = true
			return false, err
		case l.Checkpoint == "":
			k.line = l
		}
	}
	return !k.over && k.line.Place == place, nil
}

// hash is that of the leaf, by what it says and not by what is said of it.
func (k *Kept) hash() tlog.Hash {
	if k.line.Leaf == nil {
		return k.line.Hash
	}
	return file.HashOf(k.line.Leaf)
}

// compare compares a leaf with what was kept. The first that differs is told of.
func (v *verification) compare(k *Kept, hash tlog.Hash) {
	l := &v.line
	there, err := k.to(l.Place)
	if err != nil {
		v.about(ruleKept, "%s: %v", k.Name, err)
	}
	if !there || k.hash() == hash {
		return
	}
	k.over = true
	switch was := k.line.Leaf; {
	case was == nil || l.Leaf == nil:
		v.at(ruleRewritten, l.Place, l.Leaf, "%s has another leaf here", k.Name)
	case ledger.LeafName(was) == ledger.LeafName(l.Leaf):
		v.at(ruleRewritten, l.Place, l.Leaf, "%s has it otherwise: %s", k.Name, ledger.LeafDifference(l.Leaf, was))
	default:
		v.at(ruleRewritten, l.Place, l.Leaf, "%s has %s here", k.Name, ledger.LeafName(was))
	}
}

// closeKept reads the rest of what was kept, whose last line says whether it is whole.
func (v *verification) closeKept(k *Kept) {
	if _, err := k.to(v.in.Header.Size + k.size()); err != nil {
		v.about(ruleKept, "%s: %v", k.Name, err)
	}
}

func (k *Kept) size() int64 {
	if k.leaves == nil {
		return 0
	}
	return k.leaves.Header.Size
}

// unknownKey says whether a checkpoint was only signed by keys that were not given.
func unknownKey(err error) bool {
	var unverified *note.UnverifiedNoteError
	return errors.As(err, &unverified)
}

// people checks the personal data that is given beside a transfer.
func (v *verification) people(l *file.Line) {
	t, ok := l.Leaf.(*ledger.Transfer)
	var p mark.People
	if err := unmarshalStrictly(l.People, &p); err != nil || !ok {
		v.at(ruleMark, l.Place, l.Leaf, "what is said of persons cannot be read: %v", err)
		return
	}
	for _, end := range []struct {
		side   string
		mark   [32]byte
		person *mark.Person
	}{{"payer", t.Payer.Mark, p.Payer}, {"payee", t.Payee.Mark, p.Payee}} {
		if end.person == nil {
			continue
		}
		v.sum.People++
		if !mark.Check(end.mark, *end.person) {
			v.at(ruleMark, l.Place, l.Leaf, "the data of the %s is not what the leaf was made of", end.side)
		}
	}
}

// unmarshalStrictly reads JSON without a field that is not known.
func unmarshalStrictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
