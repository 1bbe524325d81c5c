package shadow

import "strings"

// The longest names, in bytes.
const (
	MaxThingLen = 128
	MaxNameLen  = 64
)

// A Key names a shadow. Names are case sensitive.
type Key struct {
	Thing string
	Name  string // "" is the classic shadow
}

// String returns the key as error texts have it: "pump-1", or "pump-1~config" for
// the shadow "config" of that thing.
func (k Key) String() string {
	if k.Name == "" {
		return k.Thing
	}
	return k.Thing + "~" + k.Name
}

// Validate returns an [Error] with code 400 unless the thing's name has 1 to 128
// and the shadow's name at most 64 characters of a-z, A-Z, 0-9, ":", "_" and "-";
// shadows' names may have "$" too.
func (k Key) Validate() error {
	if err := checkThing(k.Thing); err != nil {
		return err
	}
	if k.Name != "" {
		return checkName(k.Name)
	}
	return nil
}

func checkThing(s string) error {
	if !isName(s, MaxThingLen, false) {
		return invalid("Invalid thing name: expected 1 to 128 characters of a-z, A-Z, 0-9, ':', '_' and '-'")
	}
	return nil
}

func checkName(s string) error {
	if !isName(s, MaxNameLen, true) {
		return invalid("Invalid shadow name: expected 1 to 64 characters of a-z, A-Z, 0-9, ':', '_', '-' and '$'")
	}
	return nil
}

// isName goes by the patterns of the AWS models: a reserved shadow is called $package.
func isName(s string, longest int, dollar bool) bool {
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if !inNames[s[i]] && (s[i] != '$' || !dollar) {
			return false
		}
	}
	return true
}

// inNames holds the characters of all names.
var inNames = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-" {
		t[c] = true
	}
	return t
}()

// clone returns the key in memory of its own: it may be a part of longer strings.
func (k Key) clone() Key { return Key{strings.Clone(k.Thing), strings.Clone(k.Name)} }
