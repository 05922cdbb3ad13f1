package main

type auditCmd struct {
	Receipt auditReceiptCmd `cmd:"" help:"Check a receipt against a verifier key of the log, and say what it proves."`
}
