//go:build unix

package servertest

import (
	"fmt"
	"os"
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
	return Shared(tb, "rabbitmq", startRabbitMQ)
}

func startRabbitMQ() (_ string, _ func(), err error) {
	var epmd, s *Server
	dir, err := Dir("")
	if err != nil {
		return "", nil, err
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
		return "", nil, err
	}
	epmd, err = Run(Program{
		Name: "epmd", Args: []string{"-address", "127.0.0.1", "-port", strconv.Itoa(mapper)}, Dir: dir,
		Ready: Dials(Addr(mapper)),
	})
	if err != nil {
		return "", nil, err
	}
	port, err := Port()
	if err != nil {
		return "", nil, err
	}
	config := fmt.Sprintf("max_message_size = %d\nlog.console = true\nlog.console.level = warning\nlog.file = false\n", RabbitMQMaxMessage)
	for name, text := range map[string]string{"rabbitmq.conf": config, "env.conf": "", "plugins": "[].\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", nil, err
		}
	}
	// The program on the PATH changes the user and the folder.
	name := "/usr/lib/rabbitmq/bin/rabbitmq-server"
	if _, err := os.Stat(name); err != nil {
		name = "rabbitmq-server"
	}
	s, err = Run(Program{
		Name: name, Dir: dir,
		Env: []string{
			"HOME=" + dir,
			"ERL_EPMD_ADDRESS=127.0.0.1",
			"ERL_EPMD_PORT=" + strconv.Itoa(mapper),
			fmt.Sprintf("RABBITMQ_NODENAME=thinghub%d@localhost", port),
			"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
			"RABBITMQ_NODE_PORT=" + strconv.Itoa(port),
			"RABBITMQ_DIST_PORT=" + strconv.Itoa(dist),
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
			"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(dir, "env.conf"),
			"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq.conf"),
			"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "plugins"),
			"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "mnesia"),
			"RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
			"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(dir, "config"),
		},
		Ready: Dials(Addr(port)),
	})
	if err != nil {
		return "", nil, err
	}
	return Addr(port), end, nil
}
