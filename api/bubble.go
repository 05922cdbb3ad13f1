package api

import (
	"cmp"
	"strings"

	"bahi/ledger"
)

// A bubble is what a chat shows of something in a conversation: one text for each of the
// two it is between, and what that one can do now.

// somebody is who has no name, or had one until they were erased.
var somebody = phrase{"somebody", "किसी"}

// actions are what people can do, in plain words.
var actions = map[NextAction]phrase{
	"nothing":           {"There is nothing to do.", "कुछ करना नहीं है।"},
	"wait":              {"Wait: it goes on by itself.", "इंतज़ार करें, यह अपने आप आगे बढ़ेगा।"},
	"cancel":            {"You can cancel it until {until}.", "आप इसे {until} तक रद्द कर सकते हैं।"},
	"claim":             {"Take it until {until}.", "{until} तक ले लें।"},
	"top_up":            {"Top up your wallet, or pay from a bank account.", "अपने वॉलेट में पैसे डालें या बैंक खाते से भुगतान करें।"},
	"use_other_account": {"Try another account.", "दूसरे खाते से कोशिश करें।"},
	"link_account":      {"Link an account to be paid on.", "पैसे पाने के लिए एक खाता जोड़ें।"},
	"try_again":         {"Try again.", "फिर कोशिश करें।"},
	"try_later":         {"Try again later.", "बाद में फिर कोशिश करें।"},
	"pay_less":          {"Pay less at once.", "एक बार में कम भुगतान करें।"},
	"check_address":     {"Check the address, or invite them.", "पता जाँचें या उन्हें आमंत्रित करें।"},
	"enter_credential":  {"Enter your PIN and try again.", "अपना पिन डालकर फिर कोशिश करें।"},
	"start_payments":    {"Start your payments again first.", "पहले अपने भुगतान फिर से चालू करें।"},
	"ask_operator":      {"Ask for help.", "सहायता लें।"},
}

// tries are what the payer can do after a transfer that came to nothing.
var tries = map[ledger.Reason]NextAction{
	ledger.InsufficientFunds:   "top_up",
	ledger.PayeeNotFound:       "check_address",
	ledger.PayeeNotPayable:     "nothing", // the payee is to link one
	ledger.PayerNotPayable:     "link_account",
	ledger.AccountFrozen:       "ask_operator",
	ledger.InstrumentUnlinked:  "try_again",
	ledger.SameAccount:         "use_other_account",
	ledger.CurrencyMismatch:    "use_other_account",
	ledger.BankUnknown:         "use_other_account",
	ledger.BankLimitExceeded:   "pay_less",
	ledger.NetDebitCap:         "use_other_account",
	ledger.AmountTooLarge:      "pay_less",
	ledger.DebitDeclined:       "use_other_account",
	ledger.CreditDeclined:      "nothing",
	ledger.BankUnavailable:     "try_later",
	ledger.RequestExpired:      "try_later",
	ledger.DebitTimedOut:       "try_later",
	ledger.CreditTimedOut:      "try_later",
	ledger.CancelledBySender:   "nothing",
	ledger.CredentialLost:      "enter_credential",
	ledger.PaymentsStopped:     "start_payments",
	ledger.LimitTransfer:       "pay_less",
	ledger.LimitAmount:         "try_later",
	ledger.LimitCount:          "try_later",
	ledger.LimitNewUser:        "pay_less",
	ledger.LimitReceivedAmount: "try_later",
	ledger.LimitReceivedCount:  "try_later",
	ledger.LimitWalletBalance:  "pay_less",
}

// sides are what the payer and the payee are told.
type sides struct{ payer, payee phrase }

