package clickhouse

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/internal/post"
)

// Codes of exceptions. They are the same in all versions; the status of an answer is not:
// most were 500 once.
const (
	badArguments    = 36
	logicalError    = 49
	unknownSetting  = 115
	tooManyParts    = 252
	exceptionHeader = "X-Clickhouse-Exception-Code"
)

// aboutRows are the codes of exceptions that a row is to blame for.
var aboutRows = map[int]bool{
	6:   true, // CANNOT_PARSE_TEXT
	25:  true, // CANNOT_PARSE_ESCAPE_SEQUENCE
	26:  true, // CANNOT_PARSE_QUOTED_STRING
	27:  true, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
	33:  true, // CANNOT_READ_ALL_DATA
	38:  true, // CANNOT_PARSE_DATE
	41:  true, // CANNOT_PARSE_DATETIME
	53:  true, // TYPE_MISMATCH
	69:  true, // ARGUMENT_OUT_OF_BOUND
	70:  true, // CANNOT_CONVERT_TYPE
	72:  true, // CANNOT_PARSE_NUMBER
	117: true, // INCORRECT_DATA
	128: true, // TOO_LARGE_ARRAY_SIZE
	130: true, // CANNOT_READ_ARRAY_FROM_TEXT
	131: true, // TOO_LARGE_STRING_SIZE
	190: true, // SIZES_OF_ARRAYS_DONT_MATCH
	321: true, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	349: true, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
	376: true, // CANNOT_PARSE_UUID
	395: true, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
	407: true, // DECIMAL_OVERFLOW
	441: true, // CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING
	467: true, // CANNOT_PARSE_BOOL
	469: true, // VIOLATED_CONSTRAINT
	675: true, // CANNOT_PARSE_IPV4
	676: true, // CANNOT_PARSE_IPV6
	691: true, // UNKNOWN_ELEMENT_OF_ENUM
}

// aboutTable are the codes of exceptions that the rule's table or columns are to blame for.
var aboutTable = map[int]bool{
	16:  true, // NO_SUCH_COLUMN_IN_TABLE
	47:  true, // UNKNOWN_IDENTIFIER
	60:  true, // UNKNOWN_TABLE
	81:  true, // UNKNOWN_DATABASE
	497: true, // ACCESS_DENIED
}

// judge makes an error of what the server said.
func judge(a *post.Answer) error {
	code := codeOf(a)
	if a.Status/100 == 2 && code == 0 {
		return nil
	}
	err := errors.New("clickhouse: the server answered " + a.Shown(a.Text))
	if refused(a, code) {
		return actions.Permanent(err)
	}
	if aboutTable[code] {
		return actions.SinkWorks(err) // people mend that; other tables have no reason to wait
	}
	// What else may be wrong, a login, people mend too.
	return err
}

// refused reports whether some row is why the server refused all of them.
func refused(a *post.Answer, code int) bool {
	switch code {
	case 0:
		// What stands before the server may have its own bound.
		return a.Status == http.StatusRequestEntityTooLarge
	case badArguments, logicalError:
		// Once they were the codes for this.
		return strings.Contains(a.Text, "Unknown element")
	case tooManyParts:
		// Fewer rows are in fewer partitions. Otherwise merges do not keep up, which passes.
		return strings.Contains(a.Text, "Too many partitions")
	}
	return aboutRows[code]
}

// codeOf returns the code of the exception, 0 if there is none: newer servers have it in a
// header, older ones only in the text, "Code: 27, e.displayText() = ...".
func codeOf(a *post.Answer) int {
	text := a.Header.Get(exceptionHeader)
	if text == "" && a.Status/100 != 2 {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(a.Text), "Code: "); ok {
			text = rest[:strings.IndexFunc(rest+".", func(r rune) bool { return r < '0' || r > '9' })]
		}
	}
	code, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return code
}
