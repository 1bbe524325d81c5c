package access

import (
	"encoding/base64"
	"fmt"
	"iter"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A Page says which part of a list to return.
type Page struct {
	// Max is how many items to return, at most 250; 0 stands for that.
	Max int
	// Token is what the call before returned as next, empty for the first page. It stays
	// good when items come and go.
	Token string
}

const maxPage = 250

type entry[T any] = records.Entry[T]

// after returns the id that the page begins after, nil for the beginning. A token that
// was not made by next begins wherever it says, which does no harm.
func (p Page) after() []string {
	b, err := base64.RawURLEncoding.DecodeString(p.Token)
	if p.Token == "" || err != nil {
		return nil
	}
	return auth.Parts(string(b))
}

func (p Page) check() (size int, err error) {
	if p.Max < 0 || p.Max > maxPage {
		return 0, invalid("pageSize", fmt.Sprint(p.Max), "Member must be from 1 to 250")
	}
	if _, err := base64.RawURLEncoding.DecodeString(p.Token); err != nil || strings.ContainsAny(p.Token, "\r\n") {
		return 0, invalid("marker", p.Token, "Member must be what the call before returned")
	}
	if p.Max == 0 {
		return maxPage, nil
	}
	return p.Max, nil
}

func token(id ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(auth.Key(id...)))
}

// take takes one page of what pick wants of a list that begins where the page does.
func take[T, R any](list iter.Seq2[entry[T], error], p Page, pick func(entry[T]) (R, bool)) (page []R, next string, err error) {
	size, err := p.check()
	if err != nil {
		return nil, "", err
	}
	last := ""
	for e, err := range list {
		if err != nil {
			return nil, "", fmt.Errorf("access: list: %w", err)
		}
		r, ok := pick(e)
		if !ok {
			continue
		}
		if len(page) == size {
			return page, last, nil
		}
		page = append(page, r)
		last = token(e.ID...)
	}
	return page, "", nil
}
