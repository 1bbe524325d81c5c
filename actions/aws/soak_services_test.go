//go:build soak

package aws

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

// TestSoakServices is what the TestXFaults of these services are, with long outages.
func TestSoakServices(t *testing.T) {
	for name, rig := range map[string]func(tb testing.TB) sinktest.Rig{
		"CloudWatchAlarm": rigAlarm, "CloudWatchLogs": rigLogs, "CloudWatchMetric": rigMetric, "EventBridge": rigBus,
		"Lambda": rigLambda, "SageMaker": rigModel, "StepFunctions": rigSteps, "Timestream": rigTimestream,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Soak(t, rig)
		})
	}
}