// payments are the texts of a payment, by its state.
var payments = map[ledger.State]sides{
	ledger.Pending: {
		phrase{"You are paying {payee} {amount}.", "आप {payee} को {amount} दे रहे हैं।"},
		phrase{"{payer} is paying you {amount}.", "{payer} आपको {amount} दे रहे हैं।"}},
	ledger.Held: {
		phrase{"You paid {payee} {amount}. They get it at {until}.", "आपने {payee} को {amount} दिए। उन्हें {until} पर मिलेंगे।"},
		phrase{"{payer} paid you {amount}. You get it at {until}.", "{payer} ने आपको {amount} दिए। आपको {until} पर मिलेंगे।"}},
	ledger.Debited: {
		phrase{"You paid {payee} {amount}. It is on its way.", "आपने {payee} को {amount} दिए। पैसे रास्ते में हैं।"},
		phrase{"{payer} paid you {amount}. It is on its way.", "{payer} ने आपको {amount} दिए। पैसे रास्ते में हैं।"}},
	ledger.Completed: {
		phrase{"You paid {payee} {amount}.", "आपने {payee} को {amount} दिए।"},
		phrase{"{payer} paid you {amount}.", "{payer} ने आपको {amount} दिए।"}},
	ledger.Failed: {
		phrase{"You could not pay {payee} {amount}. No money moved.", "आप {payee} को {amount} नहीं दे सके। कोई पैसा नहीं कटा।"},
		phrase{"{payer} could not pay you {amount}. No money moved.", "{payer} आपको {amount} नहीं दे सके। कोई पैसा नहीं आया।"}},
	ledger.Cancelled: {
		phrase{"You cancelled {amount} to {payee}. No money moved.", "आपने {payee} को {amount} का भुगतान रद्द किया।"},
		phrase{"{payer} cancelled {amount} to you. No money moved.", "{payer} ने आपको {amount} का भुगतान रद्द किया।"}},
	ledger.Reversing: {
		phrase{"{payee} did not get {amount}. It is on its way back to you.", "{payee} को {amount} नहीं मिले। पैसे आपके पास लौट रहे हैं।"},
		phrase{"You did not get {amount} from {payer}. It goes back.", "आपको {payer} से {amount} नहीं मिले। पैसे लौट रहे हैं।"}},
	ledger.Reversed: {
		phrase{"{payee} did not get {amount}. You have it back.", "{payee} को {amount} नहीं मिले। पैसे आपको वापस मिल गए।"},
		phrase{"You did not get {amount} from {payer}. It went back.", "आपको {payer} से {amount} नहीं मिले। पैसे लौट गए।"}},
	ledger.Deemed: {
		phrase{"You paid {payee} {amount}. Their bank has not confirmed it yet.", "आपने {payee} को {amount} दिए। उनके बैंक ने अभी पुष्टि नहीं की है।"},
		phrase{"{payer} paid you {amount}. Your bank has not confirmed it yet.", "{payer} ने आपको {amount} दिए। आपके बैंक ने अभी पुष्टि नहीं की है।"}},
	ledger.Unresolved: {
		phrase{"Your payment of {amount} to {payee} is being confirmed with your bank.", "{payee} को {amount} के आपके भुगतान की आपके बैंक से पुष्टि हो रही है।"},
		phrase{"{amount} from {payer} is being confirmed with their bank.", "{payer} से {amount} की उनके बैंक से पुष्टि हो रही है।"}},
}

// others are the texts of what is no payment from one to another, by its kind and where it
// ends; on the way there the one of Pending.
var others = map[ledger.Kind]map[ledger.State]sides{
	ledger.TopUp: same(map[ledger.State]phrase{
		ledger.Pending:   {"{amount} is on its way to your wallet.", "{amount} आपके वॉलेट में आ रहे हैं।"},
		ledger.Completed: {"You added {amount} to your wallet.", "आपने वॉलेट में {amount} डाले।"},
		ledger.Failed:    {"{amount} could not be added to your wallet. No money moved.", "वॉलेट में {amount} नहीं डाले जा सके।"},
		ledger.Reversed:  {"{amount} could not be added to your wallet. Your bank account has it back.", "वॉलेट में {amount} नहीं डाले जा सके। पैसे बैंक खाते में लौट गए।"},
	}),
	ledger.Withdrawal: same(map[ledger.State]phrase{
		ledger.Pending:   {"{amount} is on its way to your bank account.", "{amount} आपके बैंक खाते में जा रहे हैं।"},
		ledger.Completed: {"You moved {amount} to your bank account.", "आपने बैंक खाते में {amount} भेजे।"},
		ledger.Failed:    {"{amount} could not be moved to your bank account.", "बैंक खाते में {amount} नहीं भेजे जा सके।"},
		ledger.Reversed:  {"{amount} could not be moved to your bank account. Your wallet has it back.", "बैंक खाते में {amount} नहीं भेजे जा सके। पैसे वॉलेट में लौट गए।"},
	}),
	ledger.Payout: same(map[ledger.State]phrase{
		ledger.Pending:   {"{amount} is on its way to you, to correct an earlier payment.", "पिछले भुगतान को ठीक करने के लिए {amount} आपके पास आ रहे हैं।"},
		ledger.Completed: {"You got {amount}, to correct an earlier payment.", "पिछले भुगतान को ठीक करने के लिए आपको {amount} मिले।"},
		ledger.Failed:    {"{amount} could not be paid to you yet.", "{amount} आपको अभी नहीं दिए जा सके।"},
		ledger.Reversed:  {"{amount} could not be paid to you yet.", "{amount} आपको अभी नहीं दिए जा सके।"},
	}),
	ledger.Refund: {
		ledger.Pending: {
			phrase{"Your refund of {amount} to {payee} is on its way.", "{payee} को {amount} की आपकी वापसी रास्ते में है।"},
			phrase{"A refund of {amount} from {payer} is on its way to you.", "{payer} से {amount} की वापसी रास्ते में है।"}},
		ledger.Completed: {
			phrase{"You refunded {payee} {amount}.", "आपने {payee} को {amount} लौटाए।"},
			phrase{"{payer} refunded you {amount}.", "{payer} ने आपको {amount} लौटाए।"}},
		ledger.Failed: {
			phrase{"You could not refund {payee} {amount}. No money moved.", "आप {payee} को {amount} नहीं लौटा सके।"},
			phrase{"{payer} could not refund you {amount}. No money moved.", "{payer} आपको {amount} नहीं लौटा सके।"}},
		ledger.Reversed: {
			phrase{"{payee} did not get your refund of {amount}. You have it back.", "{payee} को {amount} की वापसी नहीं मिली। पैसे आपको वापस मिल गए।"},
			phrase{"You did not get a refund of {amount} from {payer}.", "आपको {payer} से {amount} की वापसी नहीं मिली।"}},
	},
}

