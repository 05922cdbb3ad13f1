package report

import "testing"

// AtOnce has so many accounts and lines be asked for at once, until the test ends.
func AtOnce(t *testing.T, n int) {
	was := maxPlaces
	maxPlaces = n
	t.Cleanup(func() { maxPlaces = was })
}
