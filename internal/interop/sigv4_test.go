package interop_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/rules"
)

// The region, account and access key of the tests with AWS clients.
const (
	region    = "eu-central-1"
	account   = "123456789012"
	accessKey = "AKIDEXAMPLE"
	secretKey = "secret of the tests"
	arns      = "arn:aws:iot:" + region + ":" + account + ":"
)

// awsEnv are the credentials as AWS tools read them, away from those of whoever runs
// the tests.
var awsEnv = []string{
	"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_DEFAULT_REGION=" + region,
	"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
	"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "NO_PROXY=*", "PYTHONDONTWRITEBYTECODE=1",
}

// bySigV4 are the keys of an authenticator for HTTP, which notes what requests were
// signed for. Whoever comes over MQTT is for devices to judge.
type bySigV4 struct {
	mu       sync.Mutex
	services map[string]int // that requests were signed for
}

// awsBackend makes a hub whose HTTP side is for the access key of the tests.
func awsBackend(devices auth.Authenticator) (*bySigV4, *byKey, change) {
	a := &bySigV4{services: map[string]int{}}
	z := &byKey{asked: map[string]bool{}}
	signed, err := sigv4.New(sigv4.Config{Keys: a, Regions: []string{region}})
	if err != nil {
		panic(err)
	}
	return a, z, func(c *thinghub.Config) {
		c.Account, c.Region = account, region
		c.Authenticator, c.Authorizer = signedHTTP{signed, devices}, z
		c.RegistryConfig.Limits.TypeDeletionDelay = -1
		c.RuleConfig.Web = rules.WebConfig{AllowPlain: true, AllowPrivate: true} // web services of the tests
	}
}

// signedHTTP lets nobody in over HTTP who does not sign.
type signedHTTP struct{ http, devices auth.Authenticator }

func (a signedHTTP) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.Request == nil {
		return a.devices.Authenticate(ctx, c)
	}
	return a.http.Authenticate(ctx, c)
}

func (a *bySigV4) Lookup(_ context.Context, id, _ string) (sigv4.Key, error) {
	if id != accessKey {
		return sigv4.Key{}, auth.ErrNotFound
	}
	return sigv4.Key{ID: id, Secret: secretKey, Identity: &auth.Identity{Principal: id, Kind: auth.IAM}}, nil
}

func (a *bySigV4) Used(_ context.Context, u sigv4.Use) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.services[u.Service]++
}

// authorization is the header of a signature.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$`)

// seen returns the services that requests were signed for.
func (a *bySigV4) seen() (services []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range a.services {
		services = append(services, s)
	}
	slices.Sort(services)
	return services
}

// sign returns the signature that a request should have, by the SDK for Go. It leaves the body to be read.
func sign(ctx context.Context, r *http.Request, region, service string, signed []string) (string, error) {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "", fmt.Errorf("%w: %w", auth.ErrBadCredentials, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	hash := sha256.Sum256(body)
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	for _, name := range signed {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = slices.Clone(r.Header.Values(name))
		}
	}
	credentials := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, again, hex.EncodeToString(hash[:]), service, region, at); err != nil {
		return "", err
	}
	m := authorization.FindStringSubmatch(again.Header.Get("Authorization"))
	if m == nil {
		return "", fmt.Errorf("%w: cannot be signed anew", auth.ErrBadCredentials)
	}
	return m[6], nil
}

// byKey allows the access key of the tests everything over HTTP but what is protected,
// and devices everything. It remembers what it was asked.
type byKey struct {
	mu    sync.Mutex
	asked map[string]bool
}

func (z *byKey) Authorize(_ context.Context, id *auth.Identity, r *auth.Request) error {
	z.mu.Lock()
	z.asked[id.Principal+" "+string(r.Action)] = true
	z.mu.Unlock()
	if r.Resource == "protected" {
		return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "it is protected"}
	}
	return nil
}

// missing returns those operations that nobody with the access key asked for.
func (z *byKey) missing(operations []string) (missing []string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, op := range operations {
		if !z.asked[accessKey+" iot:"+op] {
			missing = append(missing, op)
		}
	}
	return missing
}

// The operations of the hub's two planes, each of which every SDK has to get through.
// ConfirmTopicRuleDestination is not among them, since nobody is asked whether it is
// allowed: without it the checks of destinations would find none that is enabled.
var (
	controlOperations = strings.Fields(`
		CreateThing DescribeThing UpdateThing DeleteThing ListThings GetThingConnectivityData
		CreateThingType DescribeThingType UpdateThingType DeprecateThingType DeleteThingType ListThingTypes
		CreateThingGroup DescribeThingGroup UpdateThingGroup DeleteThingGroup ListThingGroups
		AddThingToThingGroup RemoveThingFromThingGroup UpdateThingGroupsForThing ListThingsInThingGroup ListThingGroupsForThing
		CreateDynamicThingGroup UpdateDynamicThingGroup DeleteDynamicThingGroup
		CreateBillingGroup DescribeBillingGroup UpdateBillingGroup DeleteBillingGroup ListBillingGroups
		AddThingToBillingGroup RemoveThingFromBillingGroup ListThingsInBillingGroup
		AttachThingPrincipal DetachThingPrincipal ListThingPrincipals ListThingPrincipalsV2 ListPrincipalThings ListPrincipalThingsV2
		GetIndexingConfiguration UpdateIndexingConfiguration DescribeIndex ListIndices SearchIndex
		GetStatistics GetPercentiles GetCardinality GetBucketsAggregation
		CreateTopicRule GetTopicRule ListTopicRules ReplaceTopicRule DeleteTopicRule EnableTopicRule DisableTopicRule
		CreateTopicRuleDestination GetTopicRuleDestination ListTopicRuleDestinations UpdateTopicRuleDestination
		DeleteTopicRuleDestination
		DescribeEndpoint TagResource UntagResource ListTagsForResource DescribeEventConfigurations UpdateEventConfigurations`)
	dataOperations = strings.Fields(`
		GetThingShadow UpdateThingShadow DeleteThingShadow ListNamedShadowsForThing
		Publish RetainPublish GetRetainedMessage ListRetainedMessages DeleteConnection`)
)
