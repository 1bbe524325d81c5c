package index

import "hash/maphash"

// byName finds documents by their names: a table of ids with open addressing, which
// takes a quarter of the room of a map. The names are elsewhere. The zero value is
// empty.
type byName struct {
	slots []uint32 // id + 1; 0 is a free one
	n     int
	seed  maphash.Seed
}

// slot is where the search for a name begins.
func (t *byName) slot(name string) int {
	return int(maphash.String(t.seed, name) & uint64(len(t.slots)-1))
}

// find returns the id of a name; nameOf says what the name of an id is.
func (t *byName) find(name string, nameOf func(id uint32) string) (id uint32, found bool) {
	if t.n == 0 {
		return 0, false
	}
	for i := t.slot(name); t.slots[i] != 0; i = (i + 1) & (len(t.slots) - 1) {
		if id = t.slots[i] - 1; nameOf(id) == name {
			return id, true
		}
	}
	return 0, false
}

// add adds a name that is not there. nameOf must know the names that are.
func (t *byName) add(name string, id uint32, nameOf func(id uint32) string) {
	const least = 16
	if t.slots == nil {
		t.slots, t.seed = make([]uint32, least), maphash.MakeSeed()
	}
	if t.n >= len(t.slots)/4*3 {
		t.resize(2*len(t.slots), nameOf)
	}
	t.put(name, id)
	t.n++
}

func (t *byName) put(name string, id uint32) {
	i := t.slot(name)
	for t.slots[i] != 0 {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = id + 1
}

func (t *byName) resize(size int, nameOf func(id uint32) string) {
	old := t.slots
	t.slots = make([]uint32, size)
	for _, s := range old {
		if s != 0 {
			t.put(nameOf(s-1), s-1)
		}
	}
}

// remove removes a name that is there. Ids that a search would not find any more
// behind the hole move into it.
func (t *byName) remove(name string, id uint32, nameOf func(id uint32) string) {
	mask := len(t.slots) - 1
	hole := t.slot(name)
	for t.slots[hole] != id+1 {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if want := t.slot(nameOf(t.slots[i] - 1)); (i-want)&mask >= (i-hole)&mask {
			t.slots[hole], hole = t.slots[i], i
		}
	}
	t.slots[hole] = 0
	t.n--
}
