package banks

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bahi/ledger"
)

// Credential is the payer's credential block, such as an encrypted PIN: opaque to
// us, and nobody's to see but the payer's bank. It is never stored. However it is
// printed, logged or marshalled it shows [Redacted]; only Reveal gives it away.
// The zero Credential is none.
type Credential struct {
	block *string // by a pointer, so that not even fmt finds the text where it may call no method
}

// Redacted is what a credential looks like to everybody else.
const Redacted = "[credential]"

// NewCredential wraps a block.
func NewCredential(block string) Credential {
	if block == "" {
		return Credential{}
	}
	return Credential{&block}
}

// Reveal is the block, for the wire to the payer's bank; empty where there is none.
func (c Credential) Reveal() string {
	if c.block == nil {
		return ""
	}
	return *c.block
}

// IsZero says whether there is none.
func (c Credential) IsZero() bool { return c.block == nil }

// String is [Redacted], or empty where there is none.
func (c Credential) String() string {
	if c.IsZero() {
		return ""
	}
	return Redacted
}

// Format implements [fmt.Formatter]: every verb prints String.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer].
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler], by which JSON and XML go too.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. An empty text is a credential
// that is empty, so that it can be told from none.
func (c *Credential) UnmarshalText(text []byte) error {
	block := string(text)
	c.block = &block
	return nil
}

// hide takes the block out of a text that somebody else wrote.
func (c Credential) hide(text string) string {
	if c.Reveal() == "" {
		return text
	}
	return strings.ReplaceAll(text, c.Reveal(), Redacted)
}

// ErrTooManyCredentials means that no more credentials are kept now.
var ErrTooManyCredentials = errors.New("too many debits with a credential wait to be sent")

// maxCredentials bounds how many are in memory.
const maxCredentials = 50_000

// credentials keeps each block from the request to the first and only time that
// its debit is sent, in memory alone.
type credentials struct {
	mu   sync.Mutex
	held map[ledger.ID]heldCredential // by transfer
}

type heldCredential struct {
	Credential
	stop func() bool // what drops it in the end
}

// keep holds a credential, at most for so long.
func (c *credentials) keep(transfer ledger.ID, credential Credential, clock Clock, limit time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) >= maxCredentials {
		return ErrTooManyCredentials
	}
	if c.held == nil {
		c.held = map[ledger.ID]heldCredential{}
	}
	c.held[transfer] = heldCredential{credential, clock.AfterFunc(limit, func() { c.take(transfer) })}
	return nil
}

// take gives a credential out, for good.
func (c *credentials) take(transfer ledger.ID) Credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.held[transfer]
	if !ok {
		return Credential{}
	}
	h.stop()
	delete(c.held, transfer)
	return h.Credential
}

// Entrust keeps the credential for the debit of a transfer that is about to be
// made. It is gone once the debit was sent, or once that would be too late.
func (d *Dispatcher) Entrust(transfer ledger.ID, c Credential) error {
	return d.credentials.keep(transfer, c, d.opt.Clock, d.opt.Policy.QueueLimit+d.opt.Policy.Submit)
}

// Entrusted is how many credentials are in memory now.
func (d *Dispatcher) Entrusted() int {
	d.credentials.mu.Lock()
	defer d.credentials.mu.Unlock()
	return len(d.credentials.held)
}

// Forget drops the credential of a transfer that was not made after all.
func (d *Dispatcher) Forget(transfer ledger.ID) { d.credentials.take(transfer) }

// credentialed says whether the work is a debit that needs a credential. It is
// sent at most once: only the node that took the request in ever had the block.
func (w *work) credentialed() bool {
	return w.Transfer.Credential && w.Instruction.ID.Leg == ledger.LegDebit
}

// lost is the answer to a debit that was certainly not sent, for want of its credential.
var lost = Answer{Outcome: ledger.SaysNotDone, Code: ledger.CodeCredentialLost}
