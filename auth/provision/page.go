package provision

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// maxPage is how many items a page has at most.
const maxPage = 250

// A Page asks for a part of a list.
type Page struct {
	// Max is how many items to return, 1 to 250. 0 stands for the most.
	Max int
	// Token is what the call before returned as next, or empty for the first page. It
	// belongs to its list and stays good when items come and go.
	Token string
}

// open checks the page and returns its size and the key that it begins after.
func (p Page) open(list string) (size int, after string, err error) {
	if p.Max < 0 || p.Max > maxPage {
		return 0, "", wrong(ErrInvalid, "maxResults", fmt.Sprint(p.Max), fmt.Sprintf("1 to %d", maxPage))
	}
	size = p.Max
	if size == 0 {
		size = maxPage
	}
	if p.Token == "" {
		return size, "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(p.Token)
	after, ok := strings.CutPrefix(string(b), list+"\x00")
	if err != nil || !ok || after == "" {
		return 0, "", wrong(ErrInvalid, "nextToken", p.Token, "a token that this list returned")
	}
	return size, after, nil
}

func makeToken(list, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + "\x00" + last))
}
