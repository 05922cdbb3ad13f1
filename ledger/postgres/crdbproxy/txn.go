package crdbproxy

import "github.com/jackc/pgx/v5/pgproto3"

// phase is how the client's transaction differs from the server's.
type phase int

const (
	running  phase = iota // it does not
	released              // committed by RELEASE; the client must still say COMMIT
	lost                  // the commit failed; the client must still roll back
)

// txn is the transaction as the client sees it.
type txn struct {
	begin   string // the statement that began it
	restart bool   // SAVEPOINT cockroach_restart was its first statement
	used    bool   // it has read or written
	phase   phase
}

const (
	abortedMessage   = "current transaction is aborted, commands ignored until end of transaction block"
	committedMessage = "current transaction is committed, commands ignored until end of transaction block"
	injectedMessage  = restartPrefix + "TransactionRetryWithProtoRefreshError: injected by the test"
)

// statement executes one statement as CockroachDB would. restart asks for a retry error.
func (s *session) statement(sql string, restart bool, forward func() error) error {
	k := kindOf(sql)
	switch {
	case s.txn.phase == released:
		return s.afterRelease(k)
	case s.txn.phase == lost:
		return s.afterLoss(k)
	case restart && k != rollback && k != rollbackTo:
		return s.refuseRestart(k)
	case lacking(sql) != "":
		return s.fail("0A000", "unimplemented: "+lacking(sql))
	case k == begin && s.txn.begin != "":
		return s.fail("25001", "there is already a transaction in progress")
	case k == savepoint && s.txn.used:
		return s.fail("42601", `SAVEPOINT "cockroach_restart" needs to be the first statement in a transaction`)
	case k == releaseSave && s.txn.restart && s.status != 'E':
		return s.release()
	case k == rollbackTo && s.txn.restart:
		return s.restartTxn()
	}
	err := forward()
	if err != nil || s.failed {
		return err
	}
	if s.late {
		s.late = false
		return s.fail("40001", injectedMessage)
	}
	s.note(k, sql)
	return nil
}

// note keeps account of what a statement that the server executed did to the transaction.
func (s *session) note(k kind, sql string) {
	switch k {
	case begin:
		s.txn, s.status = txn{begin: sql}, 'T'
	case commit, rollback:
		s.txn, s.status = txn{}, 'I'
	case savepoint:
		s.txn.restart = true
	case other:
		s.txn.used = s.txn.begin != ""
	}
}

// refuseRestart answers that the transaction must be restarted. A plain COMMIT
// that gets this answer ends the transaction; after any other statement, the
// client has to roll back.
func (s *session) refuseRestart(k kind) error {
	if k == commit && s.txn.begin != "" {
		if err := s.own("ROLLBACK"); err != nil || s.failed {
			return err
		}
		s.txn = txn{}
	}
	return s.fail("40001", injectedMessage)
}

// release is the commit: after it, COMMIT has nothing left to do.
func (s *session) release() error {
	err := s.own("COMMIT")
	if err != nil {
		return err
	}
	if s.failed {
		s.txn.phase = lost
		return nil
	}
	s.txn.phase = released
	return s.done("RELEASE")
}

// restartTxn begins the transaction anew, with a new snapshot.
func (s *session) restartTxn() error {
	statements := []string{"ROLLBACK", s.txn.begin, "SAVEPOINT " + restartSavepoint}
	if s.txn.phase == lost {
		statements = statements[1:] // nothing is left to roll back
	}
	for _, sql := range statements {
		if err := s.own(sql); err != nil || s.failed {
			return err
		}
	}
	s.txn, s.status = txn{begin: s.txn.begin, restart: true}, 'T'
	return s.done("ROLLBACK")
}

func (s *session) afterRelease(k kind) error {
	if k != commit && k != rollback {
		return s.fail("25000", committedMessage)
	}
	s.txn, s.status = txn{}, 'I'
	return s.done("COMMIT") // to ROLLBACK too: that is what happened
}

func (s *session) afterLoss(k kind) error {
	switch k {
	case commit, rollback:
		s.txn, s.status = txn{}, 'I'
		return s.done("ROLLBACK")
	case rollbackTo:
		return s.restartTxn()
	}
	return s.fail("25P02", abortedMessage)
}

// done answers for a statement that the server did not see as it came.
func (s *session) done(tag string) error {
	s.failed = false
	s.synced = false // so that the server is asked whether it is still there
	s.reply(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
	return nil
}
