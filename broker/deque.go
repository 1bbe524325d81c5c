package broker

// A deque is a queue in a slice that also allows changing entries in place. The
// zero value is empty and holds no memory.
type deque[T any] struct {
	buf  []T
	head int
}

func (d *deque[T]) len() int    { return len(d.buf) - d.head }
func (d *deque[T]) at(i int) *T { return &d.buf[d.head+i] }

func (d *deque[T]) push(v T) {
	if d.head > 0 && len(d.buf) == cap(d.buf) {
		// Reuse the room in front instead of growing when it is at least half.
		if d.head*2 >= len(d.buf) {
			n := copy(d.buf, d.buf[d.head:])
			clear(d.buf[n:])
			d.buf, d.head = d.buf[:n], 0
		}
	}
	d.buf = append(d.buf, v)
}

func (d *deque[T]) pop() T {
	var zero T
	v := d.buf[d.head]
	d.buf[d.head] = zero
	d.head++
	if d.head == len(d.buf) {
		d.head = 0
		if cap(d.buf) > 64 {
			d.buf = nil
		} else {
			d.buf = d.buf[:0]
		}
	}
	return v
}

func (d *deque[T]) clear() { *d = deque[T]{} }
