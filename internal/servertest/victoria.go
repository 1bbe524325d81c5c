//go:build unix

package servertest

import (
	"os"
	"testing"
)

// VictoriaMetrics is the address of a VictoriaMetrics that keeps what is up to a hundred
// years old.
func VictoriaMetrics(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "victoria-metrics", func() (string, func(), error) {
		dir, err := Dir("")
		if err != nil {
			return "", nil, err
		}
		port, err := Port()
		if err != nil {
			return "", nil, err
		}
		addr := Addr(port)
		s, err := Run(Program{
			Name:  "victoria-metrics",
			Args:  []string{"-httpListenAddr=" + addr, "-storageDataPath=" + dir, "-retentionPeriod=100y", "-search.latencyOffset=0s", "-loggerLevel=ERROR"},
			Ready: Answers("http://" + addr + "/health"),
		})
		if err != nil {
			return "", nil, err
		}
		return addr, func() {
			s.Kill()
			_ = os.RemoveAll(dir)
		}, nil
	})
}
