package post_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/internal/post"
)

// TestRedirect checks that a client that follows redirects loses no body without notice.
func TestRedirect(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	}))
	defer s.Close()
	_, err := post.New(post.Config{Client: s.Client()}).Send(t.Context(), s.URL, []byte("x"))
	require.ErrorContains(t, err, "redirected")
	a, err := post.New(post.Config{}).Send(t.Context(), s.URL, []byte("x"))
	require.NoError(t, err)
	require.Equal(t, http.StatusFound, a.Status)
}

// TestAnswers checks answers that are long, cut off or no text.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = w.Write([]byte(strings.Repeat("é", 100_000)))
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		case "/bytes":
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte("\xff\n\t a \x00"))
		}
	}))
	defer s.Close()
	c := post.New(post.Config{})
	defer c.Close()
	a, err := c.Send(t.Context(), s.URL+"/long", nil)
	require.NoError(t, err)
	require.Len(t, a.Text, 64<<10)
	require.Equal(t, "200 OK: "+strings.Repeat("é", 200)+"...", a.Shown(a.Text))
	_, err = c.Send(t.Context(), s.URL+"/cut", nil)
	require.ErrorContains(t, err, "read the answer")
	a, err = c.Send(t.Context(), s.URL+"/bytes", nil)
	require.NoError(t, err)
	require.Equal(t, "418 I'm a teapot: \uFFFD a", a.Shown(a.Text))
	_, err = c.Send(t.Context(), "http://h\n/secret", nil)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}
