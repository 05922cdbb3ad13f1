//go:build !race

package endtoend

// How many transfers the days see.
const (
	transfers    = 20_000
	onPostgreSQL = 4_000
)
