package api

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/reconcile"
	"bahi/ledger/reconcile/statement"
)

// Bounds of taking files in.
const (
	maxUploads  = 4    // at once; more wait. Each may take up [reconcile.MaxFile] of the disk
	maxToldRows = 1000 // statements, and days, that an answer lists
	uploadPause = requestTimeout
)

// IngestStatements implements [ServerInterface]. Once the file is here it is taken in
// also when nobody waits for the answer any more, but not when the server stops.
func (s *Server) IngestStatements(c echo.Context, params IngestStatementsParams) error {
	o := reconcile.IngestOptions{Format: statement.Format(params.Format), Bank: params.Bank, Mirrored: params.Mirrored, By: actor(c)}
	if params.Bank != "" && !reconcile.IsBankCode(params.Bank) {
		return badRequest("malformed_parameter", "a bank's code is four capital letters").at("bank")
	}
	if who := caller(c); who.Role == ledger.RoleBank {
		if params.Bank != "" {
			return badRequest("invalid_field", "a bank brings its own statements: leave the bank out").at("bank")
		}
		o.Bank, o.Only = who.Bank, true
	}
	ctx, cancel := s.untilStop(context.WithoutCancel(c.Request().Context()))
	defer cancel()
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-c.Request().Context().Done():
		return ledger.ErrBusy
	case <-ctx.Done():
		return ledger.ErrClosed
	}
	file, err := receive(c, &o)
	if err != nil {
		return err
	}
	defer file.Close()
	in, err := reconcile.Ingest(ctx, s.book, s.reader, file, o)
	if err == nil {
		_, err = s.settlement.TakeFile(ctx, &in, file)
	}
	if err != nil && ctx.Err() != nil {
		err = ledger.ErrClosed
	}
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(requestTimeout)) // storing may have taken longer
	if err != nil {
		return wrongStatement(err)
	}
	status := http.StatusCreated
	if in.Again {
		status = http.StatusOK
	}
	return writeJSON(c, status, ingestedView(&in))
}

// wrongStatement says where a file is at fault.
func wrongStatement(err error) error {
	var m *statement.Mistake
	if !errors.As(err, &m) {
		return err
	}
	p := newProblem(http.StatusUnprocessableEntity, "statement_wrong", "%v", m).at(m.Field)
	p.line = m.Line
	return p
}

// receive spools the request's file, and reads the mapping beside it.
func receive(c echo.Context, o *reconcile.IngestOptions) (*reconcile.Spooled, error) {
	r := c.Request()
	if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && encoding != "identity" {
		return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "send the file as it is, without Content-Encoding").at(echo.HeaderContentEncoding)
	}
	if r.ContentLength > reconcile.MaxFile {
		return nil, tooLargeFile()
	}
	body := &upload{from: r.Body, conn: http.NewResponseController(c.Response())}
	defer body.done()
	kind, params, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err == nil && kind == echo.MIMEMultipartForm {
		if params["boundary"] == "" {
			return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "multipart/form-data has a boundary").at(echo.HeaderContentType)
		}
		r.Body = io.NopCloser(body)
		return receiveParts(r, body, o)
	}
	return spool(body, body)
}

// receiveParts reads a form of a file and a mapping.
func receiveParts(r *http.Request, body *upload, o *reconcile.IngestOptions) (file *reconcile.Spooled, err error) {
	defer func() {
		if err != nil && file != nil {
			file.Close()
			file = nil
		}
	}()
	form, err := r.MultipartReader()
	if err != nil {
		return nil, badRequest("body_not_read", "the form is not well-formed")
	}
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF) && file == nil:
			return file, badRequest("missing_field", "the form has no part file").at("/file")
		case errors.Is(err, io.EOF):
			return file, nil
		case err != nil:
			return file, badRequest("body_not_read", "the form is cut short or not well-formed")
		}
		switch name := part.FormName(); {
		case name == "file" && file == nil:
			if file, err = spool(part, body); err != nil {
				return nil, err
			}
		case name == "mapping" && o.Mapping == nil:
			if o.Mapping, err = statement.ReadMapping(part); err != nil {
				return file, badRequest("invalid_field", "%v", err).at("/mapping")
			}
		case name == "file", name == "mapping":
			return file, badRequest("duplicate_field", "the part stands twice; which one is meant?").at("/" + name)
		default:
			return file, badRequest("unknown_field", "the parts are file and mapping").at("/" + clip(name))
		}
	}
}

