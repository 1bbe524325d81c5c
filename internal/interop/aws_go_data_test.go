package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
)

// Errors of the data plane's model.
type (
	dataNotFound = *types.ResourceNotFoundException
	dataInvalid  = *types.InvalidRequestException
)

func (b *goBackend) updateShadow(t *testing.T, thing string, name *string, payload string) (object, error) {
	t.Helper()
	out, err := b.data.UpdateThingShadow(t.Context(), &iotdataplane.UpdateThingShadowInput{ThingName: &thing, ShadowName: name, Payload: []byte(payload)})
	if err != nil {
		return nil, err
	}
	return decode(t, out.Payload), nil
}

func (b *goBackend) getShadow(t *testing.T, thing string, name *string) (object, error) {
	t.Helper()
	out, err := b.data.GetThingShadow(t.Context(), &iotdataplane.GetThingShadowInput{ThingName: &thing, ShadowName: name})
	if err != nil {
		return nil, err
	}
	return decode(t, out.Payload), nil
}

func (b *goBackend) deleteShadow(t *testing.T, thing string, name *string) (object, error) {
	t.Helper()
	out, err := b.data.DeleteThingShadow(t.Context(), &iotdataplane.DeleteThingShadowInput{ThingName: &thing, ShadowName: name})
	if err != nil {
		return nil, err
	}
	return decode(t, out.Payload), nil
}

func decode(t *testing.T, text []byte) (doc object) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &doc), "%s", text)
	return doc
}

func goShadows(t *testing.T, b *goBackend) {
	_, err := b.getShadow(t, "go-hall", nil)
	require.Equal(t, "No shadow exists with name: 'go-hall'", *refusal[dataNotFound](t, err, 404).Message)
	made, err := b.updateShadow(t, "go-hall", nil, `{"state":{"desired":{"target":21}},"clientToken":"t-1"}`)
	require.NoError(t, err)
	require.EqualValues(t, 1, made["version"])
	require.Equal(t, "t-1", made["clientToken"])
	require.Equal(t, object{"desired": object{"target": object{"timestamp": made["timestamp"]}}}, made["metadata"])
	_, err = b.updateShadow(t, "go-hall", nil, `{"state":{"reported":{"target":20}},"version":1}`)
	require.NoError(t, err)
	is, err := b.getShadow(t, "go-hall", nil)
	require.NoError(t, err)
	require.Equal(t, object{"desired": object{"target": 21.0}, "reported": object{"target": 20.0}, "delta": object{"target": 21.0}}, is["state"])
	deleted, err := b.deleteShadow(t, "go-hall", nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, deleted["version"])
	_, err = b.deleteShadow(t, "go-hall", nil)
	refused[dataNotFound](t, err, 404)
}

func goShadowsRefused(t *testing.T, b *goBackend) {
	update := func(payload string) error {
		_, err := b.updateShadow(t, "go-refusing", nil, payload)
		return err
	}
	require.NoError(t, update(`{"state":{"reported":{"a":1}}}`))
	require.Equal(t, "Version conflict", *refusal[*types.ConflictException](t, update(`{"state":{},"version":7}`), 409).Message)
	require.Equal(t, "Invalid JSON", *refusal[dataInvalid](t, update(`{"state"`), 400).Message)
	require.Equal(t, "Missing required node: state", *refusal[dataInvalid](t, update(`{}`), 400).Message)
	large := `{"state":{"desired":{"a":"` + strings.Repeat("x", 9000) + `"}}}`
	require.Equal(t, "The payload exceeds the maximum size allowed", *refusal[*types.RequestEntityTooLargeException](t, update(large), 413).Message)
	refused[*types.UnsupportedDocumentEncodingException](t, update("{\"state\":{\"desired\":{\"a\":\"\xff\"}}}"), 415)
	_, err := b.getShadow(t, "not/allowed", nil)
	refused[dataInvalid](t, err, 400)
	is, err := b.getShadow(t, "go-refusing", nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, is["version"])
	// More in an instant than a thing may have.
	for range 300 {
		if err = update(`{"state":{}}`); err != nil {
			break
		}
	}
	refused[*types.ThrottlingException](t, err, 429)
}

func goNamedShadows(t *testing.T, b *goBackend) {
	var names []string
	for i := range 5 {
		name := fmt.Sprint("go:", i)
		names = append(names, name)
		_, err := b.updateShadow(t, "go-named", &name, fmt.Sprintf(`{"state":{"desired":{"n":%d}}}`, i))
		require.NoError(t, err)
	}
	var found []string
	for token := (*string)(nil); ; {
		page, err := b.data.ListNamedShadowsForThing(t.Context(), &iotdataplane.ListNamedShadowsForThingInput{ThingName: aws.String("go-named"), PageSize: aws.Int32(2), NextToken: token})
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), time.Unix(page.Timestamp, 0), 5*time.Minute)
		found = append(found, page.Results...)
		if token = page.NextToken; token == nil {
			break
		}
	}
	require.Equal(t, names, found)
	_, err := b.getShadow(t, "go-named", nil)
	refused[dataNotFound](t, err, 404)
	is, err := b.getShadow(t, "go-named", &names[3])
	require.NoError(t, err)
	require.Equal(t, object{"n": 3.0}, is["state"].(object)["desired"])
	_, err = b.deleteShadow(t, "go-named", &names[3])
	require.NoError(t, err)
	_, err = b.deleteShadow(t, "go-named", &names[3])
	refused[dataNotFound](t, err, 404)
	_, err = b.getShadow(t, "go-named", aws.String("not/allowed"))
	refused[dataInvalid](t, err, 400)
}

