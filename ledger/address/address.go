// Package address reads what people and QR codes name a payee by: a phone, a
// handle, a UPI id, a bank account, a payment link. Each function takes the
// text as it was typed and returns its one normal form, under which it is
// stored and looked up; reading a normal form again gives the same. What is not
// certainly well-formed is an error. Errors never quote the text, so that they
// may be logged.
package address

import (
	"errors"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Why a text is not an address.
var (
	ErrPhone         = errors.New(`not a phone number in international form such as "+919876543210"`)
	ErrHandle        = errors.New(`not a handle: 2 to 32 of a-z, 0-9, point, hyphen and underscore, such as "asha.rao"`)
	ErrUPI           = errors.New(`not a UPI id such as "asha@okbank"`)
	ErrIFSC          = errors.New(`not an IFSC: four letters, a zero and six letters or digits, such as "SBIN0001234"`)
	ErrAccountNumber = errors.New("not an account number: 9 to 18 digits")
)

// Bounds of the grammars, in bytes. All but text is ASCII.
const (
	minPhone, maxPhone     = 8, 16 // with the "+": E.164 has at most 15 digits
	minHandle, maxHandle   = 2, 32
	minUPIName, maxUPI     = 2, 255 // a whole UPI id; the grammar's 256 for the name alone never applies
	minUPIBank, maxUPIBank = 2, 64
	ifscLength             = 11
	minAccount, maxAccount = 9, 18
)

// Phone reads a phone number in E.164 form, "+919876543210", and returns it. The
// digits must be a number that the country's numbering plan has. Spaces,
// hyphens, extensions and a national prefix (the 0 of "+91 0…") are refused: a
// number has one spelling. The error is [ErrPhone].
func Phone(s string) (e164 string, err error) {
	if len(s) < minPhone || len(s) > maxPhone || s[0] != '+' || !all(s[1:], isDigit) {
		return "", ErrPhone
	}
	if !inNumberingPlan(s[1:]) {
		return "", ErrPhone
	}
	return s, nil
}

// inNumberingPlan says whether the digits are a country's calling code and a
// number that the country has given out. The library's own parser is not asked: it takes
// "1-800-FLOWERS" and national prefixes too, and takes twice as long.
func inNumberingPlan(digits string) bool {
	for n := 1; n <= 3; n++ { // no calling code is the beginning of another
		code, _ := strconv.Atoi(digits[:n])
		if digits[0] != '0' && phonenumbers.GetRegionCodeForCountryCode(code) != phonenumbers.UNKNOWN_REGION {
			return phonenumbers.IsValidNumber(phoneNumber(code, digits[n:]))
		}
	}
	return false
}

// phoneNumber is the library's form of a number: the leading zeros of national are counted apart.
func phoneNumber(code int, national string) *phonenumbers.PhoneNumber {
	value, _ := strconv.ParseUint(national, 10, 64) // digits only, and too few to overflow
	number := &phonenumbers.PhoneNumber{CountryCode: new(int32(code)), NationalNumber: new(value)}
	zeros := 0 // a last zero counts as the value
	for zeros < len(national)-1 && national[zeros] == '0' {
		zeros++
	}
	if zeros > 0 {
		number.ItalianLeadingZero = new(true)
		number.NumberOfLeadingZeros = new(int32(zeros))
	}
	return number
}

// Handle reads a handle such as "@Asha.Rao" and returns it in lower case without
// the "@": "asha.rao". The error is [ErrHandle].
func Handle(s string) (string, error) {
	s = strings.TrimPrefix(s, "@")
	if len(s) < minHandle || len(s) > maxHandle || !all(s, isNameByte) {
		return "", ErrHandle
	}
	return strings.ToLower(s), nil
}

// UPI reads a UPI id (virtual payment address) such as "Asha.Rao@OkBank" and
// returns it in lower case. The error is [ErrUPI].
func UPI(s string) (string, error) {
	name, bank, found := strings.Cut(s, "@")
	if !found || len(s) > maxUPI || len(name) < minUPIName || len(bank) < minUPIBank || len(bank) > maxUPIBank {
		return "", ErrUPI
	}
	if !all(name, isNameByte) || !all(bank, isLetter) {
		return "", ErrUPI
	}
	return strings.ToLower(s), nil
}

// IFSC reads the code of a bank's branch such as "SBIN0001234" and returns it in
// capitals. The error is [ErrIFSC].
func IFSC(s string) (string, error) {
	if len(s) != ifscLength || !all(s[:4], isLetter) || s[4] != '0' || !all(s[5:], isLetterOrDigit) {
		return "", ErrIFSC
	}
	return strings.ToUpper(s), nil
}

// AccountNumber reads an account's number at its bank and returns it. Leading
// zeros belong to it. The error is [ErrAccountNumber].
func AccountNumber(s string) (string, error) {
	if len(s) < minAccount || len(s) > maxAccount || !all(s, isDigit) {
		return "", ErrAccountNumber
	}
	return s, nil
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') }

func isLetterOrDigit(c byte) bool { return isLetter(c) || isDigit(c) }

// isNameByte says whether c may stand in a handle or before the "@" of a UPI id.
func isNameByte(c byte) bool { return isLetterOrDigit(c) || c == '.' || c == '_' || c == '-' }
