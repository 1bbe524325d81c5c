//go:build race

package rules

// overwrite spoils an item that goes back to its chunk, so that whoever kept a part of an
// event without a copy sees it in the tests, or the race detector does.
func (it *item) overwrite() {
	for i := range packedParts {
		b := it.part(i)
		for j := range b {
			b[j] = '?'
		}
	}
}
