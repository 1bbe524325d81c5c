package aws

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

func s3Client(tb testing.TB) *s3.Client {
	tb.Helper()
	return s3.NewFromConfig(sdkConfig(servertest.Moto(tb)), func(o *s3.Options) { o.UsePathStyle = true })
}

// newBucket makes a bucket.
func newBucket(tb testing.TB) string {
	tb.Helper()
	name := unique(tb)
	_, err := s3Client(tb).CreateBucket(context.Background(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"},
	})
	require.NoError(tb, err)
	return name
}

// objects returns the objects of a bucket by their keys.
func objects(tb testing.TB, bucket string) map[string]string {
	tb.Helper()
	c, all := s3Client(tb), map[string]string{}
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		require.NoError(tb, err)
		for _, o := range page.Contents {
			got, err := c.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			require.NoError(tb, err)
			body, err := io.ReadAll(got.Body)
			require.NoError(tb, err)
			require.NoError(tb, got.Body.Close())
			all[*o.Key] = string(body)
		}
	}
	return all
}

func TestS3(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	bucket := newBucket(t)
	a := requireDecode(t, s, fmt.Sprintf(`{"s3":{"roleArn":%q,"bucketName":%q,"key":"${topic()}/${timestamp()}","cannedAcl":"public-read"}}`, testRole, bucket))
	// The published case of AWS.
	require.NoError(t, a.Do(t.Context(), event(t, a, "some/topic", `{"n":1}`, "some/topic/1460685389")))
	well(t, batch(t, a, []actions.Event{
		event(t, a, "t", "\x00\xff", "bytes"), event(t, a, "t", "", "empty"),
		event(t, a, "t", "x", "a b/ü?#%41+&\\\"<>//c"), event(t, a, "t", strings.Repeat("y", 200_000), "large"),
	}))
	errs := batch(t, a, []actions.Event{
		event(t, a, "t", "1", "../other/key"), event(t, a, "t", "2", "a/./b"), event(t, a, "t", "3", strings.Repeat("k", 1025)),
		event(t, a, "t", "4", "bad\xff"), event(t, a, "t", "5", "a/..b"),
	})
	kinds := []string{}
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"permanent", "permanent", "permanent", "permanent", "well"}, kinds, "%v", errs)
	require.ErrorContains(t, errs[0], "a key without the segments . and ..")
	require.Equal(t, map[string]string{
		"some/topic/1460685389": `{"n":1}`, "bytes": "\x00\xff", "empty": "", "a b/ü?#%41+&\\\"<>//c": "x", "large": strings.Repeat("y", 200_000), "a/..b": "5",
	}, objects(t, bucket))
	acl, err := s3Client(t).GetObjectAcl(t.Context(), &s3.GetObjectAclInput{Bucket: &bucket, Key: sdk.String("bytes")})
	require.NoError(t, err)
	var public bool
	for _, g := range acl.Grants {
		public = public || strings.HasSuffix(sdk.ToString(g.Grantee.URI), "/AllUsers")
	}
	require.True(t, public, "%+v", acl.Grants)

	b := a.(actions.Batcher).Batch()
	require.Equal(t, bucket+"/k", b.Distinct(event(t, a, "t", "", "k")))

	missing := s.S3(S3{BucketName: "missing-" + bucket, Key: "k"})
	err = missing.Do(t.Context(), event(t, missing, "t", "1"))
	require.Equal(t, "again", kindOf(err))
	require.ErrorContains(t, err, "S3 PutObject: NoSuchBucket")
	chosen := s.S3(S3{BucketName: "${topic(2)}", Key: "k"})
	require.Equal(t, "permanent", kindOf(chosen.Do(t.Context(), event(t, chosen, "t/missing", "1"))))
	err = chosen.Do(t.Context(), event(t, chosen, "t/.."+bucket, "1"))
	require.ErrorContains(t, err, "bucketName is")
}

