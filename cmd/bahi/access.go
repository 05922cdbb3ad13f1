package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"bahi/ledger"
	"bahi/ledger/address"
	"bahi/ledger/reconcile"
)

// errNotRecorded is why a command shows nothing.
var errNotRecorded = errors.New("who looks at the book is written down before anything is shown, and could not be")

// accessed writes down that somebody is about to see of the book what a command
// shows. The subject names no person: ids, days, formats.
func accessed(ctx context.Context, book *ledger.Pipeline, who, command, subject string) error {
	a := ledger.Access{ID: ledger.NewID(), Who: "user:" + who, What: "bahi " + command, Subject: subject, Times: 1}
	if _, err := book.Submit(ctx, ledger.Request{Command: ledger.RecordAccess{Access: a}}); err != nil {
		return fmt.Errorf("%w: %w", errNotRecorded, err)
	}
	return nil
}

// look calls f with a book that is there, once it is written down who looks at it.
func (s storage) look(ctx context.Context, who, command, subject string, f func(ledger.Store) error) error {
	return s.work(ctx, nil, func(store ledger.Store, book *ledger.Pipeline) error {
		if err := accessed(ctx, book, who, command, subject); err != nil {
			return err
		}
		return f(store)
	})
}

const maxUserName = 99 // characters

// loginName is who runs the command, as the operating system knows.
func loginName() string {
	if u, err := user.Current(); err == nil && address.Text(u.Username, maxUserName) == nil {
		return u.Username
	}
	return "operator"
}

type accessCmd struct {
	List accessListCmd `cmd:"" help:"List the accesses, newest first."`
}

type accessListCmd struct {
	storage
	Denied bool   `help:"Only what was denied."`
	Who    string `help:"Only of this API key (key_…), or of this user (user:asha)."`
	Format string `help:"table, json (an object a line) or csv." enum:"table,json,csv" default:"table"`
	Limit  int    `help:"At most so many; 0: all." default:"0"`
}

// Run lists who looked at the book, this command first.
func (c *accessListCmd) Run() error {
	ctx := context.Background()
	subject := ""
	if c.Denied {
		subject = "denied"
	}
	return c.look(ctx, loginName(), "access list", subject, func(store ledger.Store) error {
		w := newAccessWriter(os.Stdout, c.Format)
		page := ledger.Page{Limit: 500}
		for left := c.Limit; ; {
			rows, err := store.Accesses(ctx, page)
			if err != nil {
				return err
			}
			for i := range rows {
				a := &rows[i]
				page.Before = a.ID
				if (c.Denied && !a.Denied) || (c.Who != "" && a.Who != c.Who) {
					continue
				}
				if err := w.write(a); err != nil {
					return err
				}
				if left--; left == 0 {
					return w.flush()
				}
			}
			if len(rows) < page.Limit {
				return w.flush()
			}
		}
	})
}

// accessWriter writes accesses in one of the formats.
type accessWriter struct {
	write func(*ledger.Access) error
	flush func() error
}

var accessColumns = []string{"at", "who", "role", "what", "subject", "denied", "times", "id"}

func newAccessWriter(out io.Writer, format string) accessWriter {
	switch format {
	case "json":
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		return accessWriter{func(a *ledger.Access) error { return e.Encode(accessLine(a)) }, func() error { return nil }}
	case "csv":
		w := csv.NewWriter(out)
		_ = w.Write(accessColumns) // kept by the writer
		return accessWriter{func(a *ledger.Access) error { return w.Write(accessCells(a, "")) }, func() error { w.Flush(); return w.Error() }}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tWHO\tROLE\tWHAT\tSUBJECT\tDENIED\tTIMES\tID")
	return accessWriter{func(a *ledger.Access) error {
		for n, cell := range accessCells(a, "-") {
			if n > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, printable(cell))
		}
		_, err := fmt.Fprintln(w)
		return err
	}, w.Flush}
}

// accessCells are an access by its columns; none stands where there is nothing.
func accessCells(a *ledger.Access, none string) []string {
	cells := []string{time.UnixMicro(a.At).UTC().Format(time.RFC3339Nano), a.Who, a.Role, a.What, a.Subject, a.Reason, strconv.FormatInt(a.Times, 10), a.ID.AccessRef()}
	for n := range cells {
		if cells[n] == "" {
			cells[n] = none
		}
	}
	return cells
}

// accessLine is an access as the API shows it.
func accessLine(a *ledger.Access) any {
	return struct {
		ID      string    `json:"id"`
		Who     string    `json:"who"`
		Role    string    `json:"role,omitempty"`
		What    string    `json:"what"`
		Subject string    `json:"subject,omitempty"`
		Denied  bool      `json:"denied,omitempty"`
		Reason  string    `json:"reason,omitempty"`
		Times   int64     `json:"times"`
		At      time.Time `json:"at"`
	}{a.ID.AccessRef(), a.Who, a.Role, a.What, a.Subject, a.Denied, a.Reason, a.Times, time.UnixMicro(a.At).UTC()}
}

// joined is a subject of several parts.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// aboutBank is a bank as a subject names it; nothing where the text is no bank's code.
func aboutBank(code string) string {
	if !reconcile.IsBankCode(code) {
		return ""
	}
	return "bank " + code
}
