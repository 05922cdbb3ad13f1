package sim

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bahi/banks"
	"bahi/ledger"
)

// full is a disk that takes half a line and then no more, until it has room again.
type full struct {
	*os.File
	room, uncut bool
}

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if f.room {
		return f.File.Write(p)
	}
	n, _ := f.File.Write(p[:len(p)/2])
	return n, errFull
}

func (f *full) Truncate(size int64) error {
	if f.uncut {
		return errFull
	}
	return f.File.Truncate(size)
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "SBIN.journal")
	b, err := Open(Config{Code: "SBIN", OpeningBalance: 1_000, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	disk := &full{File: b.journal.file.(*os.File)}
	b.journal.file = disk
	submit := func(leg ledger.Leg) error {
		_, err := b.Submit(t.Context(), banks.Instruction{ID: ledger.InstructionID{Transfer: ledger.NewID(), Leg: leg},
			Account: banks.Account{Number: "1"}, Amount: ledger.Amount{Minor: 100, Currency: "INR"}})
		return err
	}
	if err := submit(debit); !errors.Is(err, errFull) || b.Balance("1") != 1_000 {
		t.Errorf("on a full disk: %v, balance %d", err, b.Balance("1"))
	}
	disk.room = true
	if err := submit(debit); err != nil || b.Balance("1") != 900 {
		t.Errorf("with room again: %v, balance %d", err, b.Balance("1"))
	}
	disk.room, disk.uncut = false, true
	if err := submit(debit); !errors.Is(err, errFull) {
		t.Errorf("half a line that stays: %v", err)
	}
	disk.room = true // too late: a line would continue the half one
	if err := submit(debit); err == nil || b.Balance("1") != 900 {
		t.Errorf("after half a line: %v, balance %d", err, b.Balance("1"))
	}
	disk.uncut = false
	if err := submit(debit); err != nil || b.Balance("1") != 800 {
		t.Errorf("with the half line cut off: %v, balance %d", err, b.Balance("1"))
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if entries, err := ReadJournal(path); err != nil || len(entries) != 2 {
		t.Errorf("the file tells %v, %v", entries, err)
	}
}
