// Package file is the form of the audit file: the leaves of the log as JSON, a line
// each, with what is needed to check them without the book.
//
// The first line is the [Header], the last one says how many leaves there are and the
// SHA-256 of all bytes before it. Between them is a line for each leaf, in the order
// of the log, and here and there a line with an older signed checkpoint, which stands
// behind the last leaf that it covers. A line is written in one way only, and nothing
// else is read.
package file

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// Header begins an audit file: which leaves of which log it holds.
type Header struct {
	Origin     string      // the log's name
	App        string      // leaves of others are given by their hash alone; empty: none are
	First      int64       // place of the first leaf
	Size       int64       // of the tree that the checkpoint signs: the last leaf is the one before it
	Before     []tlog.Hash // the roots of the complete subtrees that hold the leaves before First, largest first
	Keys       []string    // verifier keys of the log, for convenience: who trusts nobody has them from elsewhere
	Checkpoint string      // a signed note
}

// Line is one line between the first and the last: a leaf or a checkpoint.
type Line struct {
	Number int64 // in the file, from 1

	Checkpoint string // a signed note; then the rest is empty

	Place  int64
	Hash   tlog.Hash   // of the leaf's canonical form, as the file says it
	Leaf   ledger.Leaf // nil where only the hash is given
	People []byte      // JSON: what the persons of a transfer can be known by; mostly nil
}

// end is what the last line says.
type end struct {
	leaves int64
	sum    [sha256.Size]byte
}

// HashOf is the hash that a leaf has in the tree.
func HashOf(l ledger.Leaf) tlog.Hash { return tlog.RecordHash(ledger.AppendLeaf(nil, l)) }
