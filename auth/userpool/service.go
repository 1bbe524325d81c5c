package userpool

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/internal/password"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A Service keeps user pools. All methods are safe for concurrent use.
type Service struct {
	cfg    Config
	hasher *password.Hasher
	guard  *password.Guard
	nobody password.Hash // of no password, for names that nobody has
	rates  *rates
	keys   *keyring
	room   *audit.Room

	pools    records.Table[poolRecord]   // pool
	clients  records.Table[clientRecord] // pool, client
	poolOf   records.Table[string]       // client: the id of its pool
	users    records.Table[userRecord]   // pool, key of the user
	aliases  records.Table[string]       // pool, attribute, value: the key of the user
	values   records.Table[struct{}]     // pool, attribute, value, key of the user
	groups   records.Table[groupRecord]  // pool, name
	members  records.Table[struct{}]     // pool, id of the group, key of the user
	logins   records.Table[loginRecord]  // pool, origin
	loginEnd records.Table[struct{}]     // hour, pool, origin
	answered records.Table[struct{}]     // hour, pool, id of the sign-in, number of the step
	nobodies records.Table[userRecord]   // pool
}

// New returns a service, and makes the pools of cfg that are not there. An error names
// the field of cfg that is to blame, or is the Directory's.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, hasher: password.NewHasher(cfg.Parallel, cfg.Waiting), guard: password.NewGuard(cfg.PerUser, cfg.PerAddress),
		nobody: password.Nobody(cfg.Hash), rates: newRates(cfg.Now),
		room:     &audit.Room{Service: "cognito-idp", Audit: cfg.Audit, Now: cfg.Now, Judge: judge},
		pools:    records.NewTable[poolRecord](cfg.Directory, "userpool"),
		clients:  records.NewTable[clientRecord](cfg.Directory, "userpool-client"),
		poolOf:   records.NewTable[string](cfg.Directory, "userpool-client-of"),
		users:    records.NewTable[userRecord](cfg.Directory, "userpool-user"),
		aliases:  records.NewTable[string](cfg.Directory, "userpool-alias"),
		values:   records.NewTable[struct{}](cfg.Directory, "userpool-value"),
		groups:   records.NewTable[groupRecord](cfg.Directory, "userpool-group"),
		members:  records.NewTable[struct{}](cfg.Directory, "userpool-member"),
		logins:   records.NewTable[loginRecord](cfg.Directory, "userpool-login"),
		loginEnd: records.NewTable[struct{}](cfg.Directory, "userpool-login-end"),
		answered: records.NewTable[struct{}](cfg.Directory, "userpool-answered"),
		nobodies: records.NewTable[userRecord](cfg.Directory, "userpool-nobody"),
	}
	s.keys = newKeyring(&s.cfg)
	for i, d := range cfg.Pools {
		if err := s.define(context.Background(), d); err != nil {
			return nil, fmt.Errorf("userpool: Config.Pools[%d]: %w", i, err)
		}
	}
	return s, nil
}

// define makes what a definition has where it is not there.
func (s *Service) define(ctx context.Context, d Definition) error {
	if !poolID.MatchString(d.ID) || len(d.ID) > 55 {
		return invalid("ID", d.ID, "a region, _ and letters or digits, such as eu-central-1_AbCdEfGhI")
	}
	_, err := s.createPool(ctx, d.ID, d.Pool)
	if err != nil && !errors.Is(err, auth.ErrConflict) {
		return err
	}
	for i, c := range d.Clients {
		if !clientID.MatchString(c.ID) {
			return fmt.Errorf("client %d: %w", i, invalid("ID", c.ID, "1 to 128 letters, digits and _+"))
		}
		if c.Secret != "" && !clientSecret.MatchString(c.Secret) {
			return fmt.Errorf("client %d: %w", i, secretField("Secret", "24 to 64 letters, digits and _+"))
		}
		c.Client.UserPoolID = d.ID
		if _, err := s.createClient(ctx, c.ID, c.Secret, c.Client); err != nil && !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("client %d: %w", i, err)
		}
	}
	return nil
}

// ARN returns the resource name of a pool, whether there is one or not.
func (s *Service) ARN(pool string) string { return s.cfg.Scope.Of("cognito-idp", "userpool/"+pool) }

// IssuerOf returns what the tokens of a pool have in iss.
func (s *Service) IssuerOf(pool string) string { return s.cfg.Issuer + "/" + pool }

type addrKey struct{}

// WithAddr returns a context for calls on behalf of somebody at an address, which is
// what limits per address count by. Without it they do not count.
func WithAddr(ctx context.Context, addr net.Addr) context.Context {
	return context.WithValue(ctx, addrKey{}, addr)
}

// addrOf is what the address of a caller counts as; "" if it is not known.
func addrOf(ctx context.Context) string {
	addr, _ := ctx.Value(addrKey{}).(net.Addr)
	return password.AddressOf(addr)
}

// commit is Directory.Commit.
func (s *Service) commit(ctx context.Context, changes ...auth.Change) error {
	return s.cfg.Directory.Commit(ctx, changes...)
}

// tries is how often a change is made again because others were faster.
const tries = 64
