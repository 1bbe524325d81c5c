package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/examples/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

func TestFleet(t *testing.T) {
	t.Parallel()
	p := programtest.Start(t, "-devices", "40", "-parallel", "8", "-within", "30s")
	require.Zero(t, p.Wait(t), "%s", p.Stderr())
	require.Empty(t, p.Stderr())
	for _, want := range []string{
		"\n10 of 40 devices are provisioned and connected.\n",
		"\n40 of 40 devices are provisioned and connected.\n",
		"\nAll 40 devices are connected with certificates of their own, and each reported in its own name.\n",
		" was rejected: AccessDenied.\n",
		"\nsensor-000001 was revoked while it reported, and was cut off after ",
		": DISCONNECT with reason 0x87.\n",
		"\nIt cannot come back. Its neighbour sensor-000002 goes on.\n",
		"\nprovisioned  40 devices in ",
		"\nconnected    39 devices at the end\n",
	} {
		require.Contains(t, p.Stdout(), want)
	}
	require.Less(t, strings.Count(p.Stdout(), "\n"), 20, "a few lines")
}

// TestFails: the exit status tells, and so does the message.
func TestFails(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-devices 1":           "-devices is 1, expected 2 to 10000",
		"-devices 10001":       "-devices is 10001, expected 2 to 10000",
		"-parallel 0":          "-parallel is 0, expected 1 to 64",
		"-parallel 65":         "-parallel is 65, expected 1 to 64",
		"-within 0s":           "-within is 0s, expected more than 0",
		"-timeout -1s":         "-timeout is -1s, expected more than 0",
		"now":                  `argument "now", expected flags only`,
		"-addr 127.0.0.1:none": "lookup tcp/none",
		"-timeout 1ms":         "it took longer than 1ms (-timeout)",
		// Whoever is cut off too late has not been cut off as promised.
		"-devices 2 -within 1ns": "expected 1ns (-within)",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			p := programtest.Start(t, strings.Fields(args)...)
			require.Equal(t, 1, p.Wait(t))
			require.Contains(t, p.Stderr(), want)
			require.NotContains(t, p.Stdout(), "at the end")
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	p := programtest.Start(t, "-devices", "10000")
	p.Line(t, "The hub listens on ")
	p.Signal(t, os.Interrupt)
	require.Equal(t, 1, p.Wait(t))
	require.Contains(t, p.Stderr(), "interrupt")
}
