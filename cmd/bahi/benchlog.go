package main

// unloggedCmd serves a book without its log, for the bench alone: what the log costs is
// told by the same load with it and without. Such a book does not verify.
type unloggedCmd struct{ serveCmd }

// Run serves as "bahi serve" does.
func (c *unloggedCmd) Run() error {
	c.unlogged = true
	return c.serveCmd.Run()
}
