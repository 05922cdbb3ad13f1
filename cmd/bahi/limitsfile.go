package main

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"bahi/ledger"
)

// Bounds of a limits file.
const (
	maxLimitsFile = 4 << 20 // bytes
	maxLimitTime  = 31 * 24 * time.Hour
	maxLimitCount = 1_000_000_000
)

// noLimits stands where there are to be none: for the file, for an app, for a rule.
const noLimits = "none"

// readLimits is what a limits file says; without one it is India's limits. What the file
// does not name stays as it is there.
func readLimits(path string) (*ledger.Limits, error) {
	switch path {
	case "":
		return ledger.IndiaLimits(), nil
	case noLimits:
		return nil, nil
	}
	return readSettings(path, "the limits file", maxLimitsFile, parseLimits)
}

func parseLimits(text []byte, wrong *fileErrors) *ledger.Limits {
	var file yaml.Node
	switch err := decodeYAML(text, &file); {
	case err == io.EOF:
		wrong.add(1, "there is nothing in it")
		return nil
	case err != nil:
		wrong.addYAML(err)
		return nil
	}
	limits := ledger.IndiaLimits()
	r := limitsReader{wrong}
	var apps *yaml.Node
	r.keys(file.Content[0], fields{
		"default": func(n *yaml.Node) { r.app(n, &limits.Default) },
		"apps":    func(n *yaml.Node) { apps = n },
	})
	if apps == nil {
		return limits
	}
	limits.Apps = map[string]ledger.AppLimits{}
	r.entries(apps, func(name string, n *yaml.Node) { // what an app does not name is as for all
		own := limits.Default
		r.app(n, &own)
		limits.Apps[name] = own
	})
	return limits
}

// limitsReader reads a limits file over what is in force without it. It goes by the nodes:
// each rule may be none, and each sum be in one currency or in several.
type limitsReader struct{ *fileErrors }

// fields are the keys that a part of the file may have, and what reads them.
type fields map[string]func(*yaml.Node)

// app reads the limits of one app, or those of all.
func (r limitsReader) app(n *yaml.Node, a *ledger.AppLimits) {
	if n.Value == noLimits {
		*a = ledger.AppLimits{}
		return
	}
	if a.Window == 0 {
		a.Window = 24 * time.Hour
	}
	r.keys(n, fields{
		"window":      func(n *yaml.Node) { a.Window = r.time(n) },
		"to_person":   func(n *yaml.Node) { r.limit(n, &a.ToPerson, fields{"each": r.sums(&a.ToPerson.Each)}) },
		"to_merchant": func(n *yaml.Node) { r.limit(n, &a.ToMerchant, fields{"each": r.sums(&a.ToMerchant.Each)}) },
		"received":    func(n *yaml.Node) { r.limit(n, &a.Received, nil) },
		"new_user": func(n *yaml.Node) {
			a.NewFor = 24 * time.Hour
			r.limit(n, &a.NewUser, fields{"for": func(n *yaml.Node) { a.NewFor = r.time(n) }})
		},
		"wallet": func(n *yaml.Node) {
			a.WalletTransfer, a.WalletBalance = nil, nil
			r.rule(n, fields{"each": r.sums(&a.WalletTransfer), "balance": r.sums(&a.WalletBalance)})
		},
		"hold": func(n *yaml.Node) {
			a.HoldAbove, a.HoldFor = nil, time.Hour
			above := ledger.Sums{}
			r.rule(n, fields{"above": r.sums(&above), "for": func(n *yaml.Node) { a.HoldFor = r.time(n) }})
			a.HoldAbove = above
		},
	})
}

// limit reads a rule about payments.
func (r limitsReader) limit(n *yaml.Node, l *ledger.Limit, also fields) {
	*l = ledger.Limit{}
	of := fields{"sum": r.sums(&l.Sum), "count": func(n *yaml.Node) { l.Count = r.count(n) }}
	maps.Copy(of, also)
	r.rule(n, of)
}

// rule reads a rule; it may be none.
func (r limitsReader) rule(n *yaml.Node, of fields) {
	if n.Value != noLimits {
		r.keys(n, of)
	}
}

// keys reads the keys of a map, which are all known.
func (r limitsReader) keys(n *yaml.Node, known fields) {
	r.entries(n, func(key string, value *yaml.Node) {
		if read, ok := known[key]; ok {
			read(value)
			return
		}
		r.add(value.Line, "there is no key %q here, but %s", key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	})
}

// entries calls yield with each entry of a map.
func (r limitsReader) entries(n *yaml.Node, yield func(key string, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.add(n.Line, "a map of keys belongs here, or %s", noLimits)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		if key.Value == "" || seen[key.Value] {
			r.add(key.Line, "%q stands here a second time, or is empty", key.Value)
			continue
		}
		seen[key.Value] = true
		yield(key.Value, value)
	}
}

// sums reads a sum in rupees, or one in each of several currencies.
func (r limitsReader) sums(into *ledger.Sums) func(*yaml.Node) {
	return func(n *yaml.Node) {
		*into = ledger.Sums{}
		if n.Kind == yaml.ScalarNode {
			r.sum(n, bankCurrency, *into)
			return
		}
		r.entries(n, func(currency string, n *yaml.Node) { r.sum(n, currency, *into) })
	}
}

func (r limitsReader) sum(n *yaml.Node, currency string, into ledger.Sums) {
	a, err := ledger.ParseAmount(n.Value, currency)
	if err != nil {
		r.add(n.Line, "this is a sum, such as 100000.00, or {INR: 100000.00, USD: 1000.00}: %v", err)
		return
	}
	into[a.Currency] = a.Minor
}

func (r limitsReader) count(n *yaml.Node) int {
	count, err := strconv.Atoi(n.Value)
	if err != nil || count < 1 || count > maxLimitCount {
		r.add(n.Line, "count is 1 to %d", maxLimitCount)
	}
	return count
}

func (r limitsReader) time(n *yaml.Node) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < time.Second || d > maxLimitTime {
		r.add(n.Line, "this is a time from 1s to %s, such as 24h", maxLimitTime)
	}
	return d
}
