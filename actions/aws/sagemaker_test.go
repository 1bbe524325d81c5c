package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/rules"
)

// published is what actions publish.
type published struct {
	mu   sync.Mutex
	list []string
	err  error
}

func (p *published) Publish(_ context.Context, m *actions.Publication) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.list = append(p.list, fmt.Sprintf("%s %d %s", m.Topic, m.QoS, m.Payload))
	return nil
}

func (p *published) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.list...)
}

// on returns an action on a host that publishes.
func on(tb testing.TB, a actions.Action, p actions.Publisher) actions.Action {
	tb.Helper()
	a, err := a.(actions.Hosted).On(actions.Host{Publisher: p})
	require.NoError(tb, err)
	return a
}

// model is a front that is an endpoint of SageMaker.
func model(tb testing.TB, contentType, answer string) *front {
	tb.Helper()
	return newFront(tb, func(w http.ResponseWriter, _ request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, answer)
	})
}

func TestSageMaker(t *testing.T) {
	const answer = `{"predictions": [{"score": 0.93}]}`
	resp, err := http.Post(servertest.Moto(t)+"/moto-api/static/sagemaker/endpoint-results", "application/json",
		strings.NewReader(`{"region":"eu-central-1","results":[{"Body":"{\"predictions\": [{\"score\": 0.93}]}","ContentType":"application/json","InvokedProductionVariant":"v"}]}`))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 201, resp.StatusCode)

	f := before(t)
	a := requireDecode(t, open(t, f.url, nil), `{"sageMaker":{"roleArn":"`+testRole+`","endpointName":"pumps","republish":{"topic":"scores/${topic(2)}","qos":1}}}`)
	var p published
	ev := event(t, a, "pump/7", `{"temp": 20}`, "scores/7")
	require.ErrorIs(t, a.Do(t.Context(), ev), actions.ErrNoHost)
	a = on(t, a, &p)
	require.NoError(t, a.Do(t.Context(), ev))
	require.Equal(t, []string{"scores/7 1 " + answer}, p.all())
	require.Equal(t, "pumps", a.(actions.Named).Resource(ev))
	require.NotNil(t, a.(actions.Sinked).Sink())

	r := f.only(t)
	require.Equal(t, "/endpoints/pumps/invocations", r.URL.Path)
	require.Equal(t, `{"temp": 20}`, string(r.body))
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.Equal(t, uuid(ev.ID()), r.Header.Get("X-Amzn-Sagemaker-Inference-Id"))
	require.Contains(t, r.Header.Get("Authorization"), "/eu-central-1/sagemaker/aws4_request")
}

