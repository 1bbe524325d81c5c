package thinghub_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const corePath = "github.com/thinghub/thinghub"

// TestModules keeps the core light: whoever embeds the hub compiles no module
// that testdata/modules.txt does not name.
func TestModules(t *testing.T) {
	t.Parallel()
	everybody, tests := allowedModules(t)

	var hosts []string
	for _, pkg := range goList(t, "{{.ImportPath}}", "./...") {
		if !strings.Contains(pkg+"/", "test/") {
			hosts = append(hosts, pkg)
		}
	}
	require.Subset(t, everybody, compiledModules(t, hosts...),
		"a package for host programs brings in a module that testdata/modules.txt does not allow")
	require.Subset(t, append(tests, everybody...), compiledModules(t, "./..."),
		"a package brings in a module that testdata/modules.txt does not allow")
}

// allowedModules reads testdata/modules.txt: a module path a line, followed by
// "tests" if only *test folders may need it.
func allowedModules(t *testing.T) (everybody, tests []string) {
	t.Helper()
	list, err := os.ReadFile("testdata/modules.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(list)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "#":
		case len(fields) == 1:
			everybody = append(everybody, fields[0])
		default:
			require.Equal(t, []string{fields[0], "tests"}, fields)
			tests = append(tests, fields[0])
		}
	}
	return append(everybody, corePath), tests
}

func compiledModules(t *testing.T, pkgs ...string) []string {
	t.Helper()
	return goList(t, "{{with .Module}}{{.Path}}{{end}}", append([]string{"-deps"}, pkgs...)...)
}

// goList returns what go list prints, outside the workspace: the module as
// others get it.
func goList(t *testing.T, format string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, args...)...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return strings.Fields(string(out))
}
