package shadow

import "fmt"

// AppendJSON appends the document as one JSON object: desired, reported, delta,
// metadata and version, without the sides that are absent. delta may be nil. It is how
// a search index takes shadows. The error tells that the document is damaged.
func (d Document) AppendJSON(dst, delta []byte) ([]byte, error) {
	w := newWork()
	defer w.free()
	if err := w.load(d); err != nil {
		return dst, fmt.Errorf("shadow: %w", err)
	}
	sides := len(dst)
	dst = appendSides(dst, d.Desired, d.Reported)
	dst = dst[:len(dst)-1] // the brace
	if len(dst) > sides+1 {
		dst = append(dst, ',')
	}
	if len(delta) > 0 {
		dst = append(append(append(dst, `"delta":`...), delta...), ',')
	}
	dst = w.appendMetadata(append(dst, `"metadata":`...), w.old, &[2][]byte{})
	return append(appendInt(dst, `,"version":`, d.Version), '}'), nil
}
