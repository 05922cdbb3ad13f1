package banks_test

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"bahi/banks"
	"bahi/ledger"
)

const secretBlock = "bm90IHRvIGJlIHNlZW4gYnkgYW55Ym9keQ=="

// TestACredentialShowsItselfToNobody: however it is printed, logged or marshalled,
// alone, in an instruction, or where fmt may call none of its methods.
func TestACredentialShowsItselfToNobody(t *testing.T) {
	c := banks.NewCredential(secretBlock)
	i := banks.Instruction{Note: "a note", Credential: c}
	hidden := struct{ i banks.Instruction }{i}
	var out bytes.Buffer
	text, js := slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{c, &c, i, &i, hidden, &hidden, []any{c, i}, map[string]any{"c": c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%t", "%p"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		text.Info("m", "v", v)
		js.Info("m", "v", v)
		one, _ := json.Marshal(v, json.Deterministic(true))
		two, _ := stdjson.Marshal(v)
		three, _ := xml.Marshal(v)
		out.Write(slices.Concat(one, two, three))
	}
	seen := strings.ToLower(out.String())
	for _, form := range []string{secretBlock, "not to be seen", fmt.Sprintf("%x", secretBlock), fmt.Sprintf("%x", "not to be seen"), fmt.Sprint([]byte(secretBlock))} {
		if strings.Contains(seen, strings.ToLower(form)) {
			t.Errorf("%s shows in %s", form, seen)
		}
	}
	if !strings.Contains(seen, "a note") || !strings.Contains(seen, banks.Redacted) {
		t.Error("nothing was printed at all")
	}
	if c.Reveal() != secretBlock || c.IsZero() || !(banks.Credential{}).IsZero() || (banks.Credential{}).String() != "" {
		t.Error("the bank would not get it")
	}
}

// recorder notes which calls came with a credential, such as "debit submit".
type recorder struct {
	banks.Adapter
	mu    sync.Mutex
	calls []string
	with  map[string]string
	panic func(banks.Instruction) // instead of the first debit, if set
}

func (r *recorder) note(i banks.Instruction, ask string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	call := i.ID.Leg.String() + " " + ask
	r.calls = append(r.calls, call)
	if !i.Credential.IsZero() {
		r.with[call] += i.Credential.Reveal()
	}
}

func (r *recorder) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	r.note(i, "submit")
	if r.panic != nil && i.ID.Leg == ledger.LegDebit {
		r.panic(i)
	}
	return r.Adapter.Submit(ctx, i)
}

func (r *recorder) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	r.note(i, "reverse")
	return r.Adapter.Reverse(ctx, i)
}

func (r *recorder) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	r.note(i, "status")
	return r.Adapter.Status(ctx, i)
}

func (r *recorder) count(call string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if c == call {
			n++
		}
	}
	return n
}

// startRecorded starts a node whose banks are recorded.
func (w *world) startRecorded(edit func(*banks.Bank)) *recorder {
	r := &recorder{with: map[string]string{}}
	w.start(func(b *banks.Bank) {
		if b.Code == "NRMD" { // the payer's
			r.Adapter, b.Adapter = b.Adapter, r
		}
		if edit != nil {
			edit(b)
		}
	})
	return r
}

// payWith creates a payment with a credential.
func (w *world) payWith(minor int64, number int, edit func(*ledger.CreateTransfer)) ledger.ID {
	w.t.Helper()
	c := w.create(minor, number)
	c.Transfer.Credential = true
	if err := w.dispatcher.Entrust(c.Transfer.ID, banks.NewCredential(secretBlock)); err != nil {
		w.t.Fatal(err)
	}
	if edit != nil {
		edit(&c)
	}
	if _, err := ledger.Do[ledger.Transfer](context.Background(), w.book, c); err != nil {
		w.t.Fatal(err)
	}
	return c.Transfer.ID
}

