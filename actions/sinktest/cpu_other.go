//go:build !unix

package sinktest

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
