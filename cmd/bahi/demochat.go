package main

import (
	"context"
	"fmt"

	"bahi/api/client"
)

// What people do in the demo's conversation beside paying: each is a line's do.

// invites is a line that sends money to a phone that nobody has registered.
func invites(from, phone, value, note string) func(context.Context, *scene) (demoTransfer, error) {
	to := client.ByPhone(phone)
	to.Invite = true
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		t, err := pays(from, to, value, note)(ctx, s)
		s.pot = s.last.Cause.ID
		return t, err
	}
}

// registers is a line in which somebody new opens a wallet, links the phone and takes what is waiting for it.
func registers(handle, name, phone string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		p, err := s.chat.OpenParty(ctx, client.OpenPartyParams{}, client.NewParty{Name: name, Kind: client.PartyKindPerson})
		if err != nil {
			return demoTransfer{}, err
		}
		s.ids[handle] = p.ID
		for _, in := range []client.NewInstrument{{Kind: client.InstrumentKindPhone, Phone: phone}, {Kind: client.InstrumentKindWallet}} {
			if _, err := s.chat.LinkInstrument(ctx, p.ID, client.LinkInstrumentParams{}, in); err != nil {
				return demoTransfer{}, err
			}
		}
		return claims(handle)(ctx, s)
	}
}

// claims is a line that takes a share of what was put aside last.
func claims(who string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		c, err := s.chat.ClaimPot(ctx, s.pot, client.ClaimPotParams{IdempotencyKey: s.key()}, client.NewClaim{Party: s.ids[who]})
		t, err := s.shown(ctx, c.Transfer, err)
		t.status = c.Transfer.Amount.Value + ": " + t.status
		return t, err
	}
}

// redPacket is a line that puts a sum aside for the conversation.
func redPacket(from, value string, shares int) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		p, err := s.chat.CreateRedPacket(ctx, client.CreateRedPacketParams{IdempotencyKey: s.key()},
			client.NewRedPacket{Payer: client.ByWallet(s.ids[from]), Amount: client.INR(value), Shares: shares, Conversation: goa})
		s.pot = p.ID
		return demoTransfer{ID: p.ID, State: string(p.State), status: fmt.Sprintf("%d shares, fixed by the commitment %.12s…", p.Shares, p.Commitment)}, err
	}
}

// splits is a line that asks others for their part of a bill, an equal one each.
func splits(who, total, note string, others ...string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		split := &client.Split{Total: client.INR(total), IncludeRequester: true}
		for _, other := range others {
			split.Parts = append(split.Parts, client.SplitPart{Payer: client.ByParty(s.ids[other])})
		}
		r, err := s.chat.AskMoney(ctx, client.AskMoneyParams{IdempotencyKey: s.key()},
			client.NewMoneyRequest{Requester: client.ByParty(s.ids[who]), Split: split, Note: note, Conversation: goa})
		s.request = r.ID
		return asked(r), err
	}
}

func asked(r client.MoneyRequest) demoTransfer {
	return demoTransfer{ID: r.ID, State: string(r.State), status: fmt.Sprintf("%s paid, %s open", r.Paid.Value, r.Open.Value)}
}

// paysAsk is a line that pays what one was asked for.
func paysAsk(who string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		t, err := s.chat.PayRequest(ctx, s.request, client.PayRequestParams{IdempotencyKey: s.key()}, client.RequestPayment{Payer: client.ByParty(s.ids[who])})
		return s.shown(ctx, t, err)
	}
}

// declines is a line that refuses to pay it.
func declines(who string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		r, err := s.chat.DeclineRequest(ctx, s.request, client.DeclineRequestParams{IdempotencyKey: s.key()}, client.Decline{Party: s.ids[who]})
		return asked(r), err
	}
}

// reminds is a line that asks again.
func reminds(ctx context.Context, s *scene) (demoTransfer, error) {
	r, err := s.chat.RemindRequest(ctx, s.request, client.RemindRequestParams{IdempotencyKey: s.key()}, client.AskChoice{})
	return asked(r), err
}

// refunds is a line that gives back a part of a payment to a shop.
func refunds(value string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		amount := client.INR(value)
		t, err := s.chat.RefundTransfer(ctx, s.shop, client.RefundTransferParams{IdempotencyKey: s.key()}, client.NewRefund{Amount: &amount})
		return s.shown(ctx, t, err)
	}
}

// cancels is a line that takes the payment before back.
func cancels(ctx context.Context, s *scene) (demoTransfer, error) {
	t, err := s.chat.CancelTransfer(ctx, s.last.ID, client.CancelTransferParams{IdempotencyKey: s.key()})
	got, err := s.shown(ctx, t, err)
	got.again = true // of the same transfer
	return got, err
}

// stops is a line that stops, or starts again, whatever somebody pays.
func stops(who string, stop bool) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		if stop {
			_, err := s.chat.StopPayments(ctx, s.ids[who], client.StopPaymentsParams{IdempotencyKey: s.key()})
			return demoTransfer{ID: s.ids[who], State: "stopped", status: "nothing leaves any more"}, err
		}
		_, err := s.chat.StartPayments(ctx, s.ids[who], client.StartPaymentsParams{IdempotencyKey: s.key()})
		return demoTransfer{ID: s.ids[who], State: "started", status: "payments are made again"}, err
	}
}

// schedules is a line that pays on a day of every month.
func schedules(from, to, value string, day int) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		amount := client.INR(value)
		q, err := s.chat.CreateSchedule(ctx, client.CreateScheduleParams{IdempotencyKey: s.key()},
			client.NewSchedule{Payer: client.ByParty(s.ids[from]), Payee: client.ByParty(s.ids[to]), Amount: &amount, Every: client.Rhythm{Month: &day}, Time: "09:00", Conversation: goa})
		t := demoTransfer{ID: q.ID, State: string(q.State)}
		if err == nil {
			t.status = "next on " + q.Next[0].At.Format("2 January 2006")
		}
		return t, err
	}
}

// told is a line that shows what the chat backend was told of last, as its bubble says it.
func told(ctx context.Context, s *scene) (demoTransfer, error) {
	var last client.AppEvent
	for after := int64(0); ; {
		page, err := s.chat.ListEvents(ctx, client.ListEventsParams{After: after, Limit: 200, Wait: 1, Types: "transfer.completed"})
		if err != nil {
			return demoTransfer{}, err
		}
		if len(page.Data) == 0 {
			break
		}
		last = page.Data[len(page.Data)-1]
		after = page.NextAfter
	}
	return demoTransfer{ID: last.ID, State: last.Type, status: last.Data.Bubble.ForPayer.Text}, nil
}