func TestSageMakerForms(t *testing.T) {
	for name, c := range map[string]struct {
		action, payload   string
		contentType, body string // what is sent
		answerType        string
		answer, published string
	}{
		"csv": {
			action:  `"features":["temp","on","off","none","text"],"answerKey":"score"`,
			payload: `{"off":false,"text":"a,\"b","temp":21.50,"on":true,"none":null,"more":{}}`, contentType: "text/csv", body: "21.50,1,0,,\"a,\"\"b\"\n",
			answerType: "text/csv; charset=utf-8", answer: "0.93\n",
			published: `{"off":false,"text":"a,\"b","temp":21.50,"on":true,"none":null,"more":{},"score":0.93}`,
		},
		"replaced": {
			action: `"answerKey":"score"`, payload: `{"score":1,"x":2}`, contentType: "application/json", body: `{"score":1,"x":2}`,
			answerType: "application/json", answer: " {\"a\": 1}\n", published: `{"x":2,"score":{"a": 1}}`,
		},
		"plain text": {
			action: `"answerKey":"<label>"`, payload: `{}`, contentType: "application/json", body: `{}`,
			answerType: "text/plain", answer: "a <cat>", published: `{"<label>":"a <cat>"}`,
		},
		"bytes": {
			action: `"contentType":"image/jpeg","accept":"application/x-npy"`, payload: "\xff\xd8", contentType: "image/jpeg", body: "\xff\xd8",
			answerType: "application/x-npy", answer: "\x93NUMPY", published: "\x93NUMPY",
		},
		"bytes in JSON": {
			action: `"answerKey":"raw"`, payload: `{}`, contentType: "application/json", body: `{}`,
			answerType: "application/x-npy", answer: "\x93", published: `{"raw":"kw=="}`,
		},
		"unknown": {
			action: `"targetModel":"north.tar.gz","targetVariant":"v2"`, payload: "text", contentType: "application/octet-stream", body: "text",
			answerType: "application/json", answer: `[1]`, published: `[1]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := model(t, c.answerType, c.answer)
			a := requireDecode(t, open(t, f.url, nil), `{"sageMaker":{"roleArn":"`+testRole+`","endpointName":"e","republish":{"topic":"t","qos":0},`+c.action+`}}`)
			var p published
			require.NoError(t, on(t, a, &p).Do(t.Context(), event(t, a, "a", c.payload)))
			r := f.only(t)
			require.Equal(t, c.contentType, r.Header.Get("Content-Type"))
			require.Equal(t, c.body, string(r.body))
			require.Equal(t, []string{"t 0 " + c.published}, p.all())
			if name == "unknown" {
				require.Equal(t, "north.tar.gz", r.Header.Get("X-Amzn-Sagemaker-Target-Model"))
				require.Equal(t, "v2", r.Header.Get("X-Amzn-Sagemaker-Target-Variant"))
			}
			if name == "bytes" {
				require.Equal(t, "application/x-npy", r.Header.Get("Accept"))
			}
		})
	}
}

func TestSageMakerErrors(t *testing.T) {
	told := func(status int) string {
		return fmt.Sprintf(`{"Message":"so it is","OriginalStatusCode":%d,"OriginalMessage":"broken"}`, status)
	}
	judgements(t, []verdictCase{
		{name: "well", status: 200, body: "1", want: "well"},
		{name: "the model fails", status: 424, code: "ModelError", body: told(500), want: "permanent"},
		{name: "the model refuses", status: 424, code: "ModelError", body: told(400), want: "permanent"},
		{name: "the model is slow", status: 424, code: "ModelError", body: told(504), want: "again"},
		{name: "the model is overloaded", status: 424, code: "ModelError", body: told(503), want: "again"},
		{name: "the model throttles", status: 424, code: "ModelError", body: told(429), want: "again"},
		{name: "not ready", status: 429, code: "ModelNotReadyException", want: "again"},
		{name: "throttled", status: 400, code: "ThrottlingException", want: "again"},
		{name: "missing", status: 400, code: "ValidationError", body: `{"Message":"Endpoint e of account 123456789012 not found."}`, want: "again"},
		{name: "wrong", status: 400, code: "ValidationError", want: "permanent"},
		{name: "by itself", status: 500, code: "InternalFailure", want: "again"},
		{name: "away", status: 503, code: "ServiceUnavailable", want: "again"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.SageMaker(SageMaker{EndpointName: "e"})
		return a, event(t, a, "a", "{}")
	}, jsonError)

	f := model(t, "application/json", "1")
	s := open(t, f.url, nil)
	var p published
	a := on(t, s.SageMaker(SageMaker{EndpointName: "${e}", TargetModel: "${m}", Republish: &actions.Republish{Topic: "${t}"}, AnswerKey: "a"}), &p)
	for _, c := range []struct{ payload, endpoint, model, topic, want string }{
		{"{}", "e", "m", "t", "well"},
		{"{}", "e/../f", "m", "t", "permanent"},
		{"{}", "", "m", "t", "permanent"},
		{"{}", "e", "a b", "t", "permanent"},
		{"{}", "e", strings.Repeat("m", 1025), "t", "permanent"},
		{"{}", "e", "m", "a/#", "permanent"},
		{"{}", "e", "m", "$aws/things/x/shadow/update", "permanent"},
		{"[]", "e", "m", "t", "permanent"},
		{"", "e", "m", "t", "permanent"},
	} {
		err := a.Do(t.Context(), event(t, a, "a", c.payload, c.endpoint, c.model, c.topic))
		require.Equal(t, c.want, kindOf(err), "%+v: %v", c, err)
	}
	require.Equal(t, []string{`t 0 {"a":1}`}, p.all())

	p.err = errors.New("the hub is full")
	require.Equal(t, "again", kindOf(a.Do(t.Context(), event(t, a, "a", "{}", "e", "m", "t"))))
	features := s.SageMaker(SageMaker{EndpointName: "e", Features: []string{"a", "b"}})
	for payload, want := range map[string]string{
		`{"a":1,"b":2}`: "", `{"a":1}`: `the payload has no member "b"`, `{"a":1,"b":[]}`: `b is "[]", expected a number`, `[]`: "expected a JSON object", `x`: "expected a JSON object",
	} {
		err := features.Do(t.Context(), event(t, features, "a", payload))
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
		require.Equal(t, "permanent", kindOf(err))
	}
	_, err := s.SageMaker(SageMaker{EndpointName: "e", Republish: &actions.Republish{Topic: "t"}}).(actions.Hosted).On(actions.Host{})
	require.ErrorIs(t, err, actions.ErrNoHost)
}

func TestSageMakerRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	text := func(with string) string {
		return `{"sageMaker":{"roleArn":"` + testRole + `","endpointName":"e"` + with + `}}`
	}
	for text, expected := range map[string]string{
		`{"sageMaker":{"roleArn":"` + testRole + `"}}`:                      "endpointName is missing",
		`{"sageMaker":{"roleArn":"` + testRole + `","endpointName":"a/b"}}`: `endpointName is "a/b", expected the name of an endpoint`,
		text(`,"republish":{"topic":"a/#"}`):                                "a/#",
		text(`,"republish":{"qos":1}`):                                      "republish.topic is missing",
		text(`,"republish":{"topic":"t","retain":true}`):                    "republish: retain is not known",
		text(`,"republish":"t"`):                                            "republish",
		text(`,"answerKey":"a"`):                                            `answerKey is "a", expected none without republish`,
		text(`,"features":[""]`):                                            "features[0] is missing",
		text(`,"features":[1]`):                                             `features[0] is 1, expected a text`,
		text(`,"contentType":"a\nb"`):                                       "contentType",
		text(`,"targetModel":"a b"`):                                        `targetModel is "a b"`,
		text(`,"targetVariant":"a b"`):                                      `targetVariant is "a b"`,
		text(`,"body":"x"`):                                                 "body is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// A rule that is written as JSON asks a model and publishes what it says.
func TestSageMakerInRule(t *testing.T) {
	f := model(t, "text/csv", "0.93")
	s := open(t, f.url, nil)
	var p published
	service, err := rules.New(rules.Config{Publisher: &p, Kinds: Kinds(s)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = service.Run(ctx) })
	defer running.Wait()
	defer cancel()
	a := requireDecode(t, s, `{"sageMaker":{"roleArn":"`+testRole+`","endpointName":"${topic(1)}s","features":["temp"],"answerKey":"score","republish":{"topic":"scores/${topic(2)}","qos":0}}}`)
	require.NoError(t, service.Put(ctx, rules.Rule{Name: "score", SQL: "SELECT temp FROM 'pump/+'", Actions: []actions.Action{a}}))
	require.NoError(t, service.Submit(ctx, &actions.Message{Topic: "pump/7", Payload: []byte(`{"temp":20,"more":1}`)}))
	require.Eventually(t, func() bool { return len(p.all()) > 0 }, time.Minute, time.Millisecond)
	require.Equal(t, []string{`scores/7 0 {"temp":20,"score":0.93}`}, p.all())
	require.Equal(t, "/endpoints/pumps/invocations", f.only(t).URL.Path)
}

// rigModel is a model that takes objects.
func rigModel(tb testing.TB) sinktest.Rig {
	f := newFront(tb, func(w http.ResponseWriter, r request) {
		if string(r.body) == "[]" {
			w.Header().Set("X-Amzn-Errortype", "ModelError")
			w.WriteHeader(424)
			_, _ = io.WriteString(w, `{"OriginalStatusCode":500}`)
			return
		}
		_, _ = io.WriteString(w, "1")
	})
	return sinktest.Rig{
		Addr: addr(f.url), HTTP: true, Poison: []byte("[]"),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).SageMaker(SageMaker{EndpointName: "e"})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, r := range f.requests() {
				got = append(got, sinktest.Parse(tb, r.body))
			}
			return got
		},
	}
}

func TestSageMakerFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigModel)
}

func BenchmarkSageMaker(b *testing.B) { sinktest.Bench(b, rigModel) }
