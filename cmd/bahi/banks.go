package main

import "fmt"

type banksCmd struct {
	Check banksCheckCmd `cmd:"" help:"Say whether a banks file is right, or every line that is wrong."`
}

type banksCheckCmd struct {
	File string `arg:"" help:"The file." type:"path"`
}

// Run checks the file as a server does, credentials included, and opens no bank.
func (c *banksCheckCmd) Run() error {
	entries, err := readBanksFile(c.File)
	if err != nil {
		return err
	}
	fmt.Printf("%s: ok, %d banks\n", c.File, len(entries))
	return nil
}
