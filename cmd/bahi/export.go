package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"bahi/ledger"
	"bahi/ledger/export"
	"bahi/ledger/privacy"
)

type exportCmd struct {
	storage
	Format     export.Format `help:"jsonl (the audit file: everything in the log), csv, parquet, hledger or beancount." enum:"jsonl,csv,parquet,hledger,beancount" required:""`
	Of         export.Table  `help:"The rows of csv and parquet: postings, transfers (as they were made) or steps (what became of them)." enum:"postings,transfers,steps" default:"postings"`
	From       string        `help:"From this time (RFC 3339) or the first moment of this day on. It stands for the last checkpoint of the log that is not later."`
	To         string        `help:"Up to this time or the first moment of this day, likewise; up to the last checkpoint if not given."`
	FromLeaf   int64         `help:"From this leaf of the log on, instead of --from." default:"-1"`
	Checkpoint int64         `help:"Up to the checkpoint of this size, instead of --to." default:"-1"`
	App        string        `help:"Only what belongs to transfers of this app."`
	Out        string        `help:"The file to write; - is the standard output. One that was not finished is gone on with." default:"-"`
	Personal   bool          `help:"With what the persons can be known by and the salts of their marks, for audit verify to check; of jsonl only."`
	Zone       string        `help:"Where days begin and end, of --from and --to and of journals." default:"Asia/Kolkata" env:"BAHI_ZONE"`
}

// Validate is called by the parser.
func (c *exportCmd) Validate() error {
	if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "" {
		return errors.New("--zone: the name of a time zone, such as Asia/Kolkata")
	}
	if c.Of != export.Postings && c.Format != export.CSV && c.Format != export.Parquet {
		return fmt.Errorf("--of: %s has no tables", c.Format)
	}
	if c.Personal && c.Format != export.JSONL {
		return errors.New("--personal: with --format jsonl")
	}
	return c.storage.Validate()
}

// Run exports the book, also while servers write to it.
func (c *exportCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	zone, _ := time.LoadLocation(c.Zone) // was tried
	var out *exportFile
	if c.Out != "-" {
		var err error
		if out, err = openExport(c.Out, c.words()); err != nil {
			return err
		}
		defer out.close()
	}
	return c.work(ctx, nil, func(store ledger.Store, book *ledger.Pipeline) error {
		o := export.Options{Format: c.Format, Of: c.Of, App: c.App, Zone: zone}
		in, err := c.find(ctx, store, zone, out)
		if err != nil {
			return err
		}
		o.Range = in
		if persons, ok := store.(*privacy.Store); ok && c.Personal {
			o.People = persons.People
		}
		if err := accessed(ctx, book, loginName(), "export", o.String()); err != nil {
			return err
		}
		if out != nil {
			return out.write(ctx, store, o)
		}
		return exportTo(ctx, store, os.Stdout, o)
	})
}

// find is the range that is asked for; an export that goes on keeps the one it has.
func (c *exportCmd) find(ctx context.Context, store ledger.Store, zone *time.Location, out *exportFile) (export.Range, error) {
	if out != nil && out.partial.Range.Size > 0 {
		return out.partial.Range, nil
	}
	in, err := export.Bounds{From: c.From, To: c.To, First: c.FromLeaf, Checkpoint: c.Checkpoint}.Find(ctx, store, zone)
	if wrong := (*export.BoundsError)(nil); errors.As(err, &wrong) {
		return in, usagef("%w", err)
	}
	return in, err
}

// words are what was asked for: an unfinished export of the same words is gone on with.
func (c *exportCmd) words() string {
	return fmt.Sprintf("%q", []string{string(c.Format), string(c.Of), c.From, c.To, fmt.Sprint(c.FromLeaf), fmt.Sprint(c.Checkpoint), c.App, c.Zone, fmt.Sprint(c.Personal)})
}

// exportTo streams an export to somewhere that is not a file.
func exportTo(ctx context.Context, store ledger.Store, w io.Writer, o export.Options) error {
	sum, out := sha256.New(), bufio.NewWriter(w)
	bar := newProgress(os.Stderr, o.Range.First, o.Range.Size)
	o.Progress = bar.show
	rows, err := export.Write(ctx, store, io.MultiWriter(out, sum), o)
	bar.done()
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %d rows, sha-256 %x\n", &o, rows, sum.Sum(nil))
	return nil
}

