//go:build race

package endtoend

// How many transfers the days see. The race detector makes each slow.
const (
	transfers    = 2_000
	onPostgreSQL = 2_000
)
