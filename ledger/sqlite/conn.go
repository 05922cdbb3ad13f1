package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	sqlite "modernc.org/sqlite"

	"bahi/ledger/columns"
)

// conn is one connection of the driver with its prepared statements. It goes
// round database/sql, which costs as much per row as SQLite itself: half of the
// time of a batch was spent there. A conn is used by one goroutine at a time.
type conn struct {
	raw   driver.Conn
	stmts map[string]*stmt
	texts map[*columns.Change]string
}

// stmt is a prepared statement with its buffers.
type stmt struct {
	raw  driver.Stmt
	args []driver.NamedValue
	row  row
}

// Statements are short or read row by row, so they are not interrupted: the
// driver is given a context that does not end, and starts no goroutine for it.
var uninterrupted = context.Background()

// connect opens a connection and runs the pragmas.
func connect(path string, pragmas []string) (*conn, error) {
	raw, err := new(sqlite.Driver).Open(dataSource(path))
	if err != nil {
		return nil, failed("open", err)
	}
	c := &conn{raw: raw, stmts: map[string]*stmt{}, texts: map[*columns.Change]string{}}
	for _, p := range pragmas {
		if err := c.exec("PRAGMA " + p); err != nil {
			return nil, errors.Join(failed(p, err), c.close())
		}
	}
	return c, nil
}

// dataSource names the file to the driver, whatever characters are in its path.
func dataSource(path string) string {
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// exec runs a statement that returns no rows.
func (c *conn) exec(query string, args ...driver.Value) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	_, err = s.raw.(driver.StmtExecContext).ExecContext(uninterrupted, s.bind(args))
	return err
}

// query calls each with every row until it returns false. The row is only
// valid during the call. Other queries may run on the connection meanwhile.
func (c *conn) query(query string, each func(*row) bool, args ...driver.Value) (err error) {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	delete(c.stmts, query) // it holds an open cursor: nobody else may use it
	defer func() { err = errors.Join(err, c.release(query, s)) }()
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(uninterrupted, s.bind(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if s.row.values == nil {
		s.row.values = make([]driver.Value, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.row.values); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		s.row.next = 0
		if !each(&s.row) {
			return nil
		}
	}
}

// text is the SQL of a change, made at its first use.
func (c *conn) text(of *columns.Change) string {
	text, ok := c.texts[of]
	if !ok {
		text = textOf(of)
		c.texts[of] = text
	}
	return text
}

// stmt is the prepared statement, prepared at its first use.
func (c *conn) stmt(query string) (*stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	raw, err := c.raw.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("%w in: %s", err, query)
	}
	s := &stmt{raw: raw}
	c.stmts[query] = s
	return s, nil
}

// release gives a statement back.
func (c *conn) release(query string, s *stmt) error {
	if _, another := c.stmts[query]; another {
		return s.raw.Close()
	}
	c.stmts[query] = s
	return nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.raw.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

func (s *stmt) bind(args []driver.Value) []driver.NamedValue {
	s.args = s.args[:0]
	for i, v := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s.args
}
