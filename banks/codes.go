package banks

// Class says whose fault it is that a bank declined.
type Class uint8

// The classes.
const (
	Business  Class = iota + 1 // the customer's: funds, limits, a wrong PIN
	Technical                  // the bank's or the network's
)

// Side is the bank that a response code is used by.
type Side uint8

// The sides.
const (
	EitherSide  Side = iota
	Remitter         // the payer's bank
	Beneficiary      // the payee's bank
)

// ResponseCode is one of UPI's codes for an answer that is not "approved".
type ResponseCode struct {
	Meaning string
	Class   Class
	Side    Side
}

// ResponseCodes are UPI's response codes that tell a cause. U29, U30 and U31 tell
// none: the code beside them does.
var ResponseCodes = map[string]ResponseCode{
	"Z9":  {"insufficient funds", Business, Remitter},
	"Z8":  {"limit of one transfer", Business, Remitter},
	"Z7":  {"limit of the number of transfers", Business, Remitter},
	"ZU":  {"limit of the bank", Business, Remitter},
	"ZM":  {"wrong PIN", Business, Remitter},
	"Z6":  {"too many wrong PINs", Business, Remitter},
	"K1":  {"suspected fraud", Business, Remitter},
	"59":  {"suspected fraud", Business, Remitter},
	"ZI":  {"suspected fraud", Business, Beneficiary},
	"XB":  {"declined", Business, Remitter},
	"XC":  {"declined", Business, Beneficiary},
	"XH":  {"no such account", Business, Remitter},
	"XI":  {"no such account", Business, Beneficiary},
	"YE":  {"account frozen", Business, Remitter},
	"YF":  {"account frozen", Business, Beneficiary},
	"ZX":  {"account dormant", Business, Remitter},
	"ZY":  {"account dormant", Business, Beneficiary},
	"DT":  {"RRN used before", Business, Remitter},
	"DF":  {"RRN used before", Business, Beneficiary},
	"FL":  {"new user: above the limit of the first day", Business, Remitter},
	"FP":  {"new user: in the cool-down", Business, Remitter},
	"ZA":  {"declined by the payer", Business, EitherSide},
	"ZH":  {"bad address", Business, EitherSide},
	"ZG":  {"restricted", Business, EitherSide},
	"ZE":  {"barred", Business, EitherSide},
	"UX":  {"expired", Business, EitherSide},
	"U16": {"risk threshold", Business, EitherSide},
	"U69": {"request expired", Business, EitherSide},

	"XY":  {"core system offline", Technical, Remitter},
	"Y1":  {"core system offline", Technical, Beneficiary},
	"XT":  {"cut-off in progress", Technical, Remitter},
	"XU":  {"cut-off in progress", Technical, Beneficiary},
	"U28": {"bank unavailable", Technical, EitherSide},
	"U67": {"debit timed out", Technical, Remitter},
	"U68": {"credit timed out", Technical, Beneficiary},
	"U70": {"the answer came too late", Technical, EitherSide},
	"U01": {"duplicate", Technical, EitherSide},
	"UT":  {"time-out", Technical, Remitter},
	"BT":  {"time-out", Technical, Beneficiary},
	"RB":  {"time-out of the credit's reversal", Technical, Beneficiary},
	"RR":  {"time-out of the debit's reversal", Technical, Remitter},
	"RP":  {"partial time-out", Technical, EitherSide},
	"96":  {"system malfunction", Technical, EitherSide},
}

// ClassOf is the class of a decline. A code that UPI does not list is the bank's
// own, for a refusal of its own: no sign that something is broken.
func ClassOf(code string) Class {
	if c, ok := ResponseCodes[code]; ok {
		return c.Class
	}
	return Business
}
