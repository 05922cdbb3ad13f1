package privacy

import (
	"context"

	"bahi/ledger"
)

// Rewrap wraps all that older keys wrapped by the key that wraps now, page by page, and
// returns how much that was. It may be stopped and begun again.
func Rewrap(ctx context.Context, book *ledger.Pipeline, r ledger.Reader, k *KEK) (total int, err error) {
	secrets, err := r.Secrets(ctx)
	if err != nil {
		return 0, err
	}
	var c ledger.Rewrap
	for _, s := range secrets {
		if c, err = k.again(c, s.Wrapped, s.Name, ledger.Rewrapped{Secret: s.Name}); err != nil {
			return 0, err
		}
	}
	if total, err = rewrap(ctx, book, c); err != nil {
		return total, err
	}
	n, err := rewrapEndpoints(ctx, book, r, k)
	if total += n; err != nil {
		return total, err
	}
	page := ledger.Page{Limit: 1000}
	for {
		parties, err := r.Parties(ctx, "", page)
		if err != nil || len(parties) == 0 {
			return total, err
		}
		ids := make([]ledger.ID, len(parties))
		for i := range parties {
			ids[i] = parties[i].ID
		}
		page.Before = ids[len(ids)-1]
		keys, err := r.PersonKeys(ctx, ids)
		if err != nil {
			return total, err
		}
		c = c[:0:0]
		for _, p := range keys {
			if c, err = k.again(c, p.Wrapped, aboutKey(p.Party), ledger.Rewrapped{Party: p.Party}); err != nil {
				return total, err
			}
		}
		n, err := rewrap(ctx, book, c)
		if total += n; err != nil {
			return total, err
		}
	}
}

// rewrapEndpoints is for the secrets of endpoints.
func rewrapEndpoints(ctx context.Context, book *ledger.Pipeline, r ledger.Reader, k *KEK) (total int, err error) {
	page := ledger.Page{Limit: 500}
	for {
		rows, err := r.Records(ctx, ledger.RecordFilter{Kind: ledger.RecordEndpoint}, page)
		if err != nil || len(rows) == 0 {
			return total, err
		}
		page.Before = rows[len(rows)-1].ID
		var c ledger.Rewrap
		for i := range rows {
			e, err := ledger.ReadEndpoint(&rows[i])
			if err != nil {
				return total, err
			}
			for _, secret := range e.Secrets {
				if c, err = k.again(c, secret.Wrapped, e.About(), ledger.Rewrapped{Endpoint: e.ID}); err != nil {
					return total, err
				}
			}
		}
		n, err := rewrap(ctx, book, c)
		if total += n; err != nil {
			return total, err
		}
	}
}

// again adds what an older key wrapped, wrapped again.
func (k *KEK) again(c ledger.Rewrap, wrapped []byte, about string, r ledger.Rewrapped) (ledger.Rewrap, error) {
	if k.Latest(wrapped) {
		return c, nil
	}
	secret, err := k.Unwrap(wrapped, about)
	if err != nil {
		return c, err
	}
	r.Was = wrapped
	r.Now, err = k.Wrap(secret, about)
	return append(c, r), err
}

func rewrap(ctx context.Context, book *ledger.Pipeline, c ledger.Rewrap) (int, error) {
	if len(c) == 0 {
		return 0, nil
	}
	return ledger.Do[int](ctx, book, c)
}
