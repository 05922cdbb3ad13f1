package crdbproxy

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"
)

// version is announced as crdb_version, by which clients know CockroachDB.
const version = "CockroachDB CCL v25.2.0 (test)"

// dialTimeout bounds how long a client waits for a server that is not there.
const dialTimeout = 10 * time.Second

// Proxy listens for clients and has one connection to the server for each.
type Proxy struct {
	listener net.Listener
	target   string // host and port of the server
	serving  sync.WaitGroup

	mu     sync.Mutex
	decide func(sql string) Fault
	seen   map[string]struct{}
	open   map[net.Conn]struct{}
	closed bool
}

// Listen starts a proxy on a free loopback port before the server of a
// database URL. The server must trust its clients: passwords are not passed on.
func Listen(databaseURL string) (*Proxy, error) {
	target, err := url.Parse(databaseURL)
	if err != nil {
		return nil, err
	}
	if target.Port() == "" {
		return nil, fmt.Errorf("crdbproxy: no host:port in %q", databaseURL)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		listener: listener, target: target.Host,
		seen: map[string]struct{}{}, open: map[net.Conn]struct{}{},
	}
	p.serving.Go(p.accept)
	return p, nil
}

// URL is where clients reach, through the proxy, the database of that URL.
func (p *Proxy) URL(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return databaseURL // its user will say what is wrong with it
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

// Statements returns every distinct SQL text that clients sent, in order of the
// text: those of the driver too, such as begin and the comment that is a ping.
func (p *Proxy) Statements() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.seen))
}

func (p *Proxy) saw(sql string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[sql] = struct{}{}
}

// Close ends the proxy and all its connections, and waits until they are gone.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for conn := range p.open {
		conn.Close()
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // a second Close
	}
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.serving.Go(func() { p.serve(client) })
	}
}

// serve is a connection's whole life.
func (p *Proxy) serve(client net.Conn) {
	if !p.track(client) {
		return
	}
	defer p.release(client)
	newSession(p, client).run()
}

// dial connects to the server. The caller releases the connection.
func (p *Proxy) dial() (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", p.target, dialTimeout)
	if err != nil {
		return nil, err
	}
	if !p.track(conn) {
		return nil, net.ErrClosed
	}
	return conn, nil
}

// track remembers what Close has to close. False: it came too late, and is closed.
func (p *Proxy) track(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return false
	}
	p.open[conn] = struct{}{}
	return true
}

func (p *Proxy) release(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
	conn.Close()
}
