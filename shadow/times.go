package shadow

import (
	"encoding/binary"
	"iter"
)

// Times say when each value of a side was last set, in the order in which the
// values stand in the text. Only values that are no objects or arrays have a time.
// Neighbours of one time are counted, so a side that was written at once takes few
// bytes whatever its size: pairs of a count and of epoch seconds, both as varints.
type Times []byte

// All yields the time of each value in epoch seconds.
func (t Times) All() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for len(t) > 0 {
			count, n := binary.Uvarint(t)
			if n <= 0 {
				return
			}
			seconds, m := binary.Uvarint(t[n:])
			if m <= 0 {
				return
			}
			t = t[n+m:]
			for range count {
				if !yield(int64(seconds)) {
					return
				}
			}
		}
	}
}

// expand appends the times of n values. Where there are too few, the rest are
// those of last.
func (t Times) expand(dst []int64, n int, last int64) []int64 {
	for len(t) > 0 && n > 0 {
		count, a := binary.Uvarint(t)
		if a <= 0 {
			break
		}
		seconds, b := binary.Uvarint(t[a:])
		if b <= 0 {
			break
		}
		t = t[a+b:]
		for ; count > 0 && n > 0; count, n = count-1, n-1 {
			dst = append(dst, int64(seconds))
		}
	}
	for ; n > 0; n-- {
		dst = append(dst, last)
	}
	return dst
}

// appendTimes appends what expand undoes.
func appendTimes(dst []byte, times []int64) []byte {
	for i := 0; i < len(times); {
		from := i
		for i < len(times) && times[i] == times[from] {
			i++
		}
		dst = binary.AppendUvarint(dst, uint64(i-from))
		dst = binary.AppendUvarint(dst, uint64(max(times[from], 0)))
	}
	return dst
}