// exportFile is a file that an export is written to: as FILE.part until it is whole. Beside
// it stands which export it is, and in the end, in FILE.sha256, what sha256sum reads.
type exportFile struct {
	path    string
	part    *os.File
	words   string
	partial partialExport
}

// partialExport is what stands beside a file that is not whole.
type partialExport struct {
	Words string       `json:"export"`
	Range export.Range `json:"range"`
}

func (f *exportFile) partPath() string { return f.path + ".part" }
func (f *exportFile) notePath() string { return f.path + ".part.json" }

// openExport opens a file for an export, and finds out whether one is to be gone on with.
func openExport(path, words string) (*exportFile, error) {
	f := &exportFile{path: path, words: words}
	var err error
	if f.part, err = os.OpenFile(f.partPath(), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.part.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.part.Close()
		return nil, fmt.Errorf("another export writes %s: %w", f.partPath(), err)
	}
	f.partial = readPartial(f.notePath(), words)
	return f, nil
}

// readPartial reads which export an unfinished file is; nothing where it is another
// than the words say, or where it is not known.
func readPartial(path, words string) (p partialExport) {
	b, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(b, &p) != nil || p.Words != words {
		return partialExport{}
	}
	return p
}

// begin throws away what is there, of another export, and then says which one this is.
func (f *exportFile) begin(in export.Range) error {
	if err := f.part.Truncate(0); err != nil {
		return err
	}
	f.partial = partialExport{f.words, in}
	b, err := json.Marshal(f.partial)
	if err != nil {
		return err
	}
	return os.WriteFile(f.notePath(), append(b, '\n'), 0o600)
}

// close leaves no file behind in which there is nothing.
func (f *exportFile) close() {
	if is, err := f.part.Stat(); err == nil && is.Size() == 0 && f.partial.Words == "" {
		_ = os.Remove(f.partPath())
	}
	f.part.Close()
}

// write writes the export, or the rest of it, and puts the file in its place.
func (f *exportFile) write(ctx context.Context, store ledger.Store, o export.Options) error {
	var kept export.Kept
	var err error
	if f.partial.Range == o.Range && f.partial.Words == f.words {
		kept, err = export.Keep(f.part, o.Format)
	} else {
		err = f.begin(o.Range)
	}
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := f.cut(kept.Bytes, sum); err != nil {
		return err
	}
	if kept.From > 0 {
		fmt.Fprintf(os.Stderr, "%s: goes on at leaf %d, with %d rows written before\n", f.partPath(), kept.From, kept.Rows)
		o.From = kept.From
	}
	bar := newProgress(os.Stderr, max(o.Range.First, o.From), o.Range.Size)
	o.Progress = bar.show
	rows, err := export.Write(ctx, store, io.MultiWriter(f.part, sum), o)
	bar.done()
	if err != nil {
		return fmt.Errorf("%s is not whole, the same command goes on with it: %w", f.partPath(), err)
	}
	return f.finish(&o, kept.Rows+rows, hex.EncodeToString(sum.Sum(nil)))
}

// cut leaves the file with what is kept of it, which is added to the sum.
func (f *exportFile) cut(kept int64, sum io.Writer) error {
	if err := f.part.Truncate(kept); err != nil {
		return err
	}
	if _, err := f.part.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(sum, f.part, kept)
	return err
}

// finish puts the whole file in its place: whoever finds it there has all of it.
func (f *exportFile) finish(o *export.Options, rows int64, sum string) error {
	if err := f.part.Sync(); err != nil {
		return err
	}
	beside := fmt.Sprintf("# %s: %d rows\n%s  %s\n", o, rows, sum, filepath.Base(f.path))
	if err := os.WriteFile(f.path+".sha256", []byte(beside), 0o600); err != nil {
		return err
	}
	if err := os.Rename(f.partPath(), f.path); err != nil {
		return err
	}
	if err := os.Remove(f.notePath()); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %s: %d rows, sha-256 %s\n", f.path, o, rows, sum)
	return nil
}
