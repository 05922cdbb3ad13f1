package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/export"
)

// sealedBook is a book in a file with transfers that are done, sealed.
func sealedBook(t *testing.T, transfers int) (data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	s := storage{Data: data}
	ctx := context.Background()
	no := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := s.open(ctx)
	no(err)
	book := ledger.NewPipeline(store, ledger.PipelineOptions{})
	end := func(bank string) ledger.End {
		return ledger.End{Bank: bank, Account: "100000000001", IFSC: bank + "0000001", Mark: [32]byte{1}}
	}
	var wg sync.WaitGroup
	for worker := range 200 {
		wg.Go(func() {
			for i := worker; i < transfers; i += 200 {
				made, err := ledger.Do[ledger.Transfer](ctx, book, ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: []string{"chat", "shop"}[i%2], Kind: ledger.Payment,
					Payer: end("NRMD"), Payee: end("KVRI"), Amount: ledger.Amount{Minor: int64(1 + i), Currency: "INR"}, RRN: "632900000001"}})
				for _, leg := range []ledger.Leg{ledger.LegDebit, ledger.LegCredit} {
					if err == nil {
						_, err = ledger.Do[ledger.Recorded](ctx, book, ledger.RecordResult{Transfer: &made, Leg: leg, Outcome: ledger.SaysApproved})
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	kek, err := s.kek()
	no(err)
	ring := audit.Keyring{Book: book, Reader: store, Wrapper: kek}
	_, err = ring.Ensure(ctx, "bahi.example/test")
	no(err)
	_, err = audit.SealAll(ctx, book, store, kek)
	no(err)
	book.Close()
	no(store.Close())
	return data
}

func TestExport(t *testing.T) {
	data := sealedBook(t, 50)
	dir := t.TempDir()
	for _, format := range export.Formats {
		path := filepath.Join(dir, "book."+string(format))
		call := []string{"export", "--data=" + data, "--format=" + string(format), "--app=shop"}
		stdout, stderr, code := here(t, call...)
		if code != exitOK || stdout == "" {
			t.Fatalf("%s: exit code %d\n%s", format, code, stderr)
		}
		sum := fmt.Sprintf("sha-256 %x", sha256.Sum256([]byte(stdout)))
		if !strings.Contains(stderr, sum) || !strings.Contains(stderr, " rows, ") || !strings.Contains(stderr, `app "shop"`) {
			t.Errorf("%s: %s tells nothing of %s", format, stderr, sum)
		}
		again, toFile, code := here(t, append(call, "--out="+path)...)
		if got := readFile(t, path); code != exitOK || again != "" || got != stdout || !strings.Contains(toFile, sum) {
			t.Errorf("%s to a file: exit code %d, the same bytes: %v\n%s", format, code, got == stdout, toFile)
		}
		check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", filepath.Base(path)+".sha256")
		check.Dir = dir
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s%s", format, err, out, readFile(t, path+".sha256"))
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*part*")); left != nil {
		t.Errorf("left are %v", left)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An unfinished file is gone on with by the same words only, and then keeps its range,
// though the book has grown since.
func TestExportGoesOn(t *testing.T) {
	data := sealedBook(t, 50)
	for _, format := range export.Formats {
		path := filepath.Join(t.TempDir(), "book")
		cmd := exportCmd{Format: format, Of: export.Postings, FromLeaf: -1, Checkpoint: -1, Zone: "Asia/Kolkata"}
		want, _, _ := here(t, "export", "--data="+data, "--format="+string(format))
		in := export.Range{Size: sizeOf(t, data)}
		unfinished := func(words string) {
			f, err := openExport(path, words)
			if err == nil {
				err = f.begin(in)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.part.WriteString(want[:len(want)*2/3]); err != nil {
				t.Fatal(err)
			}
			f.close()
		}
		call := []string{"export", "--data=" + data, "--format=" + string(format), "--out=" + path}
		unfinished(cmd.words())
		_, stderr, code := here(t, call...)
		if got := readFile(t, path); code != exitOK || got != want || strings.Contains(stderr, "goes on at leaf") != format.Resumable() {
			t.Errorf("%s: exit code %d, the same bytes: %v\n%s", format, code, got == want, stderr)
		}
		unfinished(`another export's`)
		_, stderr, code = here(t, call...)
		if got := readFile(t, path); code != exitOK || got != want || strings.Contains(stderr, "goes on") {
			t.Errorf("%s over another: exit code %d, the same bytes: %v\n%s", format, code, got == want, stderr)
		}
	}
}

// sizeOf is how far a book's log is sealed.
func sizeOf(t *testing.T, data string) int64 {
	t.Helper()
	store, err := storage{Data: data}.open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	head, err := store.LogHead(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return head.Size
}

// One that is killed is gone on with, and no other may write the file meanwhile.
func TestExportThatIsKilled(t *testing.T) {
	data := sealedBook(t, 8000)
	path := filepath.Join(t.TempDir(), "book.csv")
	want, _, code := bahi(t, "export", "--data="+data, "--format=csv")
	if code != exitOK {
		t.Fatal("exit code", code)
	}
	killed := 0
	for range 20 {
		cmd := exec.CommandContext(t.Context(), shippedProgram(t), "export", "--data="+data, "--format=csv", "--out="+path)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		before := sizeAt(path + ".part")
		for over := false; !over; {
			select {
			case <-ended:
				over = true
			default:
				if sizeAt(path+".part") > before {
					over = true
					_ = cmd.Process.Signal(syscall.SIGKILL)
					<-ended
					killed++
				}
				time.Sleep(time.Millisecond)
			}
		}
		if _, err := os.Stat(path); err == nil {
			break
		}
	}
	if killed == 0 {
		t.Error("it was never killed")
	}
	_, stderr, code := bahi(t, "export", "--data="+data, "--format=csv", "--out="+path)
	if got := readFile(t, path); code != exitOK || got != want {
		t.Errorf("killed %d times, then exit code %d, the same bytes: %v\n%s", killed, code, got == want, stderr)
	}
}

func sizeAt(path string) int64 {
	is, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return is.Size()
}

func TestExportRefuses(t *testing.T) {
	data := sealedBook(t, 3)
	path := filepath.Join(t.TempDir(), "book.csv")
	for call, want := range map[string]struct {
		code int
		says string
	}{
		"--format=xml":                                      {exitUsage, "must be one of"},
		"":                                                  {exitUsage, "missing flags: --format"},
		"--format=csv --of=people":                          {exitUsage, "must be one of"},
		"--format=hledger --of=steps":                       {exitUsage, "hledger has no tables"},
		"--format=csv --zone=Mars":                          {exitUsage, "--zone"},
		"--format=csv --from=yesterday":                     {exitUsage, "from: a time such as"},
		"--format=csv --to=2026-02-30":                      {exitUsage, "to: a time such as"},
		"--format=csv --checkpoint=999999":                  {exitUsage, "checkpoint: there is none of size 999999"},
		"--format=csv --from-leaf=999999":                   {exitUsage, "behind the end"},
		"--format=csv --from=2026-11-25 --from-leaf=1":      {exitUsage, "from is given too"},
		"--format=jsonl --to=2020-01-01":                    {exitFailed, "no checkpoint in this range"},
		"--format=csv --from=yesterday --out=" + path:       {exitUsage, "from: a time such as"},
		"--format=csv --out=" + path + "/no/such/directory": {exitFailed, "no such file"},
	} {
		stdout, stderr, code := here(t, append(strings.Fields("export "+call), "--data="+data)...)
		if code != want.code || stdout != "" || !strings.Contains(stderr, want.says) {
			t.Errorf("%s: exit code %d, %s%s", call, code, stdout, stderr)
		}
	}
	if left, _ := filepath.Glob(path + "*"); left != nil {
		t.Errorf("left are %v", left)
	}
	f, err := openExport(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if _, stderr, code := here(t, "export", "--data="+data, "--format=csv", "--out="+path); code != exitFailed || !strings.Contains(stderr, "another export writes") {
		t.Errorf("while another writes: exit code %d, %s", code, stderr)
	}
}

// Nothing but what is exported is written to the standard output, and no bar where there is no terminal.
func TestExportShowsItsProgressOnATerminalOnly(t *testing.T) {
	data := sealedBook(t, 2000)
	call := shippedProgram(t) + " export --format=beancount --data=" + data + " > /dev/null"
	piped, err := exec.CommandContext(t.Context(), "sh", "-c", call).CombinedOutput()
	if err != nil || strings.ContainsAny(string(piped), "\r\x1b") {
		t.Errorf("%v, to a pipe: %q", err, piped)
	}
	terminal, err := exec.CommandContext(t.Context(), "script", "--quiet", "--return", "--command", call, "/dev/null").CombinedOutput()
	if err != nil || !strings.Contains(string(terminal), "\r[#") || !strings.Contains(string(terminal), " leaves, ") {
		t.Errorf("%v, to a terminal: %q", err, terminal)
	}
}
