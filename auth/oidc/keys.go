package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// shortestRSA is the least size of RSA keys, in bits.
const shortestRSA = 2048

// mostKeys bounds the keys of an issuer. Real ones have two to ten.
const mostKeys = 100

// A key is a public key with what its issuer says about it.
type key struct {
	id, algorithm string // empty: not said
	public        crypto.PublicKey
}

// keys are those of an issuer.
type keys []key

// find returns the keys that may have signed a token: those with its key id that are of
// use for its algorithm. A token without a key id is from the only key of that use there
// is; with several it would have to say which (OpenID Connect Core, section 10.1).
func (k keys) find(id, algorithm string) (found keys) {
	for _, one := range k {
		if (id == "" || one.id == id) && one.fits(algorithm) {
			found = append(found, one)
		}
	}
	if id == "" && len(found) > 1 {
		return nil
	}
	return found
}

// fits says whether a key is for an algorithm.
func (k key) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return algorithm == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[p.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// checkKey checks that a key is a public one that nobody can guess.
func checkKey(k any) error {
	switch p := k.(type) {
	case *rsa.PublicKey:
		if p.N.BitLen() < shortestRSA {
			return fmt.Errorf("an RSA key of %d bits, expected %d or more", p.N.BitLen(), shortestRSA)
		}
		return nil
	case *ecdsa.PublicKey:
		if s := p.Curve.Params().BitSize; s != 256 && s != 384 && s != 521 {
			return fmt.Errorf("a key on %s, expected P-256, P-384 or P-521", p.Curve.Params().Name)
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("a %T, expected a public key of RSA, ECDSA or Ed25519", k)
}

// parsePEM reads a public key.
func parsePEM(text []byte) (crypto.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM, expected -----BEGIN PUBLIC KEY-----")
	}
	if strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("more than one PEM block, expected one")
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = c.PublicKey
		}
	default:
		return nil, fmt.Errorf("a %s, expected a PUBLIC KEY", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("a %s that cannot be read: %w", block.Type, err)
	}
	return public, checkKey(public)
}

// parseSet reads a JSON Web Key Set. Keys that are of no use here are left out: those for
// encryption, shared and private ones, short ones and those of kinds that are not known.
func parseSet(text []byte) (keys, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("no JSON Web Key Set: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New(`no JSON Web Key Set, expected a member "keys"`)
	}
	if len(*set.Keys) > mostKeys {
		return nil, fmt.Errorf("a JSON Web Key Set of %d keys, expected at most %d", len(*set.Keys), mostKeys)
	}
	var list keys
	for _, raw := range *set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) != nil || k.Use != "" && k.Use != "sig" || checkKey(k.Key) != nil {
			continue
		}
		list = append(list, key{k.KeyID, k.Algorithm, k.Key})
	}
	return list, nil
}

// staticKeys are those of the configuration.
func (c *Config) staticKeys() (keys, error) {
	var list keys
	for i, k := range c.Keys {
		public, err := parsePEM(k.PEM)
		if err != nil {
			return nil, fmt.Errorf("oidc: Config.Keys[%d].PEM (%q) is %w", i, k.ID, err)
		}
		for _, other := range list {
			if other.id == k.ID {
				return nil, fmt.Errorf("oidc: Config.Keys[%d].ID is %q, which another key has already", i, k.ID)
			}
		}
		list = append(list, key{id: k.ID, public: public})
	}
	if len(c.KeysJSON) > 0 {
		set, err := parseSet(c.KeysJSON)
		if err != nil {
			return nil, fmt.Errorf("oidc: Config.KeysJSON is %w", err)
		}
		list = append(list, set...)
	}
	for _, k := range list {
		for _, a := range c.Algorithms {
			if k.fits(a) {
				return list, nil
			}
		}
	}
	return nil, fmt.Errorf("oidc: Config.Keys and KeysJSON have no key for the Algorithms %s, expected one at least", strings.Join(c.Algorithms, ", "))
}
