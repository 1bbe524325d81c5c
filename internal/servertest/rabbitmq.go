//go:build unix

package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// RabbitMQMaxMessage is the largest message that the broker of [RabbitMQ] takes.
const RabbitMQMaxMessage = 64 << 10

// RabbitMQ returns the address of a RabbitMQ broker for all tests of a binary. Its user is
// guest with that as the password, who may do everything.
func RabbitMQ(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "rabbitmq", startRabbitMQ).addr
}

// RabbitMQCtl runs rabbitmqctl for the broker of [RabbitMQ].
func RabbitMQCtl(tb testing.TB, args ...string) {
	tb.Helper()
	r := Shared(tb, "rabbitmq", startRabbitMQ)
	cmd := exec.Command(rabbitProgram("rabbitmqctl"), append([]string{"-n", r.node}, args...)...)
	cmd.Env = append(cmd.Environ(), r.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("rabbitmqctl %v: %v\n%s", args, err, out)
	}
}

type rabbit struct {
	addr, node string
	env        []string
}

// rabbitProgram returns the path of a program. That on the PATH changes the user and the
// folder.
func rabbitProgram(name string) string {
	path := "/usr/lib/rabbitmq/bin/" + name
	if _, err := os.Stat(path); err != nil {
		return name
	}
	return path
}

func startRabbitMQ() (_ rabbit, _ func(), err error) {
	var epmd, s *Server
	dir, err := Dir("")
	if err != nil {
		return rabbit{}, nil, err
	}
	end := func() {
		for _, s := range [...]*Server{s, epmd} {
			if s != nil {
				s.Kill()
			}
		}
		_ = os.RemoveAll(dir)
	}
	defer func() {
		if err != nil {
			end()
		}
	}()

	// Erlang's port mapper would outlive the broker that starts it.
	mapper, dist, err := twoPorts()
	if err != nil {
		return rabbit{}, nil, err
	}
	epmd, err = Run(Program{
		Name: "epmd", Args: []string{"-address", "127.0.0.1", "-port", strconv.Itoa(mapper)}, Dir: dir,
		Ready: Dials(Addr(mapper)),
	})
	if err != nil {
		return rabbit{}, nil, err
	}
	port, err := Port()
	if err != nil {
		return rabbit{}, nil, err
	}
	config := fmt.Sprintf("max_message_size = %d\nlog.console = true\nlog.console.level = warning\nlog.file = false\n", RabbitMQMaxMessage)
	for name, text := range map[string]string{"rabbitmq.conf": config, "env.conf": "", "plugins": "[].\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return rabbit{}, nil, err
		}
	}
	r := rabbit{addr: Addr(port), node: fmt.Sprintf("thinghub%d@localhost", port), env: []string{
		"HOME=" + dir,
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_EPMD_PORT=" + strconv.Itoa(mapper),
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(dir, "env.conf"),
	}}
	s, err = Run(Program{
		Name: rabbitProgram("rabbitmq-server"), Dir: dir,
		Env: append([]string{
			"RUNNING_UNDER_SYSTEMD=true", // no shell stands between us and the broker
			"RABBITMQ_NODENAME=" + r.node,
			"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
			"RABBITMQ_NODE_PORT=" + strconv.Itoa(port),
			"RABBITMQ_DIST_PORT=" + strconv.Itoa(dist),
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
			"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq.conf"),
			"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "plugins"),
			"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "mnesia"),
			"RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
			"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(dir, "config"),
		}, r.env...),
		Ready: Dials(r.addr),
	})
	if err != nil {
		return rabbit{}, nil, err
	}
	return r, end, nil
}
