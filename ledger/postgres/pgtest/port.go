package pgtest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// freePort finds a port on which nobody listens. It lies below the ports that
// the kernel gives to outgoing connections, so that none of these takes it
// while the server is stopped.
func freePort() (string, error) {
	var failed error
	for range 100 {
		port := strconv.Itoa(15000 + rand.IntN(15000))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return port, l.Close()
		}
		failed = err
	}
	return "", errors.Join(errors.New("no free port"), failed)
}
