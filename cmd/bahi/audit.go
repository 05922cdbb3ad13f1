package main

type auditCmd struct {
	Verify  auditVerifyCmd  `cmd:"" help:"Check an audit file (bahi export --format jsonl) with nothing but a key and what you kept of before: its hashes, its signatures, and every leaf after those before it."`
	Receipt auditReceiptCmd `cmd:"" help:"Check a receipt against a verifier key of the log, and say what it proves."`
}