// same is for what both ends are one and the same person's.
func same(texts map[ledger.State]phrase) map[ledger.State]sides {
	out := map[ledger.State]sides{}
	for state, p := range texts {
		out[state] = sides{p, p}
	}
	return out
}

// takenBack are the texts of a held payment that its payer took back.
var takenBack = sides{
	phrase{"You cancelled {amount} to {payee}. You have it back.", "आपने {payee} को {amount} का भुगतान रद्द किया। पैसे आपको वापस मिल गए।"},
	phrase{"{payer} cancelled {amount} to you.", "{payer} ने आपको {amount} का भुगतान रद्द किया।"},
}

// statuses are the states in Hindi; in English they are statusText's.
var statuses = map[ledger.State]string{
	ledger.Pending: "भेजा जा रहा है", ledger.Held: "रोका हुआ", ledger.Debited: "रास्ते में", ledger.Completed: "पूरा हुआ", ledger.Failed: "असफल",
	ledger.Cancelled: "रद्द", ledger.Reversing: "पैसे लौट रहे हैं", ledger.Reversed: "पैसे लौटाए गए", ledger.Deemed: "पुष्टि हो रही है", ledger.Unresolved: "पुष्टि हो रही है",
}

// say fills a phrase in: a name and its value by turns.
func (v *viewer) say(p phrase, with ...string) string {
	return strings.NewReplacer(with...).Replace(p.in(&v.locale))
}

// named is what somebody is called.
func (v *viewer) named(e *ledger.End) string {
	return cmp.Or(v.see.text(e.Name), v.see.text(e.UPI), somebody.in(&v.locale))
}

// side is what one is told, and what that one can do.
func (v *viewer) side(text phrase, action NextAction, until int64, with ...string) BubbleSide {
	with = append(with, "{until}", v.time(until))
	return BubbleSide{Text: v.say(text, with...), Action: action, Next: v.say(actions[action], with...), Until: timeView(until)}
}

func (v *viewer) transferBubble(t *ledger.Transfer) Bubble {
	with := []string{"{payer}", v.named(&t.Payer), "{payee}", v.named(&t.Payee), "{amount}", v.amount(t.Amount)}
	text := transferSides(t)
	b := Bubble{Amount: v.amount(t.Amount), Status: phrase{statusText(t), statuses[t.State]}.in(&v.locale),
		Conversation: v.see.text(t.Conversation), Message: v.see.text(t.Message)}
	payer, payee, until := transferActions(t)
	b.ForPayer, b.ForPayee = v.side(text.payer, payer, until, with...), v.side(text.payee, payee, until, with...)
	return b
}

func transferSides(t *ledger.Transfer) sides {
	if t.State == ledger.Reversed && t.Reason == ledger.CancelledBySender {
		return takenBack
	}
	if of, ok := others[t.Kind]; ok {
		if text, ok := of[t.State]; ok {
			return text
		}
		return of[ledger.Pending]
	}
	return payments[t.State]
}

// transferActions are what the payer and the payee can do, and until when, or when it will have come by itself.
func transferActions(t *ledger.Transfer) (payer, payee NextAction, until int64) {
	switch t.State {
	case ledger.Pending, ledger.Debited, ledger.Reversing:
		return "wait", "wait", 0
	case ledger.Held:
		return "cancel", "wait", t.Until
	case ledger.Deemed, ledger.Unresolved:
		return "wait", "wait", t.Deadline
	case ledger.Failed, ledger.Reversed:
		payee = "nothing"
		if t.Reason == ledger.PayeeNotPayable {
			payee = "link_account"
		}
		return cmp.Or(tries[t.Reason], "nothing"), payee, 0
	}
	return "nothing", "nothing", 0
}
