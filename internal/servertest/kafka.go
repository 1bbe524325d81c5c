//go:build unix

package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Kafka returns the address of a Kafka broker, a cluster of one node without topics, for
// all tests of a binary. Topics are made by hand, with one replica. Everybody may do
// everything with what has no access control list.
func Kafka(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "kafka", startKafka)
}

// kafkaJava are the arguments of a JVM that needs little and starts soon.
func kafkaJava(dir string, args ...string) []string {
	_, file, _, _ := runtime.Caller(0)
	jars := filepath.Join(filepath.Dir(file), "..", "..", ".tools", "kafka", "*")
	return append([]string{
		"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=" + dir,
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars,
	}, args...)
}

func startKafka() (_ string, _ func(), err error) {
	var s *Server
	dir, err := Dir("")
	if err != nil {
		return "", nil, err
	}
	end := func() {
		if s != nil {
			s.Kill()
		}
		_ = os.RemoveAll(dir)
	}
	defer func() {
		if err != nil {
			end()
		}
	}()

	port, control, err := twoPorts()
	if err != nil {
		return "", nil, err
	}
	addr := Addr(port)
	file := filepath.Join(dir, "server.properties")
	properties := strings.NewReplacer("ADDR", addr, "CONTROL", Addr(control), "DIR", filepath.Join(dir, "log")).Replace(`
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@CONTROL
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://ADDR,CONTROLLER://CONTROL
advertised.listeners=PLAINTEXT://ADDR
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=DIR
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
`)
	if err := os.WriteFile(file, []byte(properties), 0o600); err != nil {
		return "", nil, err
	}
	java, err := Find("java")
	if err != nil {
		return "", nil, err
	}
	format := exec.Command(java, kafkaJava(dir, "kafka.tools.StorageTool", "format", "--cluster-id", "dGhpbmdodWItdGVzdHMtMQ", "--config", file)...)
	if out, err := format.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("kafka.tools.StorageTool: %w; scripts/testdeps.sh installs what the tests talk to; it wrote:\n%s", err, out)
	}
	s, err = Run(Program{Name: java, Args: kafkaJava(dir, "kafka.Kafka", file), Dir: dir, Ready: Dials(addr)})
	if err != nil {
		return "", nil, err
	}
	return addr, end, nil
}

// twoPorts returns two ports of loopback that are free now.
func twoPorts() (a, b int, err error) {
	if a, err = Port(); err == nil {
		b, err = Port()
	}
	return a, b, err
}
