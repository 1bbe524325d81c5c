package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestNewRefused(t *testing.T) {
	good := testConfig("http://127.0.0.1:1")
	for name, c := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"no region":          {func(c *Config) { c.SDK.Region = "" }, "Config.SDK.Region is empty"},
		"a role that is not": {func(c *Config) { c.Roles = map[string]sdk.CredentialsProvider{"admin": otherCredentials} }, `roleArn is "admin", expected the ARN of a role`},
		"no credentials":     {func(c *Config) { c.Roles = map[string]sdk.CredentialsProvider{testRole: nil} }, "is nil, expected credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			_, err := New(cfg)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// user is whose credentials signed a request.
func user(r request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

const sent = `{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"c4ca4238a0b923820dcc509a6f75849b"}],"Failed":[]}` // of "1"

func TestRoles(t *testing.T) {
	f := answers(t, http.StatusOK, sent)
	asked := map[string]int{}
	s := open(t, f.url, func(c *Config) {
		c.Roles = map[string]sdk.CredentialsProvider{testRole: otherCredentials}
		c.Role = func(arn string) (sdk.CredentialsProvider, error) {
			asked[arn]++
			switch {
			case strings.HasSuffix(arn, "/made"):
				return credentials.NewStaticCredentialsProvider("made", "secret", ""), nil
			case strings.HasSuffix(arn, "/nothing"):
				return nil, nil
			}
			return nil, errors.New("the directory knows no such role")
		}
	})
	const made = "arn:aws-cn:iam::123456789012:role/path/made"
	for role, want := range map[string]string{"": "key", testRole: "other", made: "made"} {
		a := s.SQS(SQS{QueueURL: f.url + "/1/q", RoleARN: role})
		require.NoError(t, a.(actions.Checker).Check())
		for range 2 {
			require.NoError(t, a.Do(t.Context(), event(t, a, "t", "1")))
		}
		got := f.requests()
		require.Equal(t, want, user(got[len(got)-1]))
	}
	require.Equal(t, map[string]int{made: 1}, asked)

	for role, want := range map[string]string{
		"arn:aws:iam::1:role/nothing": "expected a role that the host has credentials for",
		"arn:aws:iam::1:role/unknown": "roleArn: the directory knows no such role",
		"arn:aws:iam::1:user/root":    "expected the ARN of a role",
	} {
		a := s.SQS(SQS{QueueURL: f.url + "/1/q", RoleARN: role})
		require.ErrorContains(t, a.(actions.Checker).Check(), want)
		err := a.Do(t.Context(), event(t, a, "t", "1")) // put without the check
		require.ErrorContains(t, err, want)
		require.Equal(t, "permanent", kindOf(err))
	}
}

func TestHostRole(t *testing.T) {
	f := answers(t, http.StatusOK, sent)
	s := open(t, f.url, func(c *Config) { c.Roles, c.Role = nil, HostRole(c.SDK) })
	a := s.SQS(SQS{QueueURL: f.url + "/1/q", RoleARN: testRole})
	require.NoError(t, a.Do(t.Context(), event(t, a, "t", "1")))
	require.Equal(t, "key", user(f.only(t)))

	s = open(t, f.url, func(c *Config) { c.Roles, c.Role = nil, HostRole(sdk.Config{}) })
	require.ErrorContains(t, s.SQS(SQS{QueueURL: f.url + "/1/q", RoleARN: testRole}).(actions.Checker).Check(), "no credentials")
}

// TestAssumeRole assumes a role at moto, and writes with what that gave.
func TestAssumeRole(t *testing.T) {
	f := before(t)
	s := open(t, f.url, func(c *Config) { c.Roles, c.Role = nil, AssumeRole(c.SDK) })
	_, queue := newQueue(t, "")
	a := s.SQS(SQS{QueueURL: queue, RoleARN: testRole})
	require.NoError(t, a.(actions.Checker).Check())
	require.Empty(t, f.requests(), "a rule is put without a call")
	for range 2 {
		require.NoError(t, a.Do(t.Context(), event(t, a, "t", "1")))
	}
	got := f.requests()
	require.Len(t, got, 3, "the credentials are kept")
	v := form(t, got[0])
	require.Equal(t, []string{"AssumeRole", testRole, "key"}, []string{v.Get("Action"), v.Get("RoleArn"), user(got[0])})
	require.NotEqual(t, "key", user(got[1]))
	require.NotEmpty(t, got[1].Header.Get("X-Amz-Security-Token"))
}

// TestAssumeRoleDenied checks that credentials which cannot be had are nothing that the
// event is at fault for, though it has chosen the queue.
func TestAssumeRoleDenied(t *testing.T) {
	f := newFront(t, func(w http.ResponseWriter, r request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
	})
	s := open(t, f.url, func(c *Config) { c.Roles, c.Role = nil, AssumeRole(c.SDK) })
	a := s.SQS(SQS{QueueURL: "${q}", RoleARN: testRole})
	err := a.Do(t.Context(), event(t, a, "t", "1", "https://sqs/1/q"))
	require.Equal(t, "again", kindOf(err))
	require.ErrorContains(t, err, "sts:AssumeRole")
}

func TestWithoutRole(t *testing.T) {
	const text = `{"sqs":{"queueUrl":"https://sqs/1/q","useBase64":false}}`
	s := open(t, "http://127.0.0.1:1", nil)
	requireRefused(t, s, text, "roleArn is missing")
	s = open(t, "http://127.0.0.1:1", func(c *Config) { c.OptionalRole = true })
	requireDecode(t, s, text)
	requireRefused(t, s, `{"sqs":{"roleArn":"","queueUrl":"https://sqs/1/q"}}`, "roleArn is missing")
}

// TestSinkName checks several Services, of other regions or accounts.
func TestSinkName(t *testing.T) {
	url := "http://127.0.0.1:1"
	east := open(t, url, func(c *Config) { c.Sink.Name = "east" })
	west := open(t, url, func(c *Config) { c.Sink.Name = "west" })
	kinds := Kinds(east, west)
	const text = `{"sqs":{"sink":"west","roleArn":"` + testRole + `","queueUrl":"https://sqs/1/q","useBase64":false}}`
	a, err := actions.Decode([]byte(text), kinds)
	require.NoError(t, err)
	require.Same(t, west, a.(*sqsAction).services)
	again, _, err := actions.Encode(a, kinds)
	require.NoError(t, err)
	require.JSONEq(t, text, string(again))
	_, err = actions.Decode([]byte(strings.Replace(text, `"sink":"west",`, "", 1)), kinds)
	require.ErrorContains(t, err, "sqs: sink is missing, expected one of east, west")
	_, err = actions.Decode([]byte(text), Kinds())
	require.ErrorContains(t, err, "this hub has no services")

	// What Go makes can be read again.
	again, _, err = actions.Encode(east.SQS(SQS{QueueURL: "https://sqs/1/q", RoleARN: testRole}), kinds)
	require.NoError(t, err)
	a, err = actions.Decode(again, kinds)
	require.NoError(t, err)
	require.Same(t, east, a.(*sqsAction).services)

	require.Equal(t, "west https://sqs/1/q as "+testRole, west.SQS(SQS{QueueURL: "https://sqs/1/q", RoleARN: testRole}).(actions.Sinked).Sink().Name())
}

// TestSinks checks that actions have a breaker for their resource and role, and that those
// of rules which are gone are forgotten.
func TestSinks(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	sink := func(a actions.Action) *actions.Sink { return a.(actions.Sinked).Sink() }
	q := s.SQS(SQS{QueueURL: "https://sqs/1/q"})
	require.Same(t, sink(q), sink(s.SQS(SQS{QueueURL: "https://sqs/1/q", UseBase64: true})))
	require.NotSame(t, sink(q), sink(s.SQS(SQS{QueueURL: "https://sqs/1/other"})))
	require.NotSame(t, sink(q), sink(s.SQS(SQS{QueueURL: "https://sqs/1/q", RoleARN: testRole})))
	require.Equal(t, "sqs", sink(q).Kind())
	require.Equal(t, "https://sqs/1/q", sink(q).Name())
	for i := range 100 {
		s.SQS(SQS{QueueURL: fmt.Sprintf("https://sqs/1/q%d", i)})
	}
	held := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.sinks)
	}
	for range 1000 {
		if runtime.GC(); held() == 1 {
			break
		}
		runtime.Gosched()
	}
	require.Equal(t, 1, held())
	require.Same(t, sink(q), sink(s.SQS(SQS{QueueURL: "https://sqs/1/q"})))
}

// TestOneAttempt checks that the SDK does not try again by itself.
func TestOneAttempt(t *testing.T) {
	calls := 0
	f := newFront(t, func(w http.ResponseWriter, _ request) {
		calls++
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	s := open(t, f.url, func(c *Config) { c.SDK.RetryMaxAttempts = 5 })
	a := s.SQS(SQS{QueueURL: f.url + "/1/q"})
	require.Equal(t, "again", kindOf(a.Do(t.Context(), event(t, a, "t", "1"))))
	require.Equal(t, 1, calls)
}

func TestErrors(t *testing.T) {
	t.Run("nobody there", func(t *testing.T) {
		a := open(t, "http://127.0.0.1:1", nil).SQS(SQS{QueueURL: "https://sqs/1/q"})
		err := a.Do(t.Context(), event(t, a, "t", "1"))
		require.Equal(t, "again", kindOf(err))
		require.ErrorContains(t, err, "SQS SendMessageBatch: ")
		require.ErrorContains(t, err, "connection refused")
	})
	t.Run("no time left", func(t *testing.T) {
		a := open(t, "http://127.0.0.1:1", nil).SQS(SQS{QueueURL: "https://sqs/1/q"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := a.Do(ctx, event(t, a, "t", "1"))
		require.Equal(t, "again", kindOf(err))
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("no secrets", func(t *testing.T) {
		const token = "IQoJb3JpZ2luX2VjE"
		body, err := json.Marshal(map[string]string{
			"__type": "SignatureDoesNotMatch", "message": "The Canonical String for this request should have been x-amz-security-token:" + token,
		})
		require.NoError(t, err)
		f := answers(t, http.StatusForbidden, string(body))
		a := open(t, f.url, nil).SQS(SQS{QueueURL: f.url + "/1/q"})
		err = a.Do(t.Context(), event(t, a, "t", "1"))
		require.Equal(t, "again", kindOf(err))
		require.Equal(t, "SQS SendMessageBatch: SignatureDoesNotMatch", err.Error())
	})
	t.Run("short", func(t *testing.T) {
		body, err := json.Marshal(map[string]string{"__type": "InvalidMessageContents", "message": strings.Repeat("ü", 10_000)})
		require.NoError(t, err)
		f := answers(t, http.StatusBadRequest, string(body))
		a := open(t, f.url, nil).SQS(SQS{QueueURL: f.url + "/1/q"})
		err = a.Do(t.Context(), event(t, a, "t", "1"))
		require.Equal(t, "permanent", kindOf(err))
		require.Less(t, len(err.Error()), maxText+100)
	})
	t.Run("garbage", func(t *testing.T) {
		f := answers(t, http.StatusOK, "<html>a proxy's page</html>")
		a := open(t, f.url, nil).SQS(SQS{QueueURL: f.url + "/1/q"})
		require.Equal(t, "again", kindOf(a.Do(t.Context(), event(t, a, "t", "1"))))
	})
}

// TestTopicRule reads a rule as AWS writes it, with the actions of this half.
func TestTopicRule(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	role := `"roleArn":"` + testRole + `"`
	rule, err := actions.FromTopicRule([]byte(`{"sql":"SELECT * FROM 'dt/#'","ruleDisabled":false,"awsIotSqlVersion":"2016-03-23","actions":[
		{"kinesis":{`+role+`,"streamName":"s","partitionKey":"${newuuid()}"}},
		{"firehose":{`+role+`,"deliveryStreamName":"d","separator":"\n","batchMode":false}},
		{"dynamoDB":{`+role+`,"tableName":"t","hashKeyField":"k","hashKeyValue":"${topic(2)}","hashKeyType":"STRING","rangeKeyField":"ts","rangeKeyValue":"${timestamp()}","rangeKeyType":"NUMBER"}},
		{"dynamoDBv2":{`+role+`,"putItem":{"tableName":"t"}}},
		{"s3":{`+role+`,"bucketName":"bucket","key":"${topic()}/${timestamp()}","cannedAcl":"bucket-owner-full-control"}},
		{"sqs":{`+role+`,"queueUrl":"https://sqs.eu-central-1.amazonaws.com/1/q","useBase64":true}}],
		"errorAction":{"sns":{`+role+`,"targetArn":"arn:aws:sns:eu-central-1:1:t","messageFormat":"RAW"}}}`), actions.Merge(actions.Builtin(), Kinds(s)))
	require.NoError(t, err)
	kinds := []string{}
	for _, a := range append(rule.Actions, rule.ErrorAction) {
		kinds = append(kinds, a.(actions.Named).Kind())
	}
	require.Equal(t, []string{"kinesis", "firehose", "dynamoDB", "dynamoDBv2", "s3", "sqs", "sns"}, kinds)
}

// TestConnections checks that the services share the connections of one client, which is
// configured as that of the host, and that Close ends them.
func TestConnections(t *testing.T) {
	var opened, closed atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	s := open(t, server.URL, func(c *Config) {
		c.SDK.HTTPClient = awshttp.NewBuildableClient().WithTimeout(time.Minute).WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 3 })
	})
	for _, a := range []actions.Action{
		s.SQS(SQS{QueueURL: "https://sqs/1/q"}), s.Kinesis(Kinesis{StreamName: "s"}), s.S3(S3{BucketName: "bucket", Key: "k"}),
	} {
		_ = a.Do(t.Context(), event(t, a, "t", "1"))
	}
	require.Positive(t, opened.Load())
	for _, c := range s.clients {
		var used any
		switch c := c.(type) {
		case *sqs.Client:
			used = c.Options().HTTPClient
		case *kinesis.Client:
			used = c.Options().HTTPClient
		case *s3.Client:
			used = c.Options().HTTPClient
		}
		require.Same(t, s.cfg.SDK.HTTPClient, used, "%T", c)
	}
	require.Equal(t, idleConns, s.transport.MaxIdleConnsPerHost)
	require.Equal(t, time.Minute, s.cfg.SDK.HTTPClient.(*http.Client).Timeout)
	s.Close()
	require.Eventually(t, func() bool { return closed.Load() == opened.Load() }, time.Minute, time.Millisecond)

	own := &http.Client{}
	require.Same(t, own, open(t, server.URL, func(c *Config) { c.SDK.HTTPClient = own }).cfg.SDK.HTTPClient)
}

// TestRedirect checks that no answer leads requests, which are signed, to another host.
func TestRedirect(t *testing.T) {
	elsewhere := answers(t, http.StatusOK, sent)
	f := newFront(t, func(w http.ResponseWriter, _ request) {
		w.Header().Set("Location", elsewhere.url+"/")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	a := open(t, f.url, nil).SQS(SQS{QueueURL: f.url + "/1/q"})
	require.Equal(t, "again", kindOf(a.Do(t.Context(), event(t, a, "t", "1"))))
	require.Empty(t, elsewhere.requests())
}
