package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// web is a web service without a network.
type web struct {
	mu       sync.Mutex
	requests []webRequest
	answer   func(r webRequest) (int, error)
}

type webRequest struct {
	url, body string
	header    http.Header
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	got := webRequest{r.URL.String(), string(body), r.Header}
	w.mu.Lock()
	w.requests = append(w.requests, got)
	answer := w.answer
	w.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		if status, err = answer(got); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}, Request: r}, nil
}

func (w *web) client() *http.Client { return &http.Client{Transport: w} }

func (w *web) got() []webRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]webRequest(nil), w.requests...)
}

// token takes the token out of a confirmation.
func token(t *testing.T, r webRequest) string {
	t.Helper()
	var body map[string]string
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	return body["confirmationToken"]
}

func TestConfirmation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		w := &web{}
		store := rules.NewMemory()
		cfg := rules.Config{Store: store, Web: rules.WebConfig{Client: w.client(), EnableURL: "https://hub/confirmdestination/"}}
		r := start(t, cfg)
		d, err := r.CreateDestination(ctx, "https://example.com/hook?a=b")
		require.NoError(t, err)
		require.Regexp(t, `^arn:aws:iot:local:000000000000:ruledestination/http/[0-9a-f-]{36}$`, d.ARN)
		require.Equal(t, rules.Destination{ARN: d.ARN, URL: "https://example.com/hook?a=b", Status: rules.DestinationInProgress, Created: time.Now(), Updated: time.Now()}, d)
		_, err = r.CreateDestination(ctx, "https://example.com/hook?a=b")
		require.ErrorIs(t, err, rules.ErrExists)
		synctest.Wait()

		require.Len(t, w.got(), 1)
		req := w.got()[0]
		tok := token(t, req)
		require.Equal(t, "https://example.com/hook?a=b&confirmationToken="+tok, req.url)
		require.JSONEq(t, `{"arn":"`+d.ARN+`","confirmationToken":"`+tok+`","enableUrl":"https://hub/confirmdestination/`+tok+`","messageType":"DestinationConfirmation"}`, req.body)
		require.Equal(t, "application/json", req.header.Get("Content-Type"))
		require.Equal(t, "DestinationConfirmation", req.header.Get("x-amz-rules-engine-message-type"))
		require.Equal(t, d.ARN, req.header.Get("x-amz-rules-engine-destination-arn"))
		for rec, err := range store.All(ctx, rules.DestinationRecord) {
			require.NoError(t, err)
			require.NotContains(t, string(rec.Document), tok, "the store has no secrets")
		}

		for _, status := range []rules.DestinationStatus{rules.DestinationEnabled, rules.DestinationDisabled} {
			_, err = r.UpdateDestination(ctx, d.ARN, status)
			require.ErrorIs(t, err, rules.ErrInvalid)
			require.ErrorContains(t, err, "it must be confirmed first")
		}
		_, err = r.ConfirmDestination(ctx, tok+"x")
		require.ErrorIs(t, err, rules.ErrInvalid)
		time.Sleep(time.Hour)

		r = start(t, cfg) // a token outlives the process
		confirmed, err := r.ConfirmDestination(ctx, tok)
		require.NoError(t, err)
		require.Equal(t, rules.DestinationEnabled, confirmed.Status)
		require.Equal(t, time.Now(), confirmed.Updated)
		_, err = r.ConfirmDestination(ctx, tok)
		require.ErrorIs(t, err, rules.ErrInvalid, "a token is good for once")

		off, err := r.UpdateDestination(ctx, d.ARN, rules.DestinationDisabled)
		require.NoError(t, err)
		require.Equal(t, rules.DestinationDisabled, off.Status)
		_, err = r.UpdateDestination(ctx, d.ARN, rules.DestinationEnabled)
		require.NoError(t, err)
		_, err = r.UpdateDestination(ctx, d.ARN, rules.DestinationError)
		require.EqualError(t, err, `rules: status is "ERROR", expected ENABLED, DISABLED or IN_PROGRESS`)
		_, err = r.UpdateDestination(ctx, "x", rules.DestinationEnabled)
		require.ErrorIs(t, err, rules.ErrNotFound)

		again, err := r.UpdateDestination(ctx, d.ARN, rules.DestinationInProgress)
		require.NoError(t, err)
		require.Equal(t, rules.DestinationInProgress, again.Status)
		synctest.Wait()
		require.NotEqual(t, tok, token(t, w.got()[1]))

		var urls []string
		for d, err := range r.Destinations(ctx) {
			require.NoError(t, err)
			urls = append(urls, d.URL)
		}
		require.Equal(t, []string{"https://example.com/hook?a=b"}, urls)
		require.NoError(t, r.DeleteDestination(ctx, d.ARN))
		require.ErrorIs(t, r.DeleteDestination(ctx, d.ARN), rules.ErrNotFound)
		_, err = r.GetDestination(ctx, d.ARN)
		require.ErrorIs(t, err, rules.ErrNotFound)
		_, err = r.ConfirmDestination(ctx, token(t, w.got()[1]))
		require.ErrorIs(t, err, rules.ErrInvalid)
	})
}

func TestConfirmationThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		w := &web{answer: func(r webRequest) (int, error) {
			if strings.Contains(r.url, "down") {
				return 0, errors.New("no route")
			}
			return http.StatusNotFound, nil
		}}
		r := start(t, rules.Config{Web: rules.WebConfig{Client: w.client()}})
		a, err := r.CreateDestination(ctx, "https://example.com/none")
		require.NoError(t, err)
		b, err := r.CreateDestination(ctx, "https://example.com/down")
		require.NoError(t, err)
		settle(time.Minute)
		require.Len(t, w.got(), 6, "three tries each")
		require.NotContains(t, w.got()[0].body, "enableUrl")
		a, err = r.GetDestination(ctx, a.ARN)
		require.NoError(t, err)
		require.Equal(t, rules.DestinationError, a.Status)
		require.Equal(t, "the confirmation could not be sent: the endpoint answered 404", a.Reason)
		b, err = r.GetDestination(ctx, b.ARN)
		require.NoError(t, err)
		require.Equal(t, "the confirmation could not be sent: no route", b.Reason)

		w.mu.Lock()
		w.answer = nil
		w.mu.Unlock()
		a, err = r.UpdateDestination(ctx, a.ARN, rules.DestinationInProgress)
		require.NoError(t, err)
		require.Empty(t, a.Reason)
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		a, err = r.GetDestination(ctx, a.ARN)
		require.NoError(t, err)
		require.Equal(t, rules.DestinationInProgress, a.Status)
		time.Sleep(time.Second)
		a, err = r.GetDestination(ctx, a.ARN)
		require.NoError(t, err)
		require.Equal(t, rules.DestinationError, a.Status)
		require.Equal(t, "it was not confirmed in time", a.Reason)
		_, err = r.ConfirmDestination(ctx, token(t, w.got()[6]))
		require.ErrorContains(t, err, "the confirmation token has expired")
	})
}

func TestConfirmationWaitsForRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &web{answer: func(webRequest) (int, error) { return http.StatusServiceUnavailable, nil }}
		r := idle(t, rules.Config{Web: rules.WebConfig{Client: w.client()}})
		d, err := r.CreateDestination(t.Context(), "https://example.com")
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, w.got())
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			require.NoError(t, r.Run(ctx))
		}
		run(time.Second) // ends between two tries
		require.Len(t, w.got(), 1)
		run(time.Minute)
		d, err = r.GetDestination(t.Context(), d.ARN)
		require.NoError(t, err)
		require.Equal(t, rules.DestinationError, d.Status)
	})
}

