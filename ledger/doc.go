// Package ledger is the book: its types, its rules, the one pipeline through
// which every change goes, and the interface that a storage engine fulfils.
// It imports no bank rail, no HTTP and no database driver.
//
// A change is a [Command]. Commands from many callers are gathered by the
// [Pipeline] into a batch; the engine loads what the batch declared into a
// [Set]; the commands are applied to it in order by pure functions; the engine
// persists what changed in one transaction; then the callers are answered.
//
// Several nodes may share one book. Each open instruction is driven by one
// [Node]; one that stops beating is fenced, and its instructions are taken over
// ([Beat], [Fence], [TakeOver]). Each node posts to a stripe of its own of the
// accounts that all of them touch ([AccountName.Stripe]).
//
// # Invariants
//
// These hold at every commit. [Verify] checks them from the postings alone.
//
//  1. A posting moves one positive amount from one account to another of the
//     same currency; it is never updated or deleted.
//  2. An account's totals, its number of postings and the balances noted on
//     its postings are what its postings add up to.
//  3. A bounded account was never below zero.
//  4. A leg of a transfer is posted exactly when the bank (or the wallet)
//     confirmed it, between the accounts and for the amount of the transfer.
//  5. transit, the sum of its stripes, holds exactly what is debited and neither credited nor returned.
//  6. A transfer has at most one open instruction, and has one exactly when
//     its state waits for a bank.
//  7. A transfer's history starts at pending, follows the table of states, and
//     its last line is the transfer's state.
//  8. Each fact that the log tells of (see [LeafKind]) stands in it once, as a leaf
//     that was committed with it; a leaf that has its place in the tree keeps it.
//  9. The times of an account's postings never decrease, so that its balance at a
//     past instant can be looked up.
//  10. A pot holds what came into it, less what went out and what is on its way out, each part
//     as its record says; one that is closed is empty, and nothing is on its way. Nobody has
//     two shares of it, and each share is what was committed to.
//  11. An ask of a request for money is paid exactly when a transfer of its amount,
//     made by its party for it, has completed; and that is one transfer at most.
//  12. The refunds of a payment that reached its payer, or may yet, are no more than it was
//     of, go back the way it came, and are what its record says.
//  13. What is held has a record that falls due when its time is over; nothing else has one.
package ledger
