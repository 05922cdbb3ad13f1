package crdbproxy

import (
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// startup is the exchange before the first statement.
func (s *session) startup() error {
	for {
		msg, err := s.client.ReceiveStartupMessage()
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			if _, err := s.clientConn.Write([]byte("N")); err != nil {
				return err
			}
		case *pgproto3.CancelRequest:
			return s.cancel(m)
		case *pgproto3.StartupMessage:
			return s.connect(m)
		default:
			return fmt.Errorf("crdbproxy: message %T is not supported", msg)
		}
	}
}

// cancel passes a request on as it came: the keys that clients hold are the server's own.
func (s *session) cancel(m *pgproto3.CancelRequest) error {
	server, err := s.proxy.dial()
	if err != nil {
		return err
	}
	defer s.proxy.release(server)
	request, err := m.Encode(nil)
	if err != nil {
		return err
	}
	if _, err := server.Write(request); err != nil {
		return err
	}
	_ = server.SetReadDeadline(time.Now().Add(goodbye))
	_, _ = io.Copy(io.Discard, server) // the server hangs up when it is done
	return io.EOF
}

func (s *session) connect(m *pgproto3.StartupMessage) error {
	var err error
	if s.serverConn, err = s.proxy.dial(); err != nil {
		return err
	}
	s.server = pgproto3.NewFrontend(s.serverConn, s.serverConn)
	if _, chosen := m.Parameters["default_transaction_isolation"]; !chosen {
		m.Parameters["default_transaction_isolation"] = "serializable"
	}
	s.send(m)
	if err := s.server.Flush(); err != nil {
		return err
	}
	return s.welcome()
}

// welcome passes on what the server says first, and the name of CockroachDB with it.
func (s *session) welcome() error {
	for {
		msg, err := s.server.Receive()
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *pgproto3.AuthenticationCleartextPassword, *pgproto3.AuthenticationMD5Password, *pgproto3.AuthenticationSASL:
			return fmt.Errorf("crdbproxy: the server wants a password: %T", msg)
		case *pgproto3.ReadyForQuery:
			s.status, s.synced = m.TxStatus, true
			s.reply(&pgproto3.ParameterStatus{Name: "crdb_version", Value: version})
			return s.ready()
		default:
			s.reply(m)
		}
	}
}
