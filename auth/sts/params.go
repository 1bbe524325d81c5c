package sts

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// params are the parameters of a request, each once.
type params map[string]string

// readParams reads a form. A parameter that comes twice is refused: readers disagree about
// which of them counts.
func readParams(body string) (params, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, failure{http.StatusBadRequest, "MalformedQueryString", "the body is no form"}
	}
	p := params{}
	for name, values := range form {
		if len(values) != 1 {
			return nil, failure{http.StatusBadRequest, "InvalidParameterCombination", "the parameter " + shorten(name) + " is there more than once"}
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, failure{http.StatusBadRequest, "MalformedQueryString", "the body is not UTF-8"}
		}
		p[name] = values[0]
	}
	return p, nil
}

// policyMembers stands for the parameters of a list of policies.
const policyMembers = "PolicyArns.member.*.arn"

// check refuses parameters that an operation does not know.
func (p params) check(known []string) error {
	for name := range p {
		if name == "Action" || name == "Version" || slices.Contains(known, name) {
			continue
		}
		if _, ok := policyIndex(name); ok && slices.Contains(known, policyMembers) {
			continue
		}
		return fault(ErrInvalid, "The parameter %s is not supported here", shorten(name))
	}
	return nil
}

// policyIndex is the number in PolicyArns.member.1.arn.
func policyIndex(name string) (int, bool) {
	rest, found := strings.CutPrefix(name, "PolicyArns.member.")
	number, suffix := strings.CutSuffix(rest, ".arn")
	n, err := strconv.Atoi(number)
	return n, found && suffix && err == nil && n >= 1 && strconv.Itoa(n) == number
}

// policyARNs are the policies of a request, in the order of their numbers, which begin with
// 1 and have no gaps.
func (p params) policyARNs() ([]string, error) {
	var all []string
	count := 0
	for name := range p {
		if _, ok := policyIndex(name); ok {
			count++
		}
	}
	for i := range count {
		arn, there := p["PolicyArns.member."+strconv.Itoa(i+1)+".arn"]
		if !there || arn == "" {
			return nil, invalid("policyArns."+strconv.Itoa(i+1)+".member.arn", arn, "Member must be the ARN of a policy, and the numbers must begin with 1 and have no gaps")
		}
		all = append(all, arn)
	}
	return all, nil
}

// duration is 0 if it is not there.
func (p params) duration() (time.Duration, error) {
	text, there := p["DurationSeconds"]
	if !there {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 900 || n > 43200 {
		return 0, invalid("durationSeconds", text, "Member must have value between 900 and 43200")
	}
	return time.Duration(n) * time.Second, nil
}
