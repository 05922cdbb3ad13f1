package ledger

import "time"

// Limits are how much may be paid, how often, and what waits before it is paid. They are
// part of the [Policy]: the same for all nodes, since each applies its own.
type Limits struct {
	Default AppLimits
	Apps    map[string]AppLimits // of apps that have limits of their own
}

// AppLimits are the limits of one app's parties. What is absent is no limit.
type AppLimits struct {
	HoldAbove map[Currency]int64 // a payment of more than so many minor units waits before its payee is paid
	HoldFor   time.Duration      // how long it does
}

// of are the limits of an app; nil limits allow everything.
func (l *Limits) of(app string) AppLimits {
	if l == nil {
		return AppLimits{}
	}
	if own, ok := l.Apps[app]; ok {
		return own
	}
	return l.Default
}
