package statement

import (
	"errors"
	"io"
)

// readSettlement reads the switch's settlement report: a row is a window of one
// bank, and becomes a statement of what it remitted, received and paid in
// fees, which closes at its net position.
func readSettlement(in *input, t *tally) error {
	tab, err := newTable(in, "")
	if err != nil {
		return err
	}
	if err := tab.need("window", "bank", "date", "currency", "remitted_count", "remitted", "received_count", "received", "fees", "net"); err != nil {
		return err
	}
	for {
		err := tab.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = settlementRow(tab, t)
		}
		if err != nil {
			return err
		}
	}
}

func settlementRow(tab *table, t *tally) error {
	currency, err := known(tab.line, "currency", tab.get("currency"))
	if err != nil {
		return err
	}
	date, err := day(tab.line, "date", tab.get("date"), "2006-01-02")
	if err != nil {
		return err
	}
	for _, name := range []string{"window", "bank"} {
		if tab.get(name) == "" {
			return mistakef(tab.line, name, "is missing")
		}
	}
	err = t.begin(Header{Format: Settlement, Bank: tab.get("bank"), ID: tab.get("window"), Currency: currency, Date: date,
		Opening: &Balance{Currency: currency}, Line: tab.line})
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name, count string
		side        Side
	}{{"remitted", "remitted_count", Debit}, {"received", "received_count", Credit}, {"fees", "", Debit}} {
		l := Line{BookingDate: date, Side: c.side, Reference: tab.get("window") + "/" + c.name, Line: tab.line}
		if l.Amount, err = amount(tab.line, c.name, tab.get(c.name), currency); err != nil {
			return err
		}
		if c.count != "" {
			if l.Count, err = count(tab.line, c.count, tab.get(c.count)); err != nil {
				return err
			}
			if (l.Count == 0) != (l.Amount.Minor == 0) {
				return mistakef(tab.line, c.count, "says %d, %s says %v", l.Count, c.name, l.Amount)
			}
		}
		if l.Amount.Minor == 0 {
			continue
		}
		if err := t.add(l); err != nil {
			return err
		}
	}
	net, err := signedBalance(tab.line, "net", tab.get("net"), currency)
	if err != nil {
		return err
	}
	if net == nil {
		return mistakef(tab.line, "net", "is missing")
	}
	return t.end(tab.line, net, tab.line, "net")
}