func (w *world) ends(id ledger.ID, state ledger.State, reason ledger.Reason) {
	w.t.Helper()
	w.pass(5*time.Hour, time.Second, func() bool { return w.state(id).Final() })
	if tr, err := w.store.Transfer(context.Background(), id); err != nil || tr.State != state || tr.Reason != reason {
		w.t.Errorf("it is %s (%s), want %s (%s): %v", tr.State, tr.Reason, state, reason, err)
	}
}

// gotOnce: the bank got the credential with one debit, and with nothing else.
func (r *recorder) gotOnce(t *testing.T) {
	t.Helper()
	if len(r.with) != 1 || r.with["debit submit"] != secretBlock {
		t.Errorf("the credential came with %v", r.with)
	}
}

func TestTheBankGetsTheCredentialOnce(t *testing.T) {
	for name, c := range map[string]struct {
		minor  int64
		ends   ledger.State
		reason ledger.Reason
	}{
		"approved":                   {100, ledger.Completed, ""},
		"the debit's answer is lost": {9105_00, ledger.Reversed, ledger.DebitTimedOut},
		"the debit is never seen":    {9104_00, ledger.Failed, ledger.DebitTimedOut},
		"the credit is declined":     {9201_00, ledger.Reversed, ledger.CreditDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				r := w.startRecorded(nil)
				w.ends(w.payWith(c.minor, 1, nil), c.ends, c.reason)
				r.gotOnce(w.t)
				if n := r.count("debit submit"); n != 1 {
					w.t.Errorf("the debit was sent %d times", n)
				}
				w.verify()
				w.netAgrees()
			})
		})
	}
}

func TestAQueuedDebitKeepsItsCredential(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.startRecorded(nil)
		w.ends(w.payWith(100, 1, func(c *ledger.CreateTransfer) { c.Queue = true }), ledger.Completed, "")
		r.gotOnce(w.t)
	})
}

// A queued debit of a node that died: another one has no credential for it, and it
// was certainly not sent.
func TestAQueuedDebitWithoutItsCredentialFails(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startRecorded(func(b *banks.Bank) { b.MaxInFlight = 1 })
		w.pay(9114_00, 2) // holds the only place
		time.Sleep(time.Second)
		id := w.payWith(100, 1, nil)
		w.stop()
		r := w.startRecorded(nil)
		w.ends(id, ledger.Failed, ledger.CredentialLost)
		if len(r.with) != 0 || r.count("debit submit") != 0 || r.count("debit_reversal reverse") != 0 {
			w.t.Errorf("the bank was asked: %v, %v", r.calls, r.with)
		}
		w.verify()
	})
}

// A node that died when the debit may have been on its way: the bank is asked, and
// what it has not seen is not sent by another one, but kept out for good.
func TestADebitOnItsWayIsNotSentAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		unknown := w.startRecorded(func(b *banks.Bank) { b.MaxInFlight = 1 })
		first := w.pay(9114_00, 2) // holds the only place; the other waits in its lane
		time.Sleep(time.Second)
		id := w.payWith(100, 1, func(c *ledger.CreateTransfer) { c.Queue = false })
		w.stop()
		r := w.startRecorded(nil)
		w.ends(id, ledger.Failed, ledger.DebitTimedOut)
		w.ends(first.ID, ledger.Completed, "")
		if unknown.with["debit submit"] != "" || r.count("debit submit") != 0 || r.count("debit status") == 0 || r.count("debit_reversal reverse") != 1 {
			w.t.Errorf("the bank was asked %v", r.calls)
		}
		late := banks.Instruction{ID: ledger.InstructionID{Transfer: id, Leg: ledger.LegDebit}, Amount: ledger.Amount{Minor: 100, Currency: "INR"},
			Account: banks.Account{Number: end("NRMD", 1).Account}}
		if a, err := w.banks["NRMD"].Submit(context.Background(), late); err != nil || a.Outcome != ledger.SaysDeclined {
			w.t.Errorf("a late original got %+v, %v", a, err)
		}
		w.verify()
		w.netAgrees()
	})
}

