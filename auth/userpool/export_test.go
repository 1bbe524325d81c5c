package userpool

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Numbers of SRP and of software tokens, for clients in tests.
var (
	SRPN, SRPG = srpN, srpG
	Padded     = padded
	TOTPCode   = totpCode
	NewSRP     = func(pool, id, password string, salt []byte) *big.Int { return srpX(pool, id, password, salt) }
)

// UseKeys makes the service sign with keys made before, since that takes long.
func UseKeys(s *Service, next func() *rsa.PrivateKey) {
	s.keys.make = func() (*rsa.PrivateKey, error) { return next(), nil }
}

// GenerateKey makes a key for UseKeys.
func GenerateKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		panic(err)
	}
	return k
}

// SigningKey is the key that signs tokens of a pool, and its kid.
func SigningKey(s *Service, pool string) (*rsa.PrivateKey, string) {
	k, err := s.keys.signing(context.Background(), pool)
	if err != nil {
		panic(err)
	}
	return k.private, k.kid
}

// Occupy takes all turns of the hasher.
func Occupy(s *Service) (free func()) { return s.hasher.Occupy() }

// Sweep deletes what has expired.
func Sweep(ctx context.Context, s *Service) error { return s.sweep(ctx) }

// SweepEvery is how often Run does.
const SweepEvery time.Duration = sweepEvery

// ParseFilter reads a filter of ListUsers.
func ParseFilter(text string) (name, value string, prefix bool, err error) {
	f, err := parseFilter(text)
	if f == nil {
		return "", "", false, err
	}
	return f.name, f.value, f.prefix, err
}

// Operations are the names of those that are offered over HTTP.
func Operations() []string { return slices.Sorted(maps.Keys(operations)) }

// Index is what users of a pool can be found by, and Derived what it should be.
func Index(ctx context.Context, s *Service, pool string) (list []string) {
	for e, err := range s.aliases.List(ctx, []string{pool}, nil) {
		if err != nil {
			panic(err)
		}
		list = append(list, strings.Join(e.ID[1:], "=")+" -> "+e.Value)
	}
	for e, err := range s.values.List(ctx, []string{pool}, nil) {
		if err != nil {
			panic(err)
		}
		list = append(list, strings.Join(e.ID[1:], "="))
	}
	for e, err := range s.members.List(ctx, []string{pool}, nil) {
		if err != nil {
			panic(err)
		}
		list = append(list, strings.Join(e.ID[1:], "="))
	}
	slices.Sort(list)
	return list
}

// Derived is the index that the users of a pool need.
func Derived(ctx context.Context, s *Service, pool string) (list []string) {
	p, _, err := s.pool(ctx, pool)
	if err != nil {
		panic(err)
	}
	for e, err := range s.users.List(ctx, []string{pool}, nil) {
		if err != nil {
			panic(err)
		}
		key := e.ID[1]
		for a := range p.aliasesOf(&e.Value) {
			list = append(list, a.attribute+"="+a.value+" -> "+key)
		}
		for _, a := range indexed {
			if v := e.Value.Attributes[a]; v != "" {
				list = append(list, a+"="+v+"="+key)
			}
		}
		for _, id := range e.Value.Groups {
			list = append(list, id+"="+key)
		}
	}
	slices.Sort(list)
	return list
}
