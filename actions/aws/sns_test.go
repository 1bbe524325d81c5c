package aws

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newTopic makes a topic, and a queue that gets its messages as they are.
func newTopic(tb testing.TB, suffix string) (topic string, c *sqs.Client, queue string) {
	tb.Helper()
	c, queue = newQueue(tb, suffix)
	attributes := map[string]string{}
	if suffix != "" {
		attributes["FifoTopic"] = "true"
	}
	s := sns.NewFromConfig(sdkConfig(servertest.Moto(tb)))
	made, err := s.CreateTopic(context.Background(), &sns.CreateTopicInput{Name: sdk.String(unique(tb) + suffix), Attributes: attributes})
	require.NoError(tb, err)
	of, err := c.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	require.NoError(tb, err)
	_, err = s.Subscribe(context.Background(), &sns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: sdk.String("sqs"), Endpoint: sdk.String(of.Attributes["QueueArn"]),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	require.NoError(tb, err)
	return *made.TopicArn, c, queue
}

func TestSNS(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	topic, c, queue := newTopic(t, "")
	t.Run("raw", func(t *testing.T) {
		a := requireDecode(t, s, fmt.Sprintf(`{"sns":{"roleArn":%q,"targetArn":%q}}`, testRole, topic))
		errs := batch(t, a, events(t, a, "t", `{"n":1}`, "ü", "", "\xff", strings.Repeat("x", snsBytes+1), `{"n":3}`))
		kinds := []string{}
		for _, err := range errs {
			kinds = append(kinds, kindOf(err))
		}
		require.Equal(t, []string{"well", "well", "permanent", "permanent", "permanent", "well"}, kinds, "%v", errs)
		require.ElementsMatch(t, []string{`{"n":1}`, "ü", `{"n":3}`}, bodies(receive(t, c, queue)))
	})
	t.Run("for each protocol", func(t *testing.T) {
		a := requireDecode(t, s, fmt.Sprintf(`{"sns":{"roleArn":%q,"targetArn":%q,"messageFormat":"JSON"}}`, testRole, topic))
		errs := batch(t, a, events(t, a, "t", `{"default":"d","sqs":"for queues"}`, `{"default":"only"}`, `{"sqs":"x"}`, `{"default":1}`, `text`, `["default"]`))
		kinds := []string{}
		for _, err := range errs {
			kinds = append(kinds, kindOf(err))
		}
		require.Equal(t, []string{"well", "well", "permanent", "permanent", "permanent", "permanent"}, kinds, "%v", errs)
		require.ErrorContains(t, errs[2], `a text for "default"`)
		require.ElementsMatch(t, []string{"for queues", "only"}, bodies(receive(t, c, queue)))
	})
	t.Run("no topic", func(t *testing.T) {
		a := s.SNS(SNS{TargetARN: topic + "missing"})
		err := a.Do(t.Context(), event(t, a, "t", "1"))
		require.Equal(t, "again", kindOf(err))
		require.ErrorContains(t, err, "SNS PublishBatch: NotFound")
	})
}

func TestSNSFIFO(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	topic, c, queue := newTopic(t, ".fifo")
	a := requireDecode(t, s, fmt.Sprintf(`{"sns":{"roleArn":%q,"targetArn":%q,"messageGroupId":"${topic(2)}"}}`, testRole, topic))
	evs := []actions.Event{event(t, a, "dt/a", "1"), event(t, a, "dt/b", "2"), event(t, a, "dt/c", "3")}
	well(t, batch(t, a, evs))
	well(t, batch(t, a, evs[:1])) // an answer that was lost
	got := receive(t, c, queue)
	require.Equal(t, []string{"1", "2", "3"}, bodies(got))
	require.Equal(t, "a", got[0].Attributes["MessageGroupId"])
	require.Equal(t, evs[0].ID(), got[0].Attributes["MessageDeduplicationId"])
	require.Equal(t, "b", a.(actions.Batcher).Batch().Distinct(evs[1]))
}

// TestSNSEndpoint checks the apps on devices, which take one message in a call.
func TestSNSEndpoint(t *testing.T) {
	moto := sns.NewFromConfig(sdkConfig(servertest.Moto(t)))
	app, err := moto.CreatePlatformApplication(t.Context(), &sns.CreatePlatformApplicationInput{
		Name: sdk.String(unique(t)), Platform: sdk.String("GCM"), Attributes: map[string]string{"PlatformCredential": "x"},
	})
	require.NoError(t, err)
	end, err := moto.CreatePlatformEndpoint(t.Context(), &sns.CreatePlatformEndpointInput{PlatformApplicationArn: app.PlatformApplicationArn, Token: sdk.String("token")})
	require.NoError(t, err)
	f := before(t)
	a := requireDecode(t, open(t, f.url, nil), fmt.Sprintf(`{"sns":{"roleArn":%q,"targetArn":%q}}`, testRole, *end.EndpointArn))
	require.Zero(t, a.(actions.Batcher).Batch())
	well(t, batch(t, a, events(t, a, "t", "1", "2")))
	var sent []string
	for _, r := range f.requests() {
		v := form(t, r)
		require.Equal(t, *end.EndpointArn, v.Get("TargetArn"))
		sent = append(sent, v.Get("Action")+" "+v.Get("Message"))
	}
	require.Equal(t, []string{"Publish 1", "Publish 2"}, sent)
}

// TestSNSTakesAPart checks the answers for single messages.
func TestSNSTakesAPart(t *testing.T) {
	f := answers(t, http.StatusOK, `<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult>
		<Successful><member><MessageId>m</MessageId><Id>0</Id></member></Successful>
		<Failed><member><Id>1</Id><Code>InternalError</Code><Message>oops</Message><SenderFault>false</SenderFault></member>
		<member><Id>2</Id><Code>InvalidParameter</Code><Message>no</Message><SenderFault>true</SenderFault></member>
		<member><Id>3</Id><Code>Throttled</Code><Message>slow</Message><SenderFault>true</SenderFault></member></Failed>
		</PublishBatchResult></PublishBatchResponse>`)
	a := open(t, f.url, nil).SNS(SNS{TargetARN: "arn:aws:sns:eu-central-1:1:t"})
	errs := batch(t, a, events(t, a, "t", "1", "2", "3", "4", "5"))
	kinds := []string{}
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"well", "again", "permanent", "again", "again"}, kinds, "%v", errs)
	require.ErrorIs(t, errs[4], errUnanswered)
}

func TestSNSErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "throttled", code: "Throttling", status: 400, want: "again"},
		{name: "throttled too", code: "Throttled", status: 429, want: "again"},
		{name: "throttled by KMS", code: "KMSThrottling", status: 400, want: "again"},
		{name: "no topic", code: "NotFound", status: 404, want: "again"},
		{name: "not allowed", code: "AuthorizationError", status: 403, want: "again"},
		{name: "unknown key", code: "InvalidClientTokenId", status: 403, want: "again"},
		{name: "by itself", code: "InternalError", status: 500, want: "again"},
		{name: "invalid", code: "InvalidParameter", status: 400, want: "permanent"},
		{name: "too long", code: "BatchRequestTooLong", status: 400, want: "permanent"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.SNS(SNS{TargetARN: "arn:aws:sns:eu-central-1:1:t"})
		return a, event(t, a, "t", "1")
	}, xmlError)
}

func TestSNSRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	role, arn := `"roleArn":"`+testRole+`",`, "arn:aws:sns:eu-central-1:1:t"
	for text, expected := range map[string]string{
		`{"sns":{"targetArn":"` + arn + `"}}`:                                          "roleArn is missing",
		`{"sns":{` + role + `"messageFormat":"RAW"}}`:                                  "targetArn is missing",
		`{"sns":{` + role + `"targetArn":"topic"}}`:                                    `targetArn is "topic"`,
		`{"sns":{` + role + `"targetArn":"` + arn + `","messageFormat":"XML"}}`:        "messageFormat",
		`{"sns":{` + role + `"targetArn":"` + arn + `","messageDeduplicationId":"x"}}`: "messageDeduplicationId",
		`{"sns":{` + role + `"targetArn":"` + arn + `","subject":"x"}}`:                "subject is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigSNS is a topic at moto with a queue.
func rigSNS(suffix string) func(tb testing.TB) sinktest.Rig {
	return func(tb testing.TB) sinktest.Rig {
		topic, c, queue := newTopic(tb, suffix)
		p := SNS{TargetARN: topic}
		rig := sinktest.Rig{Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: suffix == "", Poison: []byte("\x00")}
		if suffix != "" {
			p.MessageGroupID, rig.Poison = "${key}", []byte(`{"key":"has blanks"}`)
		}
		rig.Action = func(tb testing.TB, addr string) actions.Action { return faulty(tb, addr).SNS(p) }
		rig.Read = drain(tb, c, queue, func(m sqstypes.Message) sinktest.Record { return sinktest.Parse(tb, []byte(*m.Body)) })
		return rig
	}
}

// rigSNSStored is rigSNS of a FIFO topic, with a queue that keeps the messages.
func rigSNSStored(tb testing.TB) sinktest.Rig {
	topic, c, queue := newTopic(tb, ".fifo")
	f := before(tb)
	return sinktest.Rig{
		Addr: addr(f.url), HTTP: true, Poison: []byte(`{"key":"has blanks"}`),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).SNS(SNS{TargetARN: topic, MessageGroupID: "${key}"})
		},
		Read: kept(c, queue, f, func(tb testing.TB, r request) (texts []string) {
			v := form(tb, r)
			for i := 1; v.Has(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Message", i)); i++ {
				texts = append(texts, v.Get(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Message", i)))
			}
			return texts
		}),
	}
}

func TestSNSFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigSNSStored)
}

func BenchmarkSNS(b *testing.B) { sinktest.Bench(b, rigSNS("")) }
