package sigv4_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/sigv4"
)

// TestPublished verifies signatures that AWS has published: the example of its
// documentation, and cases of its test suite.
func TestPublished(t *testing.T) {
	t.Parallel()
	const scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
	for _, c := range []struct{ name, service, wire string }{
		{
			"documentation", "iam",
			"GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\r\nHost: iam.amazonaws.com\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\nX-Amz-Date: 20150830T123600Z\r\n" +
				"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7\r\n\r\n",
		},
		{
			"get-vanilla", "service",
			"GET / HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\n" +
				"Authorization: AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n\r\n",
		},
		{
			"get-vanilla-query-order-key-case", "service",
			"GET /?Param2=value2&Param1=value1 HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\n" +
				"Authorization: AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500\r\n\r\n",
		},
		{
			"post-vanilla", "service",
			"POST / HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\n" +
				"Authorization: AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b\r\n\r\n",
		},
		{
			"get-slashes", "service", // as get-slash-dot-slash: only / is left
			"GET //./ HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\n" +
				"Authorization: AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n\r\n",
		},
		{
			"get-vanilla of the older suite, with Date", "host",
			"GET / HTTP/1.1\r\nHost: host.foo.com\r\nDate: Mon, 09 Sep 2011 23:36:00 GMT\r\n" +
				"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20110909/us-east-1/host/aws4_request, SignedHeaders=date;host, Signature=b27ccfbfa7df52a200ff74193ca6e32d4b48b8856fab7ebf1c595d0670a7e470\r\n\r\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := verifier(t, func(cfg *sigv4.Config) {
				cfg.Services = []string{c.service}
				if c.service == "host" {
					cfg.Now = at(time.Date(2011, 9, 9, 23, 36, 0, 0, time.UTC))
				}
			})
			id, err := a.Authenticate(t.Context(), read(t, c.wire))
			require.NoError(t, err)
			require.Equal(t, admin, id)
		})
	}
}
