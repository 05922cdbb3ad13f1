package api

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"bahi/banks"
	"bahi/ledger"
)

const maxCredential = 4096 // characters

var credentialText = regexp.MustCompile(`^[A-Za-z0-9+/]+={0,2}$`)

// checkCredential refuses what is no credential block. It never says what it was.
func checkCredential(field string, c banks.Credential) error {
	if block := c.Reveal(); !c.IsZero() && (len(block) > maxCredential || !credentialText.MatchString(block)) {
		return badRequest("invalid_field", "a credential is Base64, at most %d characters", maxCredential).at(field)
	}
	return nil
}

// credentialed is the command that makes a transfer whose debit has a credential.
type credentialed struct {
	ledger.CreateTransfer
	credential banks.Credential
	pot        *ledger.FundPot // that it is into; or nil
}

// withCredential adds the credential to what makes a transfer. A payer without a
// bank is refused by the pipeline, as one is that is not there: whether the account
// was a wallet may have changed since a first answer.
func withCredential(made ledger.CreateTransfer, field string, c banks.Credential) ledger.Command {
	if made.Transfer.Payer.IsWallet() {
		return ledger.Refused{Why: badRequest("invalid_field", "a wallet has no bank that wants a credential; leave it out").at(field)}
	}
	made.Transfer.Credential = true
	return credentialed{CreateTransfer: made, credential: c}
}

// entrust gives a credential to the dispatcher, until the transfer's debit is sent.
func (s *Server) entrust(transfer ledger.ID, c banks.Credential) error {
	if err := s.dispatcher.Entrust(transfer, c); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrBusy, err)
	}
	return nil
}

// forget drops the credentials of transfers that were not made.
func (s *Server) forget(c ledger.Command) {
	switch c := c.(type) {
	case ledger.CreateTransfer:
		if c.Transfer.Credential {
			s.dispatcher.Forget(c.Transfer.ID)
		}
	case ledger.PayAsk:
		s.forget(c.Pay)
	case ledger.CreateRefund:
		if c.Credential {
			s.dispatcher.Forget(c.ID)
		}
	case ledger.FundPot:
		s.forget(c.Payment)
	case ledger.Many:
		for _, one := range c {
			s.forget(one)
		}
	}
}

// withoutCredentials is a body without the values of its credentials, for the
// hash that is stored of it: whoever can guess a block must not be able to see
// that the guess is right. A repeat with a fresh block is then the same request.
// Whatever is called so is left out, also where the contract has no credential,
// but for the chat's own metadata.
func withoutCredentials(body []byte) []byte {
	if !bytes.Contains(body, []byte("credential")) && !bytes.Contains(body, []byte(`\`)) { // a name can be written in escapes
		return body
	}
	d := jsontext.NewDecoder(bytes.NewReader(body))
	var out []byte
	kept := int64(0)
	for {
		token, err := d.ReadToken()
		if err != nil {
			return append(out, body[kept:]...) // the end: the body was read whole before
		}
		if kind, n := d.StackIndex(d.StackDepth()); kind != '{' || n%2 == 0 || token.String() != "credential" ||
			strings.Contains(string(d.StackPointer()), "/metadata/") {
			continue
		}
		out = append(out, body[kept:d.InputOffset()]...)
		if err := d.SkipValue(); err != nil {
			return out
		}
		kept = d.InputOffset()
	}
}
