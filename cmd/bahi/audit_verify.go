package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"bahi/ledger"
	"bahi/ledger/audit"
)

type auditVerifyCmd struct {
	File  string   `arg:"" help:"The audit file; - is what comes in."`
	Key   []string `help:"Verifier key that the log is signed with, from elsewhere than the file. One for each that it was signed with since the oldest of what you give." required:"" placeholder:"VKEY" sep:"none" env:"BAHI_LOG_KEY"`
	Older []string `help:"What you kept of before: an audit file, which is compared row by row, or a signed checkpoint." placeholder:"FILE" type:"existingfile" env:"BAHI_OLDER"`
	JSON  bool     `help:"Print one JSON object per finding and a last one with what was checked."`
}

// Validate is called by the parser.
func (c *auditVerifyCmd) Validate() error {
	for _, key := range c.Key {
		if _, err := note.NewVerifier(key); err != nil {
			return fmt.Errorf("--key: %q: %w", key, err)
		}
	}
	return nil
}

// shownFindings is how many findings are printed for people: more say no more.
const shownFindings = 20

// Run checks the file. It opens no book.
func (c *auditVerifyCmd) Run() error {
	in, err := openOrStdin(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	options := audit.VerifyOptions{Keys: c.Key}
	for _, name := range c.Older {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		kept, err := audit.ReadKept(name, f)
		if err != nil {
			return err
		}
		options.Older = append(options.Older, kept)
	}
	bar := newProgress(os.Stderr, 0, 0)
	options.Progress = func(place, first, size int64) {
		bar.from, bar.until = first, size
		bar.show(place)
	}
	began := time.Now()
	out := json.NewEncoder(os.Stdout)
	var found int64
	sum, err := audit.Verify(in, options, func(f audit.Finding) {
		switch found++; {
		case c.JSON:
			_ = out.Encode(f)
		case found <= shownFindings:
			fmt.Println(foundText("FOUND", &f))
		}
	})
	bar.done()
	switch {
	case err != nil:
		return err
	case c.JSON:
		_ = out.Encode(sum)
	default:
		c.tell(&sum, time.Since(began))
	}
	if sum.Findings > 0 {
		return errViolated
	}
	return nil
}

// openOrStdin opens a file, or what comes in.
func openOrStdin(file string) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(file)
}

func foundText(word string, f *audit.Finding) string {
	where := "the file"
	switch {
	case f.Until > 0:
		where = fmt.Sprintf("places %d to %d", f.Place, f.Until)
	case f.Place >= 0:
		where = fmt.Sprintf("place %d", f.Place)
	}
	if f.Leaf != "" {
		where += ", " + f.Leaf
	}
	return fmt.Sprintf("%-6s %s: %s: %s", word, where, f.Rule, f.Detail)
}

// tell says for people what was checked.
func (c *auditVerifyCmd) tell(sum *audit.Report, took time.Duration) {
	if more := sum.Findings - shownFindings; more > 0 {
		fmt.Printf("… and %d more\n", more)
	}
	of := ""
	if sum.App != "" {
		of = ", of " + sum.App
	}
	fmt.Printf("log      %s%s\n", sum.Origin, of)
	fmt.Printf("leaves   %d, from place %d, up to %s\n", sum.Leaves, sum.First, timeText(sum.Until))
	fmt.Printf("root     %x of %d leaves\n", sum.Root, sum.Size)
	fmt.Printf("checked  %d older checkpoints in the file", sum.Checkpoints)
	if sum.Unknown > 0 {
		fmt.Printf(" (%d more are signed by keys that you did not give)", sum.Unknown)
	}
	fmt.Printf("; %d of %d that you kept agree", sum.Older, len(c.Older))
	if sum.Hidden > 0 {
		fmt.Printf("; %d leaves are given by their hash alone", sum.Hidden)
	}
	if sum.People > 0 {
		fmt.Printf("; %d persons' data is what the log was made of", sum.People)
	}
	fmt.Println()
	var kinds []string
	for _, kind := range ledger.LeafKindNames() {
		if n := sum.Kinds[kind]; n > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
		}
	}
	fmt.Printf("of them  %s\n", strings.Join(kinds, ", "))
	for b := range slices.Values(sum.Balances) {
		fmt.Printf("balance  %s %s %s on %d accounts\n", b.Type, b.Balance, b.Currency, b.Accounts)
	}
	fmt.Printf("%d findings in %s, %.0f leaves/s\n", sum.Findings, took.Round(time.Millisecond), float64(sum.Leaves)/took.Seconds())
	if sum.FirstBad != nil {
		fmt.Println(foundText("FIRST", sum.FirstBad))
	}
}

func timeText(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }
