package api

import (
	"context"
	"slices"
	"strconv"

	"bahi/ledger"
	"bahi/ledger/feed"
)

// potTexts are what the sender and those it is for are told, by the type of event.
type potTexts map[string]sides

var invitationTexts = potTexts{
	"pot.opened": {
		phrase{"You sent {amount} to {phone}, who is not here yet. They can take it until {until}.", "आपने {phone} को {amount} भेजे, जो अभी यहाँ नहीं हैं। वे {until} तक ले सकते हैं।"},
		phrase{"{sender} sent you {amount}. Take it until {until}.", "{sender} ने आपको {amount} भेजे। {until} तक ले लें।"}},
	"pot.claimed": {
		phrase{"{claimant} took your {share}.", "{claimant} ने आपके {share} ले लिए।"},
		phrase{"You took {share} from {sender}.", "आपने {sender} से {share} ले लिए।"}},
	"pot.claim_failed": {
		phrase{"{claimant} could not be paid {share}. They can try again.", "{claimant} को {share} नहीं दिए जा सके। वे फिर कोशिश कर सकते हैं।"},
		phrase{"You could not be paid {share}. Try again.", "आपको {share} नहीं दिए जा सके। फिर कोशिश करें।"}},
	"pot.returned": {
		phrase{"{back} for {phone} is back with you.", "{phone} के लिए भेजे {back} आपको वापस मिल गए।"},
		phrase{"{amount} from {sender} went back.", "{sender} के {amount} लौट गए।"}},
	"pot.closed": {
		phrase{"Your {amount} to {phone} is settled.", "{phone} को भेजे आपके {amount} का निपटारा हो गया।"},
		phrase{"{amount} from {sender} is settled.", "{sender} के {amount} का निपटारा हो गया।"}},
	"pot.failed": {
		phrase{"You could not send {amount} to {phone}. No money moved.", "आप {phone} को {amount} नहीं भेज सके। कोई पैसा नहीं कटा।"},
		phrase{"{sender} could not send you {amount}. No money moved.", "{sender} आपको {amount} नहीं भेज सके।"}},
}

var redPacketTexts = potTexts{
	"pot.opened": {
		phrase{"You sent a red packet of {amount} for {shares}. It can be claimed until {until}.", "आपने {shares} लोगों के लिए {amount} का लिफ़ाफ़ा भेजा। {until} तक लिया जा सकता है।"},
		phrase{"{sender} sent a red packet of {amount} for {shares}. Claim yours until {until}.", "{sender} ने {shares} लोगों के लिए {amount} का लिफ़ाफ़ा भेजा। {until} तक अपना हिस्सा लें।"}},
	"pot.claimed": {
		phrase{"{claimant} got {share} of your red packet: {claimed} of {shares}.", "{claimant} को आपके लिफ़ाफ़े से {share} मिले: {shares} में से {claimed}।"},
		phrase{"{claimant} got {share} of {sender}'s red packet: {claimed} of {shares}.", "{claimant} को {sender} के लिफ़ाफ़े से {share} मिले: {shares} में से {claimed}।"}},
	"pot.claim_failed": {
		phrase{"{claimant} could not be paid {share} of your red packet. They can try again.", "{claimant} को आपके लिफ़ाफ़े से {share} नहीं दिए जा सके। वे फिर कोशिश कर सकते हैं।"},
		phrase{"{claimant} could not be paid {share} of {sender}'s red packet, and can try again.", "{claimant} को {share} नहीं दिए जा सके। वे फिर कोशिश कर सकते हैं।"}},
	"pot.returned": {
		phrase{"{back} of your red packet was not claimed and is back with you.", "आपके लिफ़ाफ़े के {back} किसी ने नहीं लिए, आपको वापस मिल गए।"},
		phrase{"What nobody claimed of {sender}'s red packet went back.", "{sender} के लिफ़ाफ़े का जो हिस्सा किसी ने नहीं लिया, वह लौट गया।"}},
	"pot.closed": {
		phrase{"Your red packet of {amount} is over: {claimed} of {shares} were claimed.", "आपका {amount} का लिफ़ाफ़ा पूरा हुआ: {shares} में से {claimed} हिस्से लिए गए।"},
		phrase{"{sender}'s red packet of {amount} is over: {claimed} of {shares} were claimed.", "{sender} का {amount} का लिफ़ाफ़ा पूरा हुआ: {shares} में से {claimed} हिस्से लिए गए।"}},
	"pot.failed": {
		phrase{"You could not send a red packet of {amount}. No money moved.", "आप {amount} का लिफ़ाफ़ा नहीं भेज सके। कोई पैसा नहीं कटा।"},
		phrase{"{sender} could not send a red packet of {amount}.", "{sender} {amount} का लिफ़ाफ़ा नहीं भेज सके।"}},
}

// potStatuses are the states in Hindi; in English they are potStatus's.
var potStatuses = map[ledger.PotState]string{ledger.PotFunding: "भेजा जा रहा है", ledger.PotOpen: "लिया जा सकता है", ledger.PotClosing: "समय समाप्त", ledger.PotClosed: "पूरा हुआ",
	ledger.PotFailed: "असफल"}

// tellPot shows a pot as it is now, and the share that the event is about.
func tellPot(ctx context.Context, v *viewer, e *feed.Event, r *ledger.Record) (out EventData, err error) {
	p, err := ledger.ReadRecord[ledger.Pot](r)
	if err != nil {
		return out, err
	}
	persons := []ledger.ID{r.Owner}
	share := e.N - 1
	if isOfShare := e.Type == "pot.claimed" || e.Type == "pot.claim_failed"; !isOfShare || share >= len(p.Taken) {
		share = -1
	} else if who := p.Taken[share].Party; who != r.Owner {
		persons = append(persons, who)
	}
	found, err := v.reader.Payable(ctx, persons)
	if err != nil {
		return out, err
	}
	sender := found[r.Owner].Party.Name
	out.Pot = viewOfPot(r, &p, sender, v.see)
	var claimant string
	if share >= 0 {
		claimant = found[p.Taken[share].Party].Party.Name
		out.Claim = claimView(&p, share, claimant, v.see)
	}
	out.Bubble = v.potBubble(e, r, &p, &out, claimant)
	return out, nil
}

func (v *viewer) potBubble(e *feed.Event, r *ledger.Record, p *ledger.Pot, shown *EventData, claimant string) Bubble {
	money := func(minor int64) string { return v.amount(ledger.Amount{Minor: minor, Currency: p.Amount.Currency}) }
	called := func(name string) string {
		if name = v.see.text(name); name == "" {
			return somebody.in(&v.locale)
		}
		return name
	}
	with := []string{"{until}", v.time(p.Expires), "{amount}", v.amount(p.Amount), "{sender}", called(shown.Pot.Sender.Name), "{claimant}", called(claimant), "{phone}", called(masked(shown.Pot.Phone)),
		"{shares}", strconv.Itoa(p.Shares), "{claimed}", strconv.Itoa(len(p.Taken)), "{back}", money(returned(p, e.N))}
	if n := shown.Claim.N; n > 0 {
		with = append(with, "{share}", money(p.Taken[n-1].Amount))
	}
	texts := redPacketTexts
	if p.Type == ledger.Invitation {
		texts = invitationTexts
	}
	state := ledger.PotState(r.State)
	b := Bubble{Amount: v.amount(p.Amount), Status: phrase{potStatus(state, p), potStatuses[state]}.in(&v.locale), Conversation: v.see.text(r.Conversation)}
	forSender, forOthers := potActions(state, p)
	until := int64(0)
	if state == ledger.PotOpen {
		until = p.Expires
	}
	text := texts[e.Type]
	b.ForPayer, b.ForPayee = v.side(text.payer, forSender, until, with...), v.side(text.payee, forOthers, until, with...)
	return b
}

// returned is how much went back by a return, counted from 1.
func returned(p *ledger.Pot, n int) int64 {
	if n < 1 || n > len(p.Returns) {
		return 0
	}
	return p.Returns[n-1].Amount
}

// potActions are what the sender and the others can do now.
func potActions(state ledger.PotState, p *ledger.Pot) (sender, others NextAction) {
	free := len(p.Taken) < p.Shares || slices.ContainsFunc(p.Taken, func(part ledger.PotPart) bool { return part.State == ledger.PartFailed })
	switch {
	case state == ledger.PotOpen && free && p.Type == ledger.Invitation:
		return "cancel", "claim"
	case state == ledger.PotOpen && free:
		return "wait", "claim"
	case state == ledger.PotFailed:
		if action := tries[p.Reason]; action != "" {
			return action, "nothing"
		}
		return "nothing", "nothing"
	case state == ledger.PotClosed:
		return "nothing", "nothing"
	}
	return "wait", "wait"
}
