package interop_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	datatypes "github.com/aws/aws-sdk-go-v2/service/iotdataplane/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// A goBackend is a hub with the clients of the AWS SDK for Go.
type goBackend struct {
	*testHub
	iot  *iot.Client
	data *iotdataplane.Client
	urls [2]string // of the control plane and the data plane
}

// newGoBackend serves the planes of a hub, each alone.
func newGoBackend(t *testing.T, h *testHub) *goBackend {
	t.Helper()
	b := &goBackend{testHub: h, urls: [2]string{
		"http://" + h.serveHandler(t, nil, h.ControlPlane()), "http://" + h.serveHandler(t, nil, h.DataPlane()),
	}}
	b.iot, b.data = b.clients(accessKey, secretKey)
	return b
}

// clients returns clients that do not try again.
func (b *goBackend) clients(key, secret string) (*iot.Client, *iotdataplane.Client) {
	cfg := aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	data := cfg.Copy()
	cfg.BaseEndpoint, data.BaseEndpoint = &b.urls[0], &b.urls[1]
	return iot.NewFromConfig(cfg), iotdataplane.NewFromConfig(data)
}

// TestAWSGo goes through all operations of both planes, each served alone, with the AWS
// SDK for Go, and through the errors they have in AWS's model.
func TestAWSGo(t *testing.T) {
	t.Parallel()
	signed, asked, backend := awsBackend(auth.InsecureAllowAll{})
	slow := func(c *thinghub.Config) { c.ShadowConfig.Rate = 0.01 } // what a burst has used up stays so
	b := newGoBackend(t, startHub(t, backend, slow))
	for _, c := range []struct {
		name  string
		check func(t *testing.T, b *goBackend)
	}{
		{"things", goThings},
		{"lists of things", goThingLists},
		{"types", goTypes},
		{"groups", goGroups},
		{"members of groups", goMembers},
		{"dynamic groups", goDynamicGroups},
		{"billing groups", goBillingGroups},
		{"principals", goPrincipals},
		{"tags", goTags},
		{"events", goEvents},
		{"search", goSearch},
		{"aggregations", goAggregations},
		{"rules", goRules},
		{"rules refused", goRulesRefused},
		{"destinations", goDestinations},
		{"endpoint", goEndpoint},
		{"connectivity", goConnectivity},
		{"shadows", goShadows},
		{"shadows refused", goShadowsRefused},
		{"named shadows", goNamedShadows},
		{"publish", goPublish},
		{"retained messages", goRetained},
		{"connections", goConnections},
		{"strangers", goStrangers},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, b) })
	}
	require.Empty(t, asked.missing(append(controlOperations, dataOperations...)))
	require.Equal(t, []string{"iot", "iotdata"}, signed.seen())
}

// refused checks that an error is the one of the model, with its status and a request id.
func refused[E error](t *testing.T, err error, status int) {
	t.Helper()
	_ = refusal[E](t, err, status)
}

// refusal is refused and returns the error.
func refusal[E error](t *testing.T, err error, status int) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	require.True(t, ok, "expected a %T, got %v", e, err)
	response, ok := errors.AsType[*awshttp.ResponseError](err)
	require.True(t, ok, err)
	require.Equal(t, status, response.HTTPStatusCode())
	require.NotEmpty(t, response.ServiceRequestID())
	return e
}

// Errors of the control plane's model.
type (
	notFound        = *types.ResourceNotFoundException
	exists          = *types.ResourceAlreadyExistsException
	invalidRequest  = *types.InvalidRequestException
	versionConflict = *types.VersionConflictException
	invalidQuery    = *types.InvalidQueryException
	badSQL          = *types.SqlParseException
	unauthorized    = *types.UnauthorizedException
)

// pages collects the items of all pages of a paginator.
func pages[O, T any](t *testing.T, p interface {
	HasMorePages() bool
	NextPage(ctx context.Context, changes ...func(*iot.Options)) (O, error)
}, items func(O) []T,
) (all []T) {
	t.Helper()
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		require.NoError(t, err)
		all = append(all, items(page)...)
	}
	return all
}

func groupNames(groups []types.GroupNameAndArn) (names []string) {
	for _, g := range groups {
		names = append(names, *g.GroupName)
	}
	return names
}

func recent(t *testing.T, at *time.Time) {
	t.Helper()
	require.NotNil(t, at)
	require.WithinDuration(t, time.Now(), *at, 5*time.Minute)
}