// clip shortens what a caller wrote.
func clip(s string) string {
	const most = 60
	return string([]rune(strings.ToValidUTF8(s, "?"))[:min(most, len([]rune(s)))])
}

func spool(from io.Reader, body *upload) (*reconcile.Spooled, error) {
	file, err := reconcile.Spool(from)
	switch {
	case errors.Is(err, reconcile.ErrFileTooLarge):
		return nil, tooLargeFile()
	case err != nil && body.err != nil, errors.Is(err, io.ErrUnexpectedEOF):
		return nil, badRequest("body_not_read", "the body ended before its length, or nothing came for %s", uploadPause)
	}
	return file, err
}

func tooLargeFile() *problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large", "the file is larger than %d bytes", int64(reconcile.MaxFile))
}

// upload is a body that may take as long as it likes, as long as some of it comes.
type upload struct {
	from io.Reader
	conn *http.ResponseController
	err  error // of reading
}

func (u *upload) Read(p []byte) (int, error) {
	until := time.Now().Add(uploadPause)
	_ = u.conn.SetReadDeadline(until) // without a connection, as in a test, there is none to keep
	_ = u.conn.SetWriteDeadline(until.Add(requestTimeout))
	n, err := u.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// done lets the connection rest while what was read is worked on.
func (u *upload) done() { _ = u.conn.SetReadDeadline(time.Time{}) }

func ingestedView(in *reconcile.Ingested) StatementFile {
	v := StatementFile{SHA256: hex.EncodeToString(in.File[:]), Again: in.Again, Lines: in.Lines, StatementCount: len(in.Statements), CoveredCount: len(in.Covered),
		Statements: []BankStatement{}, Covered: []CoveredDay{}}
	for i := range in.Statements[:min(len(in.Statements), maxToldRows)] {
		v.Statements = append(v.Statements, bankStatementView(&in.Statements[i]))
	}
	for _, c := range in.Covered[:min(len(in.Covered), maxToldRows)] {
		v.Covered = append(v.Covered, CoveredDay{Source: BankLineSource(c.Source.String()), Bank: c.Bank, Day: dayView(c.Day)})
	}
	return v
}

func bankStatementView(st *ledger.Statement) BankStatement {
	v := BankStatement{SHA256: hex.EncodeToString(st.File[:]), N: st.N, Source: BankLineSource(st.Source.String()), Bank: st.Bank, Name: st.Name, Account: masked(st.Account),
		Format: StatementFormat(st.Format), Lines: st.Lines, Credits: balanceView(st.Credits, st.Currency), Debits: balanceView(st.Debits, st.Currency),
		By: st.By, At: timeView(st.At)}
	if st.Closing != nil {
		v.Closing = balanceView(*st.Closing, st.Currency)
	}
	if st.Date != 0 {
		v.Day = dayView(st.Date)
	}
	return v
}

// ListStatements implements [ServerInterface].
func (s *Server) ListStatements(c echo.Context, params ListStatementsParams) error {
	after, err := statementPage(params.Cursor)
	if err != nil {
		return err
	}
	rows, err := s.reader.Statements(c.Request().Context(), after, params.Limit+1)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Statement) string {
		text := binary.BigEndian.AppendUint64(last.File[:], uint64(last.At))
		return string(binary.BigEndian.AppendUint64(text, uint64(last.N)))
	})
	out := BankStatementList{Data: make([]BankStatement, len(rows)), NextCursor: next}
	for i := range rows {
		out.Data[i] = bankStatementView(&rows[i])
	}
	return writeJSON(c, http.StatusOK, out)
}

// statementPage reads the cursor of the list of statements: a file's hash, a time and a number.
func statementPage(cursor string) (after ledger.StatementPlace, err error) {
	if cursor == "" {
		return after, nil
	}
	text, err := readCursor(cursor)
	if err != nil || len(text) != len(after.File)+16 {
		return after, badCursor()
	}
	b := []byte(text)
	after.File = [32]byte(b)
	after.At, after.N = int64(binary.BigEndian.Uint64(b[32:])), int(binary.BigEndian.Uint64(b[40:]))
	return after, nil
}
