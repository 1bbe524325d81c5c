package policy

// Effect is what a statement does where it applies.
type Effect uint8

// The two effects.
const (
	Allow Effect = iota
	Deny

	effects = 2
)

// String returns "Allow" or "Deny".
func (e Effect) String() string {
	if e == Deny {
		return "Deny"
	}
	return "Allow"
}

// The versions of the language. Variables exist in the newer one only, and a document
// without Version is of the older one.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// A Document is a policy that was read and found well formed. It is never modified and
// may be shared.
type Document struct {
	text       string
	version    string // as written, empty if absent
	trust      bool   // of a role: it names principals and no resources
	statements []rawStatement
}

// A rawStatement is a statement as it was written.
type rawStatement struct {
	sid         string
	effect      Effect
	notAction   bool
	actions     []string
	notResource bool
	resources   []string
	principals  []Principal
	conditions  []rawCondition
	empty       []string // paths of conditions and operators without keys
	path        string
}

type rawCondition struct {
	op     operator
	key    string
	values []string
	path   string
}

// JSON returns the text the document was parsed from, byte for byte.
func (d *Document) JSON() []byte { return []byte(d.text) }

// Version is the version of the language the document is read in, [Version2008] if it
// names none.
func (d *Document) Version() string {
	if d.version == "" {
		return Version2008
	}
	return d.version
}

// variables reports whether ${...} means anything in d.
func (d *Document) variables() bool { return d.version == Version2012 }

// Size is the number of characters of a document that count against AWS's limit: its
// code points without the white space of JSON (blank, tab, line feed, carriage
// return). White space inside strings does not count either. AWS allows 2048 in an IoT
// policy; [Parse] has no limit of its own.
func Size(doc []byte) int {
	n := 0
	for _, c := range string(doc) {
		if !isBlank(c) {
			n++
		}
	}
	return n
}
