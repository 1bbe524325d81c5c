package social

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// mostToken bounds access tokens, in bytes.
const mostToken = 8 << 10

// refuse is an error of a token that does not count.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", auth.ErrBadCredentials, fmt.Errorf("social: "+format, args...))
}

// unavailable is an error of a provider that nothing can be learnt from.
func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", auth.ErrUnavailable, fmt.Errorf("social: "+format, args...))
}

// checkToken checks that a token may be put into a request.
func checkToken(token string) error {
	if token == "" || len(token) > mostToken {
		return refuse("the access token has %d bytes, expected 1 to %d", len(token), mostToken)
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return refuse("the access token has the byte %#x, expected printable ASCII without blanks", c)
		}
	}
	return nil
}

// An asker asks one provider.
type asker struct {
	name    string
	client  *http.Client
	timeout time.Duration
}

func newAsker(name string, own *http.Client, timeout time.Duration) asker {
	return asker{name, web.Client(own, timeout), timeout}
}

// get asks for an object of JSON. A status that blames the provider, or us, is an error;
// the others are for the caller, who gets whatever object there is.
func (a asker) get(ctx context.Context, base, path string, query url.Values, bearer string) (status int, answer map[string]any, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	to := strings.TrimSuffix(base, "/") + path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return 0, nil, unavailable("%s %s: the address cannot be used", a.name, path)
	}
	r.Header.Set("Accept", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	status, body, err := web.Do(a.client, r)
	if err != nil {
		return 0, nil, unavailable("%s %s: %w", a.name, path, err)
	}
	if status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500 {
		return 0, nil, unavailable("%s %s answers %d", a.name, path, status)
	}
	err = json.Unmarshal(body, &answer)
	if status == http.StatusOK && (err != nil || answer == nil) {
		return 0, nil, unavailable("%s %s answers no JSON object", a.name, path)
	}
	if status != http.StatusOK && (status < 400 || status > 499) {
		return 0, nil, unavailable("%s %s answers %d, expected 200", a.name, path, status)
	}
	return status, answer, nil
}

// text returns a member that is a text, "" if it is none.
func text(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}

// number returns a member that is a whole number of seconds within the bounds of times.
func number(object map[string]any, name string) (int64, bool) {
	n, ok := object[name].(float64)
	if !ok || n < 0 || n > 253402300799 {
		return 0, false
	}
	return int64(n), true
}

// common are what configurations have in common.
type common struct {
	timeout *time.Duration
	now     *func() time.Time
}

func (c common) withDefaults(of string) error {
	if *c.timeout == 0 {
		*c.timeout = 10 * time.Second
	}
	if *c.timeout < time.Millisecond || *c.timeout > time.Minute {
		return fmt.Errorf("social: %s.Timeout is %v, expected %v to %v", of, *c.timeout, time.Millisecond, time.Minute)
	}
	if *c.now == nil {
		*c.now = time.Now
	}
	return nil
}

// base puts a default in and checks an address.
func base(field string, value *string, byDefault string) error {
	if *value == "" {
		*value = byDefault
	}
	return web.CheckURL("social: "+field, *value, false)
}

// names checks a list of ids.
func names(field string, list []string) error {
	if len(list) == 0 {
		return errors.New("social: " + field + " is empty, expected the ids under which the provider knows us")
	}
	for i, n := range list {
		if n == "" {
			return fmt.Errorf("social: %s[%d] is empty, expected an id", field, i)
		}
	}
	return nil
}
