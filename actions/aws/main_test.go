package aws

import (
	"context"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// testRole is a role that the Services of tests know.
const testRole = "arn:aws:iam::123456789012:role/rules"

// sdkConfig is that of a host whose services are at a URL.
func sdkConfig(url string) sdk.Config {
	return sdk.Config{
		Region: "eu-central-1", BaseEndpoint: sdk.String(url),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}

func testConfig(url string) Config {
	c := sdkConfig(url)
	return Config{SDK: c, Roles: map[string]sdk.CredentialsProvider{testRole: c.Credentials}, S3PathStyle: true}
}

// open returns Services at a URL; change may be nil.
func open(tb testing.TB, url string, change func(c *Config)) *Services {
	tb.Helper()
	c := testConfig(url)
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	require.NoError(tb, err)
	tb.Cleanup(s.Close)
	return s
}

func TestMoto(t *testing.T) {
	c := sdkConfig(servertest.Moto(t))
	who, err := sts.NewFromConfig(c).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.NotEmpty(t, *who.Account)
}
