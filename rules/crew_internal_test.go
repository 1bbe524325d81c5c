package rules

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCrew_StoppedBeforeItRuns has a Run that looked whether the service is shut down just
// before that happened. What waits is kept meanwhile, so nobody must begin to work on it.
func TestCrew_StoppedBeforeItRuns(t *testing.T) {
	var c crew
	began := false
	c.once(func(context.Context) { began = true })
	stop := make(chan struct{})
	close(stop)
	require.NoError(t, c.run(t.Context(), stop))
	require.False(t, began)
	<-c.running()
}