// A node that died after it had sent the debit: the bank's word counts.
func TestADebitThatWasSentGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startRecorded(nil)
		id := w.payWith(9114_00, 1, nil) // answered after two seconds
		time.Sleep(time.Second)
		w.stop()
		r := w.startRecorded(nil)
		w.ends(id, ledger.Completed, "")
		if len(r.with) != 0 || r.count("debit submit") != 0 {
			w.t.Errorf("the bank was asked %v, with %v", r.calls, r.with)
		}
		w.verify()
		w.netAgrees()
	})
}

// What is not used is dropped in the end, and what was forgotten at once.
func TestACredentialIsNotKept(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.startRecorded(nil)
		w.ends(w.payWith(100, 1, func(c *ledger.CreateTransfer) { w.dispatcher.Forget(c.Transfer.ID) }), ledger.Failed, ledger.CredentialLost)
		w.ends(w.payWith(100, 2, func(*ledger.CreateTransfer) { time.Sleep(w.policy.QueueLimit + w.policy.Submit + time.Millisecond) }), ledger.Failed, ledger.CredentialLost)
		w.ends(w.payWith(100, 3, func(*ledger.CreateTransfer) { time.Sleep(w.policy.QueueLimit) }), ledger.Completed, "")
		if r.count("debit submit") != 1 {
			w.t.Errorf("the bank was asked %v", r.calls)
		}
	})
}

// A debit that will never be sent takes its credential along at once.
func TestACredentialGoesWithItsDebit(t *testing.T) {
	for name, c := range map[string]struct {
		state ledger.State
		edit  func(*ledger.CreateTransfer)
	}{
		"refused by a rule": {ledger.Failed, func(c *ledger.CreateTransfer) { c.Transfer.Payee = c.Transfer.Payer }},
		"taken back":        {ledger.Cancelled, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.startRecorded(func(b *banks.Bank) { b.MaxInFlight = 1 })
				w.pay(9114_00, 2) // holds the only place for two seconds
				synctest.Wait()
				id := w.payWith(100, 1, c.edit)
				if c.edit == nil {
					if n := w.dispatcher.Entrusted(); n != 1 {
						w.t.Errorf("%d credentials are kept while the debit waits", n)
					}
					queued, err := w.store.Transfer(context.Background(), id)
					if err == nil {
						_, err = ledger.Do[ledger.Transfer](context.Background(), w.book, ledger.CancelTransfer{Transfer: &queued})
					}
					if err != nil {
						w.t.Fatal(err)
					}
				}
				if got, n := w.state(id), w.dispatcher.Entrusted(); got != c.state || n != 0 {
					w.t.Errorf("it is %s, and %d credentials are kept", got, n)
				}
			})
		})
	}
}

// TestAPanicDoesNotTell: whatever an adapter with a bug throws, the log has no credential.
func TestAPanicDoesNotTell(t *testing.T) {
	for name, thrown := range map[string]func(banks.Instruction){
		"the instruction": func(i banks.Instruction) { panic(i) },
		"a pointer":       func(i banks.Instruction) { panic(&i) },
		"its text":        func(i banks.Instruction) { panic(fmt.Sprintf("%+v", i)) },
		"the message":     func(i banks.Instruction) { panic(fmt.Errorf("<Creds>%s</Creds>", i.Credential.Reveal())) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				var log bytes.Buffer
				w.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				w.startRecorded(nil).panic = thrown
				w.ends(w.payWith(100, 1, nil), ledger.Failed, ledger.DebitTimedOut)
				w.stop()
				if got := log.String(); strings.Contains(got, secretBlock) || !strings.Contains(got, banks.Redacted) {
					w.t.Errorf("the log is %s", got)
				}
			})
		})
	}
}
