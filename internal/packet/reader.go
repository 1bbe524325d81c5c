package packet

import "encoding/binary"

var (
	errVarintLong   = malformed("variable byte integer: a fifth byte, want at most four")
	errVarintPadded = malformed("variable byte integer: must use the fewest bytes possible")
	errTrailing     = malformed("packet: bytes left over behind the last field")
)

// A reader takes fields off the front of b. The first error stays: later reads return zero values, so that a decoder
// may look at err once for several fields. Slices it returns alias b with their capacity cut.
type reader struct {
	b   []byte
	err *Error
}

func (r *reader) fail(e *Error) {
	if r.err == nil {
		r.err = e
	}
	r.b = nil
}

func (r *reader) byte(f *field) byte {
	if len(r.b) < 1 {
		r.fail(f.truncated)
		return 0
	}
	n := r.b[0]
	r.b = r.b[1:]
	return n
}

func (r *reader) uint16(f *field) uint16 {
	if len(r.b) < 2 {
		r.fail(f.truncated)
		return 0
	}
	n := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return n
}

func (r *reader) uint32(f *field) uint32 {
	if len(r.b) < 4 {
		r.fail(f.truncated)
		return 0
	}
	n := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return n
}

// varint reads a variable byte integer in its shortest form ([MQTT-1.5.5-1]).
func (r *reader) varint(f *field) uint32 {
	n := uint32(0)
	for i, c := range r.b {
		n |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				r.fail(errVarintPadded)
				return 0
			}
			r.b = r.b[i+1:]
			return n
		}
		if i == 3 {
			r.fail(errVarintLong)
			return 0
		}
	}
	r.fail(f.truncated)
	return 0
}

// binary reads a two-byte length and as many bytes.
func (r *reader) binary(f *field) []byte {
	n := int(r.uint16(f))
	if len(r.b) < n {
		r.fail(f.truncated)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// string is binary with a check that the bytes are an MQTT string.
func (r *reader) string(f *field) []byte {
	b := r.binary(f)
	if r.err == nil && !validString(b) {
		r.fail(f.notUTF8)
		return nil
	}
	return b
}

// end is the outcome of a decoder that has read its last field.
func (r *reader) end() error {
	if r.err != nil {
		return r.err
	}
	if len(r.b) > 0 {
		return errTrailing
	}
	return nil
}
