//go:build race

package postgres_test

// raced says whether the race detector is on.
const raced = true