func (b *goBackend) createThing(t *testing.T, name string, attributes map[string]string) *iot.CreateThingOutput {
	t.Helper()
	out, err := b.iot.CreateThing(t.Context(), &iot.CreateThingInput{ThingName: &name, AttributePayload: &types.AttributePayload{Attributes: attributes}})
	require.NoError(t, err)
	return out
}

func (b *goBackend) describeThing(t *testing.T, name string) *iot.DescribeThingOutput {
	t.Helper()
	out, err := b.iot.DescribeThing(t.Context(), &iot.DescribeThingInput{ThingName: &name})
	require.NoError(t, err)
	return out
}

func goEndpoint(t *testing.T, b *goBackend) {
	for _, kind := range []*string{nil, aws.String("iot:Data-ATS"), aws.String("iot:Jobs")} {
		out, err := b.iot.DescribeEndpoint(t.Context(), &iot.DescribeEndpointInput{EndpointType: kind})
		require.NoError(t, err)
		require.Equal(t, b.urls[0], "http://"+*out.EndpointAddress)
	}
	_, err := b.iot.DescribeEndpoint(t.Context(), &iot.DescribeEndpointInput{EndpointType: aws.String("nothing")})
	refused[invalidRequest](t, err, 400)
}

func goEvents(t *testing.T, b *goBackend) {
	heard := b.hear(t, "$aws/events/thing/#")
	set := func(on bool) {
		_, err := b.iot.UpdateEventConfigurations(t.Context(), &iot.UpdateEventConfigurationsInput{EventConfigurations: map[string]types.Configuration{"THING": {Enabled: on}}})
		require.NoError(t, err)
	}
	set(true)
	out, err := b.iot.DescribeEventConfigurations(t.Context(), &iot.DescribeEventConfigurationsInput{})
	require.NoError(t, err)
	require.True(t, out.EventConfigurations["THING"].Enabled)
	require.False(t, out.EventConfigurations["THING_TYPE"].Enabled)
	recent(t, out.LastModifiedDate)
	b.createThing(t, "go-eventful", nil)
	require.Equal(t, "$aws/events/thing/go-eventful/created", heard.next(t).Topic)
	set(false)
}

func goConnectivity(t *testing.T, b *goBackend) {
	ask := func(name string, socket bool) (*iot.GetThingConnectivityDataOutput, error) {
		return b.iot.GetThingConnectivityData(t.Context(), &iot.GetThingConnectivityDataInput{ThingName: &name, IncludeSocketInformation: &socket})
	}
	b.createThing(t, "go-online", nil)
	is, err := ask("go-online", false)
	require.NoError(t, err)
	require.False(t, *is.Connected)
	c := dialV5(t, b.addr, "go-online", resume(100))
	is, err = ask("go-online", true)
	require.NoError(t, err)
	require.True(t, *is.Connected)
	require.Equal(t, "go-online", *is.ClientId)
	require.EqualValues(t, 30, *is.KeepAliveDuration)
	require.EqualValues(t, 100, *is.SessionExpiry)
	require.Equal(t, "127.0.0.1", *is.SourceIp)
	recent(t, is.Timestamp)
	c.leave(t, b.testHub, 1)
	await(t, "the thing to be offline", func() error {
		if is, err = ask("go-online", false); err == nil && *is.Connected {
			return errors.New("it is online")
		}
		return err
	})
	require.Equal(t, types.DisconnectReasonValueClientInitiatedDisconnect, is.DisconnectReason)
	_, err = ask("go-nobody", false)
	refused[notFound](t, err, 404)
}

func goStrangers(t *testing.T, b *goBackend) {
	for _, c := range [][2]string{{"AKIDSTRANGER", secretKey}, {accessKey, "not the secret"}} {
		control, data := b.clients(c[0], c[1])
		_, err := control.CreateThing(t.Context(), &iot.CreateThingInput{ThingName: aws.String("go-stranger")})
		refused[*types.UnauthorizedException](t, err, 401)
		_, err = data.Publish(t.Context(), &iotdataplane.PublishInput{Topic: aws.String("go/stranger")})
		refused[*datatypes.UnauthorizedException](t, err, 401)
	}
	_, err := b.iot.DescribeThing(t.Context(), &iot.DescribeThingInput{ThingName: aws.String("go-stranger")})
	refused[notFound](t, err, 404)
}
