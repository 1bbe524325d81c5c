package broker

import "unsafe"

// stringOf views b as a string without copying. The string is valid as long as b
// is not written to; it ends up in messages that are valid until Route returns.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf views s as bytes without copying, for memory that nobody writes to.
func bytesOf(s string, isNil bool) []byte {
	if isNil {
		return nil
	}
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
