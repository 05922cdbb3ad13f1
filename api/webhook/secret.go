package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bahi/ledger"
)

const (
	secretPrefix = "whsec_"
	secretSize   = 32 // bytes
)

// NewSecret makes a secret for an endpoint: as its app is shown it, this once, and as it
// is kept.
func (s *Sender) NewSecret(endpoint ledger.ID) (shown string, wrapped []byte, err error) {
	raw := make([]byte, secretSize)
	_, _ = rand.Read(raw) // never fails
	e := ledger.Endpoint{ID: endpoint}
	wrapped, err = s.wrapper.Wrap(raw, e.About())
	return secretPrefix + base64.StdEncoding.EncodeToString(raw), wrapped, err
}

// signer signs with one of an endpoint's secrets.
type signer struct {
	*standard.Webhook
	until int64
}

// signers are those of all secrets of an endpoint.
func (s *Sender) signers(e *ledger.Endpoint) (signers []signer, err error) {
	for _, kept := range e.Secrets {
		raw, err := s.wrapper.Unwrap(kept.Wrapped, e.About())
		if err != nil {
			return nil, err
		}
		hook, err := standard.NewWebhookRaw(raw)
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer{hook, kept.Until})
	}
	return signers, nil
}

// sign sets the headers of the Standard Webhooks: a signature by each secret that still signs.
func sign(h http.Header, signers []signer, id string, at time.Time, body []byte) error {
	var signatures []string
	for _, by := range signers {
		if by.until != 0 && by.until <= at.UnixMicro() {
			continue
		}
		signature, err := by.Sign(id, at, body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	h.Set(standard.HeaderWebhookID, id)
	h.Set(standard.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standard.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
