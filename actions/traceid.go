package actions

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// A TraceID tells a message from all others. It is a number until somebody asks for the
// text, because most messages pass without that. The zero TraceID is none. Unlike the
// texts of a message it may be kept.
type TraceID struct {
	text   string
	number [2]uint64
}

// NewTraceID returns an id that nobody else has: a random UUID.
func NewTraceID() TraceID { return RandomTraceID(globally{}) }

// RandomTraceID is NewTraceID for who has random numbers at hand.
func RandomTraceID(r rand.Source) TraceID {
	// Not both can be zero, which would be none.
	return TraceID{number: [2]uint64{r.Uint64(), r.Uint64() | 1}}
}

// NumberedTraceID is RandomTraceID for who has the numbers. Two zeros are none.
func NumberedTraceID(a, b uint64) TraceID { return TraceID{number: [2]uint64{a, b}} }

// globally is the source of random numbers that everybody shares.
type globally struct{}

func (globally) Uint64() uint64 { return rand.Uint64() }

// NamedTraceID returns an id that was chosen elsewhere. An empty text is none.
func NamedTraceID(text string) TraceID { return TraceID{text: strings.Clone(text)} }

// IsZero reports that there is none.
func (t TraceID) IsZero() bool { return t.text == "" && t.number == [2]uint64{} }

// String returns the text: a UUID, or what the id was named; "" if there is none. It is
// always the same one.
func (t TraceID) String() string {
	if t.text != "" || t.IsZero() {
		return t.text
	}
	return string(t.AppendTo(make([]byte, 0, 36)))
}

// AppendTo appends the text to dst.
func (t TraceID) AppendTo(dst []byte) []byte {
	if t.text != "" || t.IsZero() {
		return append(dst, t.text...)
	}
	var b [16]byte
	for i := range b {
		b[i] = byte(t.number[i/8] >> (8 * (i % 8)))
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, b[[...]int{0, 4, 6, 8, 10}[i]:end])
	}
	return dst
}