func TestDestinationsAreChecked(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	for url, want := range map[string]string{
		"":                   "rules: confirmationUrl: url is missing, expected a URL that begins with https://",
		"example.com":        `rules: confirmationUrl: url is "example.com", expected a URL that begins with https://`,
		"http://example.com": `rules: confirmationUrl is "http://example.com", expected a URL that begins with https://`,
	} {
		_, err := s.CreateDestination(t.Context(), url)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, rules.ErrInvalid)
	}

	broken, err := rules.New(rules.Config{Store: &fragile{rules.NewMemory(), errors.New("disk full")}})
	require.NoError(t, err)
	_, err = broken.CreateDestination(t.Context(), "https://example.com")
	require.ErrorContains(t, err, "disk full")
}

func TestHTTPNeedsItsDestination(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		w := &web{}
		r := start(t, rules.Config{Web: rules.WebConfig{Client: w.client()}})
		report := actions.NewRecorder()
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", ErrorAction: report,
			Actions: []actions.Action{actions.HTTP{URL: "https://example.com/${x}", ConfirmationURL: "https://example.com/"}},
		})
		r.put(rules.Rule{Name: "free", SQL: "SELECT * FROM 'b'", Actions: []actions.Action{actions.HTTP{URL: "https://example.com/${x}/in", ConfirmationURL: "https://example.com/${x}"}}})
		synctest.Wait()
		require.Len(t, w.got(), 1, "a rule makes the destination that it needs")
		tok := token(t, w.got()[0])
		r.send("a", `{"x":"y"}`)
		synctest.Wait()
		require.Len(t, w.got(), 1)
		require.Contains(t, string(report.Events()[0].Payload), `{"failedAction":"HttpAction","failedResource":"https://example.com/y","errorMessage":"the destination for https://example.com/ is IN_PROGRESS, expected ENABLED"}`)

		_, err := r.ConfirmDestination(ctx, tok)
		require.NoError(t, err)
		r.send("a", `{"x":"y"}`)
		r.send("b", `{"x":"y"}`)
		synctest.Wait()
		require.Len(t, w.got(), 2)
		require.Equal(t, "https://example.com/y", w.got()[1].url)
		require.Equal(t, `{"x":"y"}`, w.got()[1].body)
		require.EqualValues(t, 1, r.metrics("free").Actions[0].Failure, "there is no destination for what a template made")

		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.HTTP{URL: "https://example.com/"}}})
		synctest.Wait()
		require.Len(t, w.got(), 2, "it is there already")
	})
}

func TestUnconfirmed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &web{answer: func(r webRequest) (int, error) { return http.StatusBadGateway, nil }}
		r := start(t, rules.Config{Web: rules.WebConfig{Client: w.client(), AllowUnconfirmed: true, AllowPlain: true}, Delivery: rules.Delivery{Retry: actions.Retry{Tries: 10, MaxAge: time.Hour}}})
		report := actions.NewRecorder()
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.HTTP{URL: "http://example.com/${x}", ConfirmationURL: "http://example.com/"}}, ErrorAction: report})
		r.put(rules.Rule{
			Name: "batch", SQL: "SELECT * FROM 'b/+'", ErrorAction: report,
			Actions: []actions.Action{actions.HTTP{URL: "http://example.com/b", EnableBatching: true, BatchConfig: &actions.BatchConfig{BatchAcrossTopics: true}}},
		})
		r.send("a", `{"x":"y"}`)
		settle(time.Minute)
		require.Len(t, w.got(), 3, "three tries in all, as AWS documents")
		require.Len(t, report.Events(), 1)
		r.send("b/1", `{"x":1}`)
		r.send("b/2", `text`)
		settle(time.Minute)
		require.Len(t, w.got(), 6)
		require.Equal(t, `[{"x":1},"text"]`, w.got()[5].body)
		require.Len(t, report.Events(), 2)
		require.Contains(t, string(report.Events()[1].Payload), `"failures":[{"affectedIds":[1,2],"failedAction":"HttpAction","failedResource":"http://example.com/b","errorMessage":"the endpoint answered 502 Bad Gateway"}]`)
	})
}
