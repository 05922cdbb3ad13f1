package ledger

// concluded tells a transfer's cause, in the commit that ends the transfer, how it ended.
func (s *Set) concluded(t *Transfer) {
	switch t.Cause.Kind {
	case RecordSchedule:
		s.concludeRun(t)
	case RecordPot:
		s.potMoved(t)
	case RecordRequest:
		s.concludeAsk(t)
	case RecordRefunds:
		s.refundEnded(t)
	}
}
