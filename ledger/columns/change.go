package columns

// Type is a column's type.
type Type uint8

// The types that the book's columns have.
const (
	UUID Type = iota
	Text
	Int2
	Int4
	Int8
	Bool
	Bytea
)

// Verb is what a [Change] does with rows.
type Verb uint8

// The verbs.
const (
	Insert  Verb = iota // of a row that is new: should it exist, the database refuses it
	Add                 // of a row that may be known already, which is no error
	Merge               // likewise; of each of the last columns the greater value is kept
	Replace             // likewise; the last columns are replaced
	Update
	Delete
)

// Change is a statement that writes rows: each engine has a text of its own for it.
type Change struct {
	Verb    Verb
	Table   string
	Columns string // with the key's first
	Types   []Type // of the columns
	Key     int    // how many columns the key has; only where a row may be known or is changed
	Last    int    // how many columns Merge and Replace write to a row that is known
}

// Writer takes rows of a [Change] value by value, in the order of its columns. What is
// absent becomes NULL.
type Writer interface {
	ID(v [16]byte)
	OptionalID(v [16]byte)
	Text(v string)
	OptionalText(v string)
	Small(v uint8)
	OptionalSmall(v uint8)
	Int4(v int)
	OptionalInt4(v int)
	Int8(v int64)
	OptionalInt8(v int64)
	Pointer(v *int64) // nil becomes NULL
	Bool(v bool)
	Bytes(v []byte)
	OptionalBytes(v []byte)
}
