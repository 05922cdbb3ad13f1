package api

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signatureAge is how old, or how far ahead, a signed request may be.
const signatureAge = 5 * time.Minute

// Sign signs a body as a bank does, by the Standard Webhooks convention for
// asymmetric keys ("v1a", Ed25519 over "id.timestamp.body"), and sets the headers.
func Sign(h http.Header, key ed25519.PrivateKey, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed(id, timestamp, body))))
}

// verifySignature checks what Sign wrote: one of the signatures, and the time.
func verifySignature(h http.Header, key ed25519.PublicKey, now time.Time, body []byte) error {
	wrong := newProblem(http.StatusUnauthorized, "bad_signature", "sign the body with the bank's Ed25519 key: webhook-id, webhook-timestamp and webhook-signature \"v1a,…\" over \"id.timestamp.body\"")
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || len(key) != ed25519.PublicKeySize {
		return wrong
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > signatureAge || age < -signatureAge {
		return newProblem(http.StatusUnauthorized, "stale_signature", "webhook-timestamp is more than %s away from now", signatureAge)
	}
	for _, s := range strings.Fields(h.Get("webhook-signature")) {
		text, ok := strings.CutPrefix(s, "v1a,")
		if !ok {
			continue
		}
		if sig, err := base64.StdEncoding.DecodeString(text); err == nil && ed25519.Verify(key, signed(id, timestamp, body), sig) {
			return nil
		}
	}
	return wrong
}

func signed(id, timestamp string, body []byte) []byte {
	return append([]byte(id+"."+timestamp+"."), body...)
}
