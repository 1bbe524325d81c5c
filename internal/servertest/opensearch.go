//go:build unix

package servertest

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
)

//go:embed opensearch.txt
var openSearchFiles string

var openSearchVersion = regexp.MustCompile(`(?m)/opensearch-core-(.*)\.jar$`)

// OpenSearchLimit is how many bytes a request to [OpenSearch] may have.
const OpenSearchLimit = 2 << 20

// OpenSearch returns the address of an OpenSearch node for all tests of a binary: one
// node, HTTP without a password, data in a folder that is removed at the end.
func OpenSearch(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "opensearch", startOpenSearch)
}

func startOpenSearch() (addr string, end func(), err error) {
	home, err := openSearchHome()
	if err != nil {
		return "", nil, err
	}
	dir, err := Dir("")
	if err != nil {
		return "", nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	port, err := Port()
	if err == nil {
		err = openSearchConfig(dir, port)
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	addr = Addr(port)
	s, err := Run(Program{
		Name: "java",
		Args: []string{
			"-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
			// Without native code it does not mind to be run by root, as in a container.
			"-Djna.nounpack=true", "-Djna.nosys=true", "-Djava.security.manager=allow", "-Dlog4j2.disable.jmx=true",
			"-Djava.io.tmpdir=" + dir, "-Dopensearch.path.home=" + home, "-Dopensearch.path.conf=" + dir,
			"-cp", filepath.Join(home, "lib", "*"), "org.opensearch.bootstrap.OpenSearch",
		},
		Dir:   dir,
		Ready: Answers("http://" + addr + "/_cluster/health?wait_for_status=yellow&timeout=5s"),
	})
	if err != nil {
		remove()
		return "", nil, err
	}
	return addr, func() {
		s.Kill()
		remove()
	}, nil
}

// openSearchHome is where internal/servertest/opensearch.sh puts the node.
func openSearchHome() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	version := openSearchVersion.FindStringSubmatch(openSearchFiles)[1]
	home := filepath.Join(filepath.Dir(file), "..", "..", ".tools", "opensearch", version)
	if _, err := os.Stat(home); err != nil {
		return "", fmt.Errorf("OpenSearch %s is not there; scripts/testdeps.sh gets what the tests talk to: %w", version, err)
	}
	return home, nil
}

func openSearchConfig(dir string, port int) error {
	transport, err := Port()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"opensearch.yml": fmt.Sprintf(`cluster.name: test
node.name: test
network.host: 127.0.0.1
http.port: %d
http.max_content_length: %db
transport.port: %d
discovery.type: single-node
path.data: %s
path.logs: %s
cluster.routing.allocation.disk.threshold_enabled: false
`, port, OpenSearchLimit, transport, filepath.Join(dir, "data"), filepath.Join(dir, "logs")),
		"log4j2.properties": `appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1.}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
