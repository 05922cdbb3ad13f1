package client

import "context"

// Ways to name who pays and who is paid.

// ByParty names a party by its id; its default account pays or is paid.
func ByParty(id string) Address { return Address{Party: &id} }

// ByWallet names a party's wallet.
func ByWallet(party string) Address { return Address{Wallet: &party} }

// ByInstrument names one account of a party.
func ByInstrument(id string) Address { return Address{Instrument: &id} }

// ByPhone names who has a phone, in E.164.
func ByPhone(phone string) Address { return Address{Phone: &phone} }

// ByHandle names who has a handle in the app.
func ByHandle(handle string) Address { return Address{Handle: &handle} }

// ByUPI names whoever a UPI id leads to.
func ByUPI(id string) Address { return Address{UPI: &id} }

// ByLink names whom a upi://pay link, or the QR code that shows it, asks to pay.
func ByLink(link string) Address { return Address{Link: &link} }

// INR is an amount of rupees, such as "250.00".
func INR(value string) Money { return Money{Value: value, Currency: "INR"} }

// Waits says whether the transfer waits for a bank, so that its state will change soon.
func (t *Transfer) Waits() bool {
	return t.State == TransferStatePending || t.State == TransferStateDebited || t.State == TransferStateReversing
}

// longPoll is for how many seconds the server is asked to wait.
const longPoll = 20

// Await waits until a transfer waits for no bank any more.
func (c *Client) Await(ctx context.Context, t Transfer) (Transfer, error) {
	for t.Waits() {
		now, err := c.GetTransfer(ctx, t.ID, GetTransferParams{Wait: longPoll})
		if err != nil {
			return t, err
		}
		t = now.Transfer
	}
	return t, nil
}