func TestS3Errors(t *testing.T) {
	cases := []verdictCase{
		{name: "slow down", code: "SlowDown", status: 503, want: "again"},
		{name: "by itself", code: "InternalError", status: 500, want: "again"},
		{name: "too slow", code: "RequestTimeout", status: 400, want: "again"},
		{name: "cut", code: "IncompleteBody", status: 400, want: "again"},
		{name: "no bucket", code: "NoSuchBucket", status: 404, want: "again"},
		{name: "elsewhere", code: "PermanentRedirect", status: 301, want: "again"},
		{name: "expired", code: "ExpiredToken", status: 400, want: "again"},
		{name: "unknown key", code: "InvalidAccessKeyId", status: 403, want: "again"},
		{name: "at the same time", code: "OperationAborted", status: 409, want: "again"},
		{name: "too large", code: "EntityTooLarge", status: 400, want: "permanent"},
		{name: "key too long", code: "KeyTooLongError", status: 400, want: "permanent"},
		{name: "not implemented", code: "NotImplemented", status: 501, want: "permanent"},
		{name: "no ACLs", code: "AccessControlListNotSupported", status: 400, want: "permanent"},
	}
	xml := func(c verdictCase) (map[string]string, string) {
		return map[string]string{"Content-Type": "application/xml"}, `<?xml version="1.0"?><Error><Code>` + c.code + `</Code><Message>so it is</Message></Error>`
	}
	judgements(t, append(cases, verdictCase{name: "denied", code: "AccessDenied", status: 403, want: "again"}), func(s *Services) (actions.Action, actions.Event) {
		a := s.S3(S3{BucketName: "bucket", Key: "k"})
		return a, event(t, a, "t", "1")
	}, xml)
	// A policy may deny a key, which the device has a part in.
	judgements(t, append(cases, verdictCase{name: "key denied", code: "AccessDenied", status: 403, want: "permanent"}), func(s *Services) (actions.Action, actions.Event) {
		a := s.S3(S3{BucketName: "bucket", Key: "${topic()}"})
		return a, event(t, a, "t", "1")
	}, xml)
}

func TestS3Refused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	role := `"roleArn":"` + testRole + `",`
	for text, expected := range map[string]string{
		`{"s3":{"bucketName":"bucket","key":"k"}}`:                                             "roleArn is missing",
		`{"s3":{` + role + `"key":"k"}}`:                                                       "bucketName is missing",
		`{"s3":{` + role + `"bucketName":"bucket"}}`:                                           "key is missing",
		`{"s3":{` + role + `"bucketName":"Bucket","key":"k"}}`:                                 `bucketName is "Bucket"`,
		`{"s3":{` + role + `"bucketName":"a/b/c","key":"k"}}`:                                  `bucketName is "a/b/c"`,
		`{"s3":{` + role + `"bucketName":"bucket","key":"k","cannedAcl":"secret"}}`:            `cannedAcl is "secret", expected private, public-read`,
		`{"s3":{` + role + `"bucketName":"bucket","key":"` + strings.Repeat("k", 1025) + `"}}`: "key",
		`{"s3":{` + role + `"bucketName":"bucket","key":"k","acl":"private"}}`:                 "acl is not known",
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigS3 is a bucket at moto, with an object for each record, which its key tells. (TestS3
// reads objects.)
func rigS3(tb testing.TB) sinktest.Rig {
	bucket := newBucket(tb)
	return sinktest.Rig{
		Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: true, Once: true, Poison: []byte(`{"key":"..","n":1}`),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).S3(S3{BucketName: bucket, Key: "objects/${key}/${n}"})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			pages := s3.NewListObjectsV2Paginator(s3Client(tb), &s3.ListObjectsV2Input{Bucket: &bucket})
			for pages.HasMorePages() {
				page, err := pages.NextPage(context.Background())
				require.NoError(tb, err)
				for _, o := range page.Contents {
					p := strings.Split(*o.Key, "/")
					n, err := strconv.Atoi(p[2])
					require.NoError(tb, err)
					require.NotZero(tb, *o.Size)
					got = append(got, sinktest.Record{Key: p[1], N: n})
				}
			}
			return got
		},
	}
}

func TestS3Faults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigS3)
}

func BenchmarkS3(b *testing.B) { sinktest.Bench(b, rigS3) }

// FuzzS3Key checks that an object is written under its key, whatever is in that, or refused.
func FuzzS3Key(f *testing.F) {
	for _, key := range []string{"a/b", "a b", "ü?x=1#f", "%2e%2e/x", "..", "a//b/", "/a", "\\..\\", "+&;:@$,", "\x00", "a\nb", "./a", "a/...", "\u202e"} {
		f.Add(key)
	}
	var path, query string
	at := newFront(f, func(_ http.ResponseWriter, r request) { path, query = r.URL.Path, r.URL.RawQuery })
	s := open(f, at.url, nil)
	a := s.S3(S3{BucketName: "bucket", Key: "${k}"})
	f.Fuzz(func(t *testing.T, key string) {
		path = ""
		if err := a.Do(t.Context(), event(t, a, "t", "1", key)); err != nil {
			if kindOf(err) != "permanent" {
				t.Fatalf("%q: %v", key, err)
			}
			return
		}
		if path != "/bucket/"+key || query != "x-id=PutObject" {
			t.Fatalf("%q was written to %q?%s", key, path, query)
		}
	})
}
