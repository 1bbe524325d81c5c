//go:build soak

package aws

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

// TestSoakSinks is what the TestXFaults of these services are, with long outages.
func TestSoakSinks(t *testing.T) {
	for name, rig := range map[string]func(tb testing.TB) sinktest.Rig{
		"DynamoDB": rigDynamoV1, "DynamoDBv2": rigDynamo, "Firehose": rigFirehose, "Kinesis": rigKinesisAlone, "S3": rigS3,
		"SNS": rigSNS(""), "SNS FIFO": rigSNS(".fifo"), "SQS": rigSQS(""), "SQS FIFO": rigSQS(".fifo"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Soak(t, rig)
		})
	}
}
