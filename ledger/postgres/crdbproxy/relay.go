package crdbproxy

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// flushRows is how many rows of an answer are held back at most.
const flushRows = 256

// control names the prepared statement and the portal of the proxy's own statements.
const control = "crdbproxy_control"

func (s *session) send(msg pgproto3.FrontendMessage) {
	s.synced = false
	s.server.Send(msg)
}

func (s *session) reply(msg pgproto3.BackendMessage) {
	if !s.mute {
		s.client.Send(msg)
	}
}

// ask sends one message of the extended protocol and passes on the answer.
func (s *session) ask(msg pgproto3.FrontendMessage) error {
	s.send(msg)
	s.send(&pgproto3.Flush{})
	err := s.relay(answers)
	s.skip = s.failed
	return err
}

// answers tells the message that ends the answer to a message of the extended protocol.
func answers(msg pgproto3.BackendMessage) bool {
	switch msg.(type) {
	case *pgproto3.ParseComplete, *pgproto3.BindComplete, *pgproto3.CloseComplete,
		*pgproto3.RowDescription, *pgproto3.NoData,
		*pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse, *pgproto3.PortalSuspended,
		*pgproto3.ErrorResponse:
		return true
	}
	return false
}

// sync waits until the server is ready for the next statement.
func (s *session) sync() error {
	s.send(&pgproto3.Sync{})
	return s.relay(func(pgproto3.BackendMessage) bool { return false })
}

// relay passes the server's messages on until one is the last, or the server is ready.
func (s *session) relay(last func(pgproto3.BackendMessage) bool) error {
	if err := s.server.Flush(); err != nil {
		return err
	}
	s.failed = false
	for rows := 1; ; rows++ {
		msg, err := s.server.Receive()
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *pgproto3.ReadyForQuery:
			s.nowReady(m.TxStatus)
			return nil
		case *pgproto3.ErrorResponse:
			s.failed = true
			s.reply(asCockroach(m))
		case *pgproto3.CopyInResponse:
			s.reply(m)
			err = s.copyIn()
		case *pgproto3.CommandComplete:
			if !s.late {
				s.reply(m)
			}
		default:
			s.reply(m)
		}
		if err == nil && rows%flushRows == 0 {
			err = s.client.Flush()
		}
		if err != nil || last(msg) {
			return err
		}
	}
}

func (s *session) nowReady(status byte) {
	s.status, s.synced = status, true
	if status == 'I' && s.txn.phase == running {
		s.txn = txn{}
	}
}

// ready tells the client that its next statement may come, and in which
// transaction it is, which may be another than the server's.
func (s *session) ready() error {
	status := s.status
	switch s.txn.phase {
	case released:
		status = 'T'
	case lost:
		status = 'E'
	}
	s.reply(&pgproto3.ReadyForQuery{TxStatus: status})
	return s.client.Flush()
}

// copyIn passes on the data of COPY … FROM STDIN.
func (s *session) copyIn() error {
	if err := s.client.Flush(); err != nil {
		return err
	}
	for {
		msg, err := s.client.Receive()
		if err != nil {
			return err
		}
		switch msg.(type) {
		case *pgproto3.Flush, *pgproto3.Sync:
			continue
		}
		s.send(msg)
		if err := s.server.Flush(); err != nil {
			return err
		}
		if _, more := msg.(*pgproto3.CopyData); !more {
			return nil
		}
	}
}

// own executes a statement of the proxy's. The client hears of it only if it
// fails. What the one before left behind is closed first, not last, since a
// statement that failed leaves no chance to.
func (s *session) own(sql string) error {
	for _, msg := range []pgproto3.FrontendMessage{
		&pgproto3.Close{ObjectType: 'P', Name: control},
		&pgproto3.Close{ObjectType: 'S', Name: control},
		&pgproto3.Parse{Name: control, Query: sql},
		&pgproto3.Bind{DestinationPortal: control, PreparedStatement: control},
		&pgproto3.Execute{Portal: control},
	} {
		failure, err := s.askQuietly(msg)
		if err != nil {
			return err
		}
		if failure != nil {
			s.reply(failure)
			return nil
		}
	}
	return nil
}

// askQuietly is ask, of whose answer the client gets nothing.
func (s *session) askQuietly(msg pgproto3.FrontendMessage) (failure *pgproto3.ErrorResponse, err error) {
	mute := s.mute
	s.mute = true
	defer func() { s.mute = mute }()
	s.send(msg)
	s.send(&pgproto3.Flush{})
	err = s.relay(func(msg pgproto3.BackendMessage) bool {
		failure, _ = msg.(*pgproto3.ErrorResponse)
		return answers(msg)
	})
	s.skip = s.failed
	return failure, err
}

// fail refuses a statement, and lets the server's transaction fail as CockroachDB's would.
func (s *session) fail(code, message string) error {
	if s.txn.phase == running {
		if _, err := s.askQuietly(&pgproto3.Parse{Name: control, Query: "refused by the proxy"}); err != nil {
			return err
		}
	}
	s.failed, s.skip = true, true
	s.reply(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: message})
	return nil
}

// restartPrefix begins every retry error of CockroachDB.
const restartPrefix = "restart transaction: "

// asCockroach makes PostgreSQL's ways to say "try again" CockroachDB's only one.
func asCockroach(m *pgproto3.ErrorResponse) *pgproto3.ErrorResponse {
	if (m.Code == "40001" || m.Code == "40P01") && !strings.HasPrefix(m.Message, restartPrefix) {
		m.Code = "40001"
		m.Message = restartPrefix + "TransactionRetryWithProtoRefreshError: " + m.Message
	}
	return m
}
