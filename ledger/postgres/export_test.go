package postgres

import (
	"context"
	"net/url"

	"github.com/jackc/pgx/v5/pgxpool"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Within runs f in a transaction as a batch is, on a connection of its own, and
// says how often it was tried again. begin may ask for another isolation level.
func Within(ctx context.Context, database, begin string, f func(exec func(sql string) error) error) (restarts int, err error) {
	cfg, err := pgxpool.ParseConfig(database)
	if err != nil {
		return 0, err
	}
	w, err := connect(ctx, &cfg.ConnConfig.Config, nil)
	if err != nil {
		return 0, err
	}
	defer w.close()
	t := &transaction{w: w, cockroach: w.pg.ParameterStatus("crdb_version") != "", begin: begin}
	err = t.within(ctx, func() error {
		return f(func(sql string) error {
			return t.run(ctx, []query{{sql: sql}})
		})
	})
	return t.restarts, (&Store{}).outcome(t, err)
}

// DropWriter closes the connection of the next batch from the server's side of the wire.
func DropWriter(s *Store) error { return s.writer.pg.Conn().Close() }

// WithDatabase is the URL with another database's name.
func WithDatabase(rawURL, name string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(err)
	}
	u.Path = "/" + name
	return u.String()
}

// TransferList, BreakList, RecordList, RangeQuery and Flows are the SQL of reads; Reading are the settings it runs under.
var (
	TransferList = transferList
	BreakList    = breakList
	RecordList   = recordList
	DueRecords   = dueRecords
	RangeQuery   = rangeQuery
	Flows        = flows
	Reading      = reading
)

// LogQueries are reads of the log, each with the index that it goes by, and values to plan them with.
var LogQueries = map[string]struct {
	Index string
	Args  []any
}{
	unsealed + ` LIMIT $1`: {"log_unsealed", []any{10}},
	logFrom:                {"log_by_place", []any{int64(5), 10}},
	logAt:                  {"log_by_time", []any{int64(5)}},
	linesAt:                {"postings_by_credit", []any{[][16]byte{{}}, []int64{1}}},
}

// Place is the SQL that gives rows of the log their places.
var Place = func() string {
	var text string
	_ = columns.Persist(&ledger.Set{Placed: []ledger.Placed{{Row: 1}}}, func(c *columns.Change) columns.Writer {
		s := statementOf(c)
		text = s.sql
		return newBulk(s, &arrays{})
	})
	return text
}()

// Queries are the SQL of the other reads that must not scan, with values to plan them with.
var Queries = map[string][]any{
	statementLines: {zero, int64(9), 10},
	due:            {zero, int64(9), int64(1), zero, int64(1), 10},
	nextDriver:     {zero},
	history:        {zero},
	postingsOf:     {zero},
	resolve:        {[]string{"chat"}, []int16{1}, []string{"x"}},
	payable:        {[][16]byte{{}}},

	newestStatements: {10},
	olderStatements:  {int64(9), zero, int64(1), 10},
	coverage:         {int32(1), int32(2)},
	line:             {int64(1), "SBIN", zero, int64(1)},
	linesOf:          {zero},
	lastRun:          {},
	breakNotes:       {zero},
	breakCounts:      {},
	correctionsFor:   {zero},
	windowsByID:      {[]string{"upi/1"}},
	windows:          {"upi/1", 10},
	windowsOfScheme:  {"upi", "upi/1", 10},
	positionsOf:      {"upi/1"},
	flows:            {[][16]byte{{}}, []int64{1}, []int64{2}},

	logHead:      {},
	sealed:       {},
	logAt:        {int64(1)},
	tiles:        {[]int32{1}, []int64{1}},
	checkpointAt: {int64(1)},
	checkpoints:  {int64(1), 10},
	cosignatures: {int64(1)},
	accesses:     {zero, 10},
	erasures:     {[][16]byte{{}}},
	personKeys:   {[][16]byte{{}}},
	transfersOf:  {[][16]byte{{}}},

	dueRecords: {int64(9), int64(1), int64(1), zero, 10},
	streamOf:   {"chat", int64(1), 10},
	outbox:     {10},
}

var zero = make([]byte, 16)
