package registry

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"iter"
	"strconv"
)

// The most items of one page.
const (
	maxPage       = 250
	maxSearchPage = 100
	maxIndexPage  = 500
)

// A Page asks for a part of a list.
type Page struct {
	// Max is how many items to return, 1 to 250 (500 for indices; searches may ask
	// for more than 100 and get 100). 0 stands for the most.
	Max int
	// Token is what the call before returned as next, or empty for the first page.
	// A token belongs to its list with its filters; any other text is ErrInvalid.
	// It stays good when items come and go: the next page begins after the last
	// name of the page before.
	Token string
}

// open checks the page and returns the size of it and the name it begins after.
// list says which list the token must belong to.
func (p Page) open(list string, most int) (size int, after string, err error) {
	if p.Max < 0 || p.Max > most {
		want := "Member must have value greater than or equal to 1"
		if p.Max > most {
			want = "Member must have value less than or equal to " + strconv.Itoa(most)
		}
		return 0, "", invalid("maxResults", strconv.Itoa(p.Max), want)
	}
	size = p.Max
	if size == 0 {
		size = most
	}
	if p.Token == "" {
		return size, "", nil
	}
	after, ok := readToken(list, p.Token)
	if !ok {
		return 0, "", invalid("nextToken", p.Token, "Member must be a token that this list returned")
	}
	return size, after, nil
}

// A token is the last name of a page and a checksum of it and of the list: not a
// secret, only enough to notice what was not meant for here.

func makeToken(list, last string) string {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(last)), tokenSum(list, last))
	return base64.RawURLEncoding.EncodeToString(append(b, last...))
}

func readToken(list, token string) (last string, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < 5 {
		return "", false
	}
	last = string(b[4:])
	return last, binary.BigEndian.Uint32(b) == tokenSum(list, last)
}

func tokenSum(list, last string) uint32 {
	return crc32.ChecksumIEEE([]byte(strconv.Quote(list) + last))
}

// take collects one page of a sorted sequence: what pick makes of up to size of its
// items. next is the token of the page after it, or empty when there is none.
func take[T, R any](seq iter.Seq2[T, error], list string, size int, name func(T) string, pick func(T) (R, bool)) (items []R, next string, err error) {
	items = []R{}
	last := ""
	for v, err := range seq {
		if err != nil {
			return nil, "", err
		}
		r, ok := pick(v)
		if !ok {
			continue
		}
		if len(items) == size {
			return items, makeToken(list, last), nil
		}
		items, last = append(items, r), name(v)
	}
	return items, "", nil
}
