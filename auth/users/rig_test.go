package users_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/users"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// cheap hashes keep the tests short.
var cheap = users.HashParams{Memory: 64, Time: 1, Parallelism: 1}

// A rig is a service and its clock.
type rig struct {
	*users.Service
	clock   time.Time
	changed []string
	dir     *auth.Memory
}

func newRig(t testing.TB, change ...func(*users.Config)) *rig {
	t.Helper()
	r := &rig{clock: noon, dir: auth.NewMemory()}
	cfg := users.Config{
		Directory: r.dir, Hash: cheap, Scope: users.Scope{Region: "eu-central-1", Account: "123456789012"},
		Now: func() time.Time { return r.clock }, Changed: func(name string) { r.changed = append(r.changed, name) },
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := users.New(cfg)
	require.NoError(t, err)
	r.Service = s
	return r
}

func (r *rig) create(t testing.TB, name, password string) {
	t.Helper()
	_, err := r.Create(t.Context(), users.NewUser{Name: name, Password: password})
	require.NoError(t, err)
}

func from(addr string) net.Addr {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		panic(err)
	}
	return a
}

func connect(name, password string) *auth.Credentials {
	return &auth.Credentials{Username: name, HasUsername: true, Password: []byte(password), ProtocolVersion: 5}
}

func (r *rig) login(t testing.TB, name, password string) (*auth.Identity, error) {
	t.Helper()
	return r.Authenticate(t.Context(), connect(name, password))
}

// loginFrom logs in from an address.
func (r *rig) loginFrom(t testing.TB, addr, name, password string) error {
	t.Helper()
	c := connect(name, password)
	c.RemoteAddr = from(addr)
	_, err := r.Authenticate(t.Context(), c)
	return err
}
