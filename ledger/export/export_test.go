package export

// AppendDecimal is for the tests.
var AppendDecimal = appendDecimal
