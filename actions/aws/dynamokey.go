package aws

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// keyOf returns a text that is the same for items of the same key. Without fields it is
// empty.
func keyOf(item map[string]types.AttributeValue, fields []string) string {
	var b []byte
	for _, f := range fields {
		switch v := item[f].(type) {
		case *types.AttributeValueMemberS:
			b = append(strconv.AppendQuote(append(b, 'S'), v.Value), ' ')
		case *types.AttributeValueMemberN:
			n, _ := canonical(v.Value)
			b = append(append(append(b, 'N'), n...), ' ')
		case *types.AttributeValueMemberB:
			b = append(strconv.AppendQuote(append(b, 'B'), string(v.Value)), ' ')
		default:
			b = append(b, '?', ' ')
		}
	}
	return string(b)
}

// canonical returns the text that all writings of a decimal number have in common, such
// as 12e-1 for 1.2, 1.20 and 120e-2, and whether it is one.
func canonical(number string) (string, bool) {
	rest, negative := number, false
	switch {
	case strings.HasPrefix(rest, "-"):
		rest, negative = rest[1:], true
	case strings.HasPrefix(rest, "+"):
		rest = rest[1:]
	}
	exponent := 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		e, err := strconv.ParseInt(rest[i+1:], 10, 32)
		if err != nil {
			return number, false
		}
		rest, exponent = rest[:i], int(e)
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return number, false
	}
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	trimmed = strings.TrimLeft(trimmed, "0")
	if trimmed == "" {
		return "0", true
	}
	if negative {
		trimmed = "-" + trimmed
	}
	return trimmed + "e" + strconv.Itoa(exponent), true
}