func goPublish(t *testing.T, b *goBackend) {
	heard := b.hear(t, "go/#")
	publish := func(in iotdataplane.PublishInput) error {
		_, err := b.data.Publish(t.Context(), &in)
		return err
	}
	require.NoError(t, publish(iotdataplane.PublishInput{Topic: aws.String("go//a b/ü"), Payload: []byte{0, 0xff}}))
	m := heard.next(t)
	require.Equal(t, "go//a b/ü", m.Topic)
	require.Equal(t, []byte{0, 0xff}, m.Payload)
	require.Equal(t, accessKey, m.Origin.Principal)
	require.NoError(t, publish(iotdataplane.PublishInput{
		Topic: aws.String("go/mqtt5"), Qos: 1, Payload: []byte("{}"), ContentType: aws.String("application/json"), ResponseTopic: aws.String("go/r"), MessageExpiry: 60,
		CorrelationData: aws.String(base64.StdEncoding.EncodeToString([]byte("id"))), PayloadFormatIndicator: types.PayloadFormatIndicatorUtf8Data,
		UserProperties: aws.String(`[{"k":"v"},{"k":"w"}]`),
	}))
	m = heard.next(t)
	require.Equal(t, broker.AtLeastOnce, m.QoS)
	require.Equal(t, []string{"application/json", "go/r", "id"}, []string{m.ContentType, m.ResponseTopic, string(m.CorrelationData)})
	require.Equal(t, broker.FormatUTF8, m.PayloadFormat)
	require.Equal(t, time.Minute, m.Expires.Sub(m.Received))
	var user []string
	for k, v := range m.UserProperties() {
		user = append(user, k+"="+v)
	}
	require.Equal(t, []string{"k=v", "k=w"}, user)
	for _, topic := range []string{"go/#", "$aws/events/presence/connected/x", "$aws/things/x/shadow/get/accepted"} {
		refused[dataInvalid](t, publish(iotdataplane.PublishInput{Topic: &topic}), 400)
	}
	refused[dataInvalid](t, publish(iotdataplane.PublishInput{Topic: aws.String("go/x"), Qos: 2}), 400)
	heard.none(t)
}

func goRetained(t *testing.T, b *goBackend) {
	for i := range 5 {
		_, err := b.data.Publish(t.Context(), &iotdataplane.PublishInput{
			Topic: aws.String(fmt.Sprint("go-kept/", i)), Qos: 1, Retain: true, Payload: []byte{0xff}, UserProperties: aws.String(`[{"k":"v"}]`),
		})
		require.NoError(t, err)
	}
	var topics []string
	for p := iotdataplane.NewListRetainedMessagesPaginator(b.data, &iotdataplane.ListRetainedMessagesInput{MaxResults: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		require.NoError(t, err)
		for _, s := range page.RetainedTopics {
			topics = append(topics, *s.Topic)
			require.EqualValues(t, 1, s.Qos)
			require.EqualValues(t, 1, s.PayloadSize)
			require.WithinDuration(t, time.Now(), time.UnixMilli(s.LastModifiedTime), 5*time.Minute)
		}
	}
	require.Equal(t, []string{"go-kept/0", "go-kept/1", "go-kept/2", "go-kept/3", "go-kept/4"}, topics)
	one, err := b.data.GetRetainedMessage(t.Context(), &iotdataplane.GetRetainedMessageInput{Topic: aws.String("go-kept/1")})
	require.NoError(t, err)
	require.Equal(t, []byte{0xff}, one.Payload)
	require.JSONEq(t, `[{"k":"v"}]`, string(one.UserProperties))
	_, err = b.data.GetRetainedMessage(t.Context(), &iotdataplane.GetRetainedMessageInput{Topic: aws.String("go-kept")})
	refused[dataNotFound](t, err, 404)
	_, err = b.data.ListRetainedMessages(t.Context(), &iotdataplane.ListRetainedMessagesInput{NextToken: aws.String("!")})
	refused[dataInvalid](t, err, 400)
}

func goConnections(t *testing.T, b *goBackend) {
	end := func(id string) error {
		_, err := b.data.DeleteConnection(t.Context(), &iotdataplane.DeleteConnectionInput{ClientId: &id, CleanSession: true})
		return err
	}
	c := dialV5(t, b.addr, "go/kicked", resume(100))
	require.NoError(t, end("go/kicked"))
	reason, _ := c.awaitLeft(t)
	require.Equal(t, broker.AdministrativeAction, reason)
	require.False(t, dialV5(t, b.addr, "go/kicked", resume(100)).ack.SessionPresent)
	refused[dataNotFound](t, end("go-nobody"), 404)
	refused[dataInvalid](t, end("$x"), 400)
	refused[*types.ForbiddenException](t, end("protected"), 403)
}
