package policy

import "strings"

// family is what a condition operator compares.
type family uint8

const (
	stringFamily family = iota
	foldFamily          // strings without case
	likeFamily          // strings with wildcards
	numericFamily
	dateFamily
	boolFamily
	binaryFamily
	ipFamily
	arnFamily
	nullFamily
)

// relation is what must hold between the request's value and the policy's.
type relation uint8

const (
	equal relation = iota
	less
	lessOrEqual
	greater
	greaterOrEqual
)

// quantifier says how many values of a key must match.
type quantifier uint8

const (
	plain  quantifier = iota // one of them
	forAll                   // each of them, and so none
	forAny                   // one of them
)

type operator struct {
	name     string // as written
	family   family
	relation relation
	negated  bool
	ifExists bool
	set      quantifier
}

// operators are the names without qualifier and suffix.
var operators = map[string]operator{
	"StringEquals":              {family: stringFamily},
	"StringNotEquals":           {family: stringFamily, negated: true},
	"StringEqualsIgnoreCase":    {family: foldFamily},
	"StringNotEqualsIgnoreCase": {family: foldFamily, negated: true},
	"StringLike":                {family: likeFamily},
	"StringNotLike":             {family: likeFamily, negated: true},
	"NumericEquals":             {family: numericFamily},
	"NumericNotEquals":          {family: numericFamily, negated: true},
	"NumericLessThan":           {family: numericFamily, relation: less},
	"NumericLessThanEquals":     {family: numericFamily, relation: lessOrEqual},
	"NumericGreaterThan":        {family: numericFamily, relation: greater},
	"NumericGreaterThanEquals":  {family: numericFamily, relation: greaterOrEqual},
	"DateEquals":                {family: dateFamily},
	"DateNotEquals":             {family: dateFamily, negated: true},
	"DateLessThan":              {family: dateFamily, relation: less},
	"DateLessThanEquals":        {family: dateFamily, relation: lessOrEqual},
	"DateGreaterThan":           {family: dateFamily, relation: greater},
	"DateGreaterThanEquals":     {family: dateFamily, relation: greaterOrEqual},
	"Bool":                      {family: boolFamily},
	"BinaryEquals":              {family: binaryFamily},
	"IpAddress":                 {family: ipFamily},
	"NotIpAddress":              {family: ipFamily, negated: true},
	"ArnEquals":                 {family: arnFamily},
	"ArnLike":                   {family: arnFamily},
	"ArnNotEquals":              {family: arnFamily, negated: true},
	"ArnNotLike":                {family: arnFamily, negated: true},
	"Null":                      {family: nullFamily},
}

// parseOperator reads the name of an operator, or says what was expected.
func parseOperator(name string) (op operator, expected string) {
	base, set := name, plain
	if q, rest, found := strings.Cut(name, ":"); found {
		switch q {
		case "ForAllValues":
			set = forAll
		case "ForAnyValue":
			set = forAny
		default:
			return operator{}, "ForAllValues: or ForAnyValue: before the operator, or nothing"
		}
		base = rest
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	op, found := operators[base]
	if !found {
		return operator{}, "an operator of IAM such as StringEquals, with its exact spelling"
	}
	if op.family == nullFamily && (ifExists || set != plain) {
		return operator{}, "Null without ForAllValues:, ForAnyValue: and IfExists"
	}
	op.name, op.set, op.ifExists = name, set, ifExists
	return op, ""
}

// wildcards reports whether * and ? in a value are wildcards.
func (o *operator) wildcards() bool { return o.family == likeFamily || o.family == arnFamily }

// holds turns the order of two values (negative, zero, positive) into an answer.
func (o *operator) holds(order int) bool {
	switch o.relation {
	case less:
		return order < 0
	case lessOrEqual:
		return order <= 0
	case greater:
		return order > 0
	case greaterOrEqual:
		return order >= 0
	default:
		return order == 0
	}
}
