package interop_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

// A browser goes where pages send it, keeps cookies, and fills in forms.
type browser struct {
	http.Client
	// knows is what it fills in, by the names of fields.
	knows map[string]string
	// stops is the address of forms that it does not send; "" for none.
	stops string
	// sent is what was in the last form.
	sent url.Values
}

func newBrowser(t *testing.T, knows map[string]string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{Client: http.Client{Jar: jar}, knows: knows}
}

// visit goes to an address, fills in the forms that it finds there and further on, and
// returns the first page without one; status 0 if it stops before that.
func (b *browser) visit(t *testing.T, to string) (status int, page string) {
	t.Helper()
	resp, err := b.Get(to)
	for range 8 {
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		form := readForm(t, string(body))
		if form == nil {
			return resp.StatusCode, string(body)
		}
		for _, name := range form.asks {
			require.Contains(t, b.knows, name)
			form.fields.Set(name, b.knows[name])
		}
		at, err := resp.Request.URL.Parse(form.action)
		require.NoError(t, err)
		b.sent = form.fields
		if at.String() == b.stops {
			return 0, ""
		}
		resp, err = b.PostForm(at.String(), b.sent)
		require.NoError(t, err)
	}
	require.FailNow(t, "it is asked and asked")
	return 0, ""
}

// visits goes to an address and stops before a form is sent, which it returns.
func (b *browser) visits(t *testing.T, to string) url.Values {
	t.Helper()
	status, page := b.visit(t, to)
	require.Zero(t, status, page)
	return b.sent
}

// signsIn visits a page at which one signs in and returns what the last one has for the app.
func (b *browser) signsIn(t *testing.T, to string) (out struct{ Login, Access, First string }) {
	t.Helper()
	status, page := b.visit(t, to)
	require.Equal(t, http.StatusOK, status, page)
	require.NoError(t, json.Unmarshal([]byte(page), &out))
	require.NotEmpty(t, out.Login)
	return out
}

// A form is the first one of a page. Those of the tests are posted.
type form struct {
	action string
	fields url.Values
	asks   []string // those that are not filled in
}

// readForm returns nil for a page without a form.
func readForm(t *testing.T, page string) *form {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var f *form
	for n := range root.Descendants() {
		at := map[string]string{}
		for _, a := range n.Attr {
			at[a.Key] = a.Val
		}
		switch {
		case n.Type == html.ElementNode && n.Data == "form" && f == nil:
			require.Equal(t, "post", strings.ToLower(at["method"]))
			f = &form{action: at["action"], fields: url.Values{}}
		case n.Type == html.ElementNode && n.Data == "input" && f != nil && at["name"] != "":
			f.fields.Set(at["name"], at["value"])
			if at["type"] != "hidden" {
				f.asks = append(f.asks, at["name"])
			}
		}
	}
	return f
}
