// Package report makes the reports of a book: trial balance, an account's balance,
// the general ledger, statements of a party and of a bank, transfers by state and
// age. Each is of a past instant or of a period, is made while it is written, and
// is the same in every format.
//
// # What an instant means
//
// A report at an instant tells of all postings whose time is at or before it. The
// times of an account's postings never decrease, so that a binary search over its
// statement finds the last one of them, and that one says the balance: nothing is
// replayed. A period holds the postings from its first instant to its last one,
// both included.
//
// A report tells of what was committed when it began. What happened within the last
// seconds may still be on its way into the book, with the time at which its node
// began to write it; a report of an older instant is the same whenever it is made.
//
// # What a trial balance shows
//
// Each account's closing balance, debits less credits, stands in the debit column
// or in the credit column, and the columns add up to the same. Of a period it shows
// the opening balance too, and what was debited and credited in between. The parts
// (stripes) of an account that nodes share are summed, unless they are asked for.
//
// No report holds personal data: people are named by their ids.
package report
