package shadow

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
// and the shadow's name at most 64 characters of a-z, A-Z, 0-9, ":", "_" and "-".
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
	if !isName(s, MaxThingLen) {
		return invalid("Invalid thing name: expected 1 to 128 characters of a-z, A-Z, 0-9, ':', '_' and '-'")
	}
	return nil
}

func checkName(s string) error {
	if !isName(s, MaxNameLen) {
		return invalid("Invalid shadow name: expected 1 to 64 characters of a-z, A-Z, 0-9, ':', '_' and '-'")
	}
	return nil
}

func isName(s string, longest int) bool {
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > ':') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
