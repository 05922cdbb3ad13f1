package crdbproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// errDropped ends a session whose client gets no answer any more.
var errDropped = errors.New("connection dropped on purpose")

// goodbye bounds how long a dropped session waits for the server to undo its transaction.
const goodbye = time.Second

// session is one client's connection and the connection to the server behind it.
type session struct {
	proxy      *Proxy
	clientConn net.Conn
	serverConn net.Conn // nil until the client has said who it is
	client     *pgproto3.Backend
	server     *pgproto3.Frontend

	prepared map[string]string // SQL by the name of the prepared statement
	portals  map[string]string // SQL by the name of the portal

	txn    txn
	status byte // of the server's transaction, when it last said: I, T or E
	synced bool // the server has answered everything and is ready
	skip   bool // a message failed: the rest is ignored up to the client's Sync
	failed bool // the statement under way failed
	mute   bool // the client gets no answer
	late   bool // the statement under way is to fail at its end
}

func newSession(p *Proxy, client net.Conn) *session {
	return &session{
		proxy: p, clientConn: client, client: pgproto3.NewBackend(client, client),
		prepared: map[string]string{}, portals: map[string]string{},
	}
}

func (s *session) run() {
	err := s.startup()
	if err == nil {
		err = s.serve()
	}
	dropped := errors.Is(err, errDropped)
	if !dropped {
		_ = s.client.Flush() // the server's last words, if it ended the connection
	}
	if s.serverConn != nil {
		s.leave(dropped)
		s.proxy.release(s.serverConn)
	}
}

// leave says goodbye to the server. After a drop it waits until the server has
// ended its side and so undone an open transaction: a test that sees its
// connection end can then look at what is stored.
func (s *session) leave(wait bool) {
	_ = s.serverConn.SetDeadline(time.Now().Add(goodbye))
	s.server.Send(&pgproto3.Terminate{})
	if s.server.Flush() == nil && wait {
		_, _ = io.Copy(io.Discard, s.serverConn)
	}
}

func (s *session) serve() error {
	for {
		msg, err := s.client.Receive()
		if err != nil {
			return err
		}
		if _, end := msg.(*pgproto3.Terminate); end {
			return nil
		}
		if err := s.handle(msg); err != nil {
			return err
		}
	}
}

func (s *session) handle(msg pgproto3.FrontendMessage) error {
	if _, sync := msg.(*pgproto3.Sync); s.skip && !sync {
		return nil
	}
	switch m := msg.(type) {
	case *pgproto3.Query:
		return s.query(m.String)
	case *pgproto3.Parse:
		return s.parse(m)
	case *pgproto3.Bind:
		s.portals[m.DestinationPortal] = s.prepared[m.PreparedStatement]
		return s.ask(m)
	case *pgproto3.Describe, *pgproto3.Close:
		return s.ask(m)
	case *pgproto3.Execute:
		return s.execute(s.portals[m.Portal], func() error { return s.ask(m) })
	case *pgproto3.Flush:
		return s.client.Flush()
	case *pgproto3.Sync:
		s.skip = false
		if err := s.sync(); err != nil {
			return err
		}
		return s.ready()
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		return nil // the rest of a copy that failed
	}
	return fmt.Errorf("crdbproxy: message %T is not supported", msg)
}

// query is a statement, or several, by the simple protocol.
func (s *session) query(sql string) error {
	s.proxy.saw(sql)
	err := s.execute(sql, func() error {
		s.send(&pgproto3.Query{String: sql})
		return s.relay(func(pgproto3.BackendMessage) bool { return false })
	})
	if err == nil && !s.synced {
		err = s.sync()
	}
	s.skip = false
	if err != nil {
		return err
	}
	return s.ready()
}

func (s *session) parse(m *pgproto3.Parse) error {
	s.proxy.saw(m.Query)
	if what := lacking(m.Query); what != "" {
		return s.fail("0A000", "unimplemented: "+what)
	}
	name, sql := m.Name, m.Query
	err := s.ask(m)
	if !s.failed {
		s.prepared[name] = sql
	}
	return err
}

// execute runs a statement as CockroachDB would, or lets a fault befall it.
// forward passes it to the server as it came.
func (s *session) execute(sql string, forward func() error) error {
	fault := s.proxy.fault(sql)
	if fault == DropBefore {
		return errDropped
	}
	s.mute, s.late = fault == DropAfter, fault == RestartLate
	err := s.statement(sql, fault == Restart, forward)
	if fault != DropAfter || err != nil {
		return err
	}
	if !s.synced {
		err = s.sync() // what is not in a transaction is stored by this
	}
	return errors.Join(err, errDropped)
}
