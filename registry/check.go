package registry

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The forms of names and values, as the AWS API states them.
const (
	maxName        = 128
	maxDescription = 2028
	maxAttrValue   = 800
	maxTagKey      = 128
	maxTagValue    = 256
	maxPrincipal   = 2048

	maxMetricDescription = 1024

	namePattern      = "[a-zA-Z0-9:_-]+"
	attrNamePattern  = `[a-zA-Z0-9_.,@/:#-]+`
	attrValuePattern = `[a-zA-Z0-9_.,@/:#=\[\]-]*`
	textPattern      = `[\p{Graph}\x20]*`
	tagKeyPattern    = `^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`
	userPropPattern  = `[a-zA-Z0-9:$.]+`
	connAttrPattern  = `[a-zA-Z0-9:.]+`
	shadowPattern    = `[$a-zA-Z0-9:_-]+`

	metricPattern      = `[a-zA-Z0-9_\-\.]+`
	metricValuePattern = `[a-zA-Z0-9]+`
)

// alphabet is a set of ASCII characters.
type alphabet [2]uint64

func newAlphabet(more string) (a alphabet) {
	for c := range byte(128) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(more, c) >= 0 {
			a[c/64] |= 1 << (c % 64)
		}
	}
	return a
}

func (a *alphabet) holds(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 128 || a[c/64]&(1<<(c%64)) == 0 {
			return false
		}
	}
	return true
}

var (
	nameChars      = newAlphabet(":_-")
	attrNameChars  = newAlphabet("_.,@/:#-")
	attrValueChars = newAlphabet("_.,@/:#=[]-")
	userPropChars  = newAlphabet(":$.")
	connAttrChars  = newAlphabet(":.")
	shadowChars    = newAlphabet("$:_-")

	metricChars      = newAlphabet("_-.")
	metricValueChars = newAlphabet("")
)

// checkText checks length in characters, and the alphabet.
func checkText(field, s string, least, most int, chars *alphabet, pattern string) error {
	if n := utf8.RuneCountInString(s); n > most {
		return invalid(field, s, "Member must have length less than or equal to "+strconv.Itoa(most))
	} else if n < least {
		return invalid(field, s, "Member must have length greater than or equal to "+strconv.Itoa(least))
	}
	if chars != nil && !chars.holds(s) {
		return invalid(field, s, "Member must satisfy regular expression pattern: "+pattern)
	}
	return nil
}

// checkName checks the name of a thing, type or group.
func checkName(field, name string) error {
	return checkText(field, name, 1, maxName, &nameChars, namePattern)
}

// checkOptionalName lets an empty name pass, which stands for none.
func checkOptionalName(field, name string) error {
	if name == "" {
		return nil
	}
	return checkName(field, name)
}

func checkDescription(field, s string) error { return checkPrintable(field, s, maxDescription) }

// checkPrintable checks text for people: anything that can be seen, and blanks.
func checkPrintable(field, s string, most int) error {
	if err := checkText(field, s, 0, most, nil, ""); err != nil {
		return err
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r) }) {
		return invalid(field, s, "Member must satisfy regular expression pattern: "+textPattern)
	}
	return nil
}

// checkAttributes checks the form of attributes; empty values may be among them.
func checkAttributes(attributes map[string]string) error {
	for _, k := range sortedKeys(attributes) {
		if err := checkText("attributePayload.attributes.member.key", k, 1, maxName, &attrNameChars, attrNamePattern); err != nil {
			return err
		}
		if err := checkText("attributePayload.attributes."+k+".member", attributes[k], 0, maxAttrValue, &attrValueChars, attrValuePattern); err != nil {
			return err
		}
	}
	return nil
}

// checkAttributeLimits checks how many attributes there are and how large they are.
func checkAttributeLimits(what, name string, attributes map[string]string, count, bytes int) error {
	if over(len(attributes), count) {
		return refused("%s %s would have %d attributes, at most %d are allowed", what, name, len(attributes), count)
	}
	size := 0
	for k, v := range attributes {
		size += len(k) + len(v)
	}
	if over(size, bytes) {
		return refused("The attributes of %s %s would have %d bytes, at most %d are allowed", what, name, size, bytes)
	}
	return nil
}

// applyAttributes returns what old becomes: changes merged into it or put in its
// place. An empty value removes. The result is nil when nothing is left.
func applyAttributes(old, changes map[string]string, merge bool) map[string]string {
	if changes == nil {
		return old
	}
	result := make(map[string]string, len(old)+len(changes))
	if merge {
		for k, v := range old {
			result[k] = v
		}
	}
	for k, v := range changes {
		if v == "" {
			delete(result, k)
		} else {
			result[k] = v
		}
	}
	if len(result) == 0 {
		return nil
	}
	return result
}

// checkTags checks the form of tags.
func checkTags(tags map[string]string) error {
	for _, k := range sortedKeys(tags) {
		if err := checkTagKey(k); err != nil {
			return err
		}
		if err := checkText("tags.member.value", tags[k], 0, maxTagValue, nil, ""); err != nil {
			return err
		}
		if !utf8.ValidString(tags[k]) {
			return invalid("tags.member.value", tags[k], "Member must be UTF-8 text")
		}
	}
	return nil
}

func checkTagKey(k string) error {
	if err := checkText("tags.member.key", k, 1, maxTagKey, nil, ""); err != nil {
		return err
	}
	if !utf8.ValidString(k) || strings.ContainsFunc(k, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	}) {
		return invalid("tags.member.key", k, "Member must satisfy regular expression pattern: "+tagKeyPattern)
	}
	if len(k) >= 4 && strings.EqualFold(k[:4], "aws:") {
		return invalid("tags.member.key", k, "Member must not begin with aws:, which is reserved")
	}
	return nil
}

// checkPrincipal takes any name of a principal: what it means is not the registry's
// affair.
func checkPrincipal(principal string) error {
	if err := checkText("principal", principal, 1, maxPrincipal, nil, ""); err != nil {
		return err
	}
	if !utf8.ValidString(principal) || strings.ContainsFunc(principal, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return invalid("principal", principal, "Member must be the name of a certificate or identity, without blanks")
	}
	return nil
}

// checkEnum checks that value is one of those allowed.
func checkEnum(field, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return invalid(field, value, fmt.Sprintf("Member must satisfy enum value set: [%s]", strings.Join(allowed, ", ")))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
