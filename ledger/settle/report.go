package settle

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"bahi/ledger"
)

// Report is what a closed window settles. It tells nothing that changes, such as
// who has paid: the report of a window is the same bytes whenever it is written.
type Report struct {
	Window    ledger.Window
	Positions []ledger.Position
}

// Itself is what a report calls Bahi, whose position is that of the wallets and of
// suspense. No bank's code is in small letters.
const Itself = "bahi"

// Formats are those that a report is written in.
var Formats = []string{FormatJSON, FormatCSV, FormatInstruction, FormatNotification}

// The formats of a report.
const (
	FormatJSON         = "json"
	FormatCSV          = "csv"
	FormatInstruction  = "pain.001" // the payments of the banks that owe
	FormatNotification = "camt.054" // the payments that the banks that are owed will get
)

// Write writes the report in one of the formats.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case FormatCSV:
		return r.csv(w)
	case FormatInstruction:
		return r.instruction(w)
	case FormatNotification:
		return r.notification(w)
	}
	return r.json(w)
}

type reportJSON struct {
	Window    string         `json:"window"`
	Scheme    string         `json:"scheme"`
	Kind      string         `json:"kind"`
	Date      string         `json:"date"`
	From      string         `json:"from"`
	Until     string         `json:"until"`
	Closed    string         `json:"closed_at"`
	Positions []positionJSON `json:"positions"`
}

type positionJSON struct {
	Bank     string     `json:"bank"`
	Currency string     `json:"currency"`
	Remitted volumeJSON `json:"remitted"`
	Received volumeJSON `json:"received"`
	Fees     string     `json:"fees"`
	Net      string     `json:"net"` // received less remitted and fees: below zero where the bank pays
}

type volumeJSON struct {
	Count int64  `json:"count"`
	Value string `json:"value"`
}

func (r *Report) json(w io.Writer) error {
	out := reportJSON{Window: r.Window.ID, Scheme: r.Window.Scheme, Kind: r.Window.Kind.String(), Date: r.Window.Day.String(),
		From: utc(r.Window.From), Until: utc(r.Window.Until), Closed: utc(r.Window.Closed), Positions: make([]positionJSON, len(r.Positions))}
	for i := range r.Positions {
		p := &r.Positions[i]
		out.Positions[i] = positionJSON{Bank: bankName(p), Currency: string(p.Currency), Fees: sum(p.Fees, p.Currency), Net: sum(-Owes(p), p.Currency),
			Remitted: volumeJSON{p.Remitted.Count, sum(p.Remitted.Minor, p.Currency)},
			Received: volumeJSON{p.Received.Count, sum(p.Received.Minor, p.Currency)}}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// columns are those of the switch's settlement report, which this one is compared with.
var columns = []string{"window", "bank", "date", "currency", "remitted_count", "remitted", "received_count", "received", "fees", "net"}

func (r *Report) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{columns}
	for i := range r.Positions {
		p := &r.Positions[i]
		rows = append(rows, []string{r.Window.ID, bankName(p), r.Window.Day.String(), string(p.Currency),
			strconv.FormatInt(p.Remitted.Count, 10), sum(p.Remitted.Minor, p.Currency),
			strconv.FormatInt(p.Received.Count, 10), sum(p.Received.Minor, p.Currency),
			sum(p.Fees, p.Currency), sum(-Owes(p), p.Currency)})
	}
	return out.WriteAll(rows)
}

func bankName(p *ledger.Position) string {
	if p.Bank == "" {
		return Itself
	}
	return p.Bank
}

// sum is an amount that may be below zero.
func sum(minor int64, c ledger.Currency) string {
	return ledger.Amount{Minor: minor, Currency: c}.String()
}

func utc(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339) }
