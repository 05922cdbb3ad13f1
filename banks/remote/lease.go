package remote

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"bahi/ledger"
)

// Lease hands out up to limit offers, the oldest first, and none of them to
// anybody else for the time of hold. While there is none it waits, at most for
// so long; those who wait are served in the order of their coming. holder is
// whose the leases are.
func (b *Bank) Lease(ctx context.Context, holder ledger.ID, limit int, wait, hold time.Duration) []Offer {
	over := make(chan struct{})
	defer b.cfg.Clock.AfterFunc(wait, func() { close(over) })()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.polling++
	defer func() {
		b.polling--
		b.seen = b.cfg.Clock.Now()
		b.call() // whoever is next: what is left, or what this one was called for and did not take
	}()
	for waits := wait > 0; waits && b.waiting.Len() == 0; {
		called := make(chan struct{})
		place := b.pollers.PushBack(called)
		b.mu.Unlock()
		select {
		case <-called:
		case <-over:
			waits = false
		case <-ctx.Done():
		case <-b.ended:
		}
		b.mu.Lock()
		b.pollers.Remove(place)
		if b.closed || ctx.Err() != nil { // what it took would be lost until the lease expires
			return nil
		}
	}
	if b.closed {
		return nil
	}
	return b.take(holder, limit, hold)
}

// call wakes the first who waits for offers, if there are any.
func (b *Bank) call() {
	if first := b.pollers.Front(); first != nil && b.waiting.Len() > 0 {
		close(b.pollers.Remove(first).(chan struct{}))
	}
}

// take leases the first offers that wait.
func (b *Bank) take(holder ledger.ID, limit int, hold time.Duration) (taken []Offer) {
	l := &lease{}
	until := b.cfg.Clock.Now().Add(hold)
	for len(l.offers) < limit && b.waiting.Len() > 0 {
		o := b.waiting.Remove(b.waiting.Front()).(*offer)
		o.place, o.lease, o.sent = nil, l, true
		l.offers = append(l.offers, o)
		taken = append(taken, Offer{Question: o.Question, Instruction: o.instruction, Token: b.token(holder, o.Question), Until: until})
	}
	if l.open = len(l.offers); l.open > 0 {
		b.leases[l] = struct{}{}
		l.stop = b.cfg.Clock.AfterFunc(hold, func() { b.expire(l) })
	}
	return taken
}

// expire offers again what a lease still holds, before everything else.
func (b *Bank) expire(l *lease) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.leases, l)
	for n := len(l.offers) - 1; n >= 0; n-- {
		if o := l.offers[n]; o.lease == l {
			o.lease = nil
			o.place = b.waiting.PushFront(o)
		}
	}
	b.call()
}

func newSecret() []byte {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// token shows who leased a question. Nobody else can make it, and nothing of it
// is kept: it is good for as long as the bank is open, also when the lease is not.
func (b *Bank) token(holder ledger.ID, q Question) string {
	mac := hmac.New(sha256.New, b.secret)
	mac.Write(holder[:])
	mac.Write([]byte(q.ID.String() + " " + string(q.Ask)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// Leased says whether the token is what the holder got with a lease of the question.
func (b *Bank) Leased(holder ledger.ID, q Question, token string) bool {
	return hmac.Equal([]byte(token), []byte(b.token(holder, q)))
}
