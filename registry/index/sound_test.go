package index

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/sorted"
)

// requireSound requires what entries, fields and documents say of each other to agree.
func requireSound(t *testing.T, x *Index) {
	t.Helper()
	check := func(ok bool, what string) { // as require.True, but for a million times
		if !ok {
			require.Fail(t, what)
		}
	}
	for own := range x.fields.next {
		f := x.field(own)
		if f == nil {
			continue
		}
		check(!f.empty(), "a field is empty: "+f.name)
		check(slices.Contains(x.named[f.name], own), "a field is not found: "+f.name)
		docs := map[uint32]bool{}
		real := 0
		for _, list := range []*sorted.List[uint32]{&f.texts, &f.words, &f.numbers} {
			var last *entry
			for id := range list.From(sorted.Place{}) {
				e := x.entries.at(id)
				check(e.field() == own, "an entry is of another field")
				if last != nil && list != &f.numbers {
					check(fold(last.text) <= fold(e.text), "texts are not in order")
				}
				if list == &f.numbers {
					v, ok := e.asNumber()
					check(ok, "no number is among the numbers")
					if last != nil {
						w, _ := last.asNumber()
						check(w <= v, "numbers are not in order")
					}
					if e.kind() == number {
						real++
					}
				}
				last = e
				n := 0
				e.each(func(doc uint32) bool {
					n++
					docs[doc] = true
					check(e.has(doc) && x.live.has(doc), "an entry does not have what it yields, or that is gone")
					from, to := x.docs.at(doc).part(f.part)
					check(slices.Contains(x.docs.at(doc).values[from:to], id), "a document does not know its entry")
					return true
				})
				check(n > 0 && e.count() == n && (n == 1) == (e.more == nil), "an entry counts wrongly")
			}
		}
		check(real == f.real, "a field counts its numbers wrongly")
		check(len(docs) == f.docs.n, "a field counts its documents wrongly")
		for doc := range docs {
			check(f.docs.has(doc), "a field does not have a document of its entries")
		}
	}
	last := ""
	for doc := range x.names.From(sorted.Place{}) {
		name := x.docs.at(doc).name
		id, found := x.find(name)
		check(last < name && found && id == doc, "names are not in order, or not found")
		last = name
	}
	check(x.names.Len() == x.live.count() && x.names.Len() == x.ids.n, "documents are counted wrongly")
}
