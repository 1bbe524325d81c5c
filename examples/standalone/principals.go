package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/registry"
)

// principals are who may come in, and what they may do, as the file says.
type principals struct {
	policies     []named // documents by name
	users        []user
	keys         []accessKey
	certificates []certificate
	authorities  []authority
	logins       []tokenIssuer
	crl          string // a file's path
}

type named struct{ name, document string }

type user struct {
	name, password, thing string
	policies              []string
}

type accessKey struct {
	id, secret string
	policies   []string
}

type certificate struct {
	pem              string
	status           certs.Status
	policies, things []string
}

type authority struct {
	file, keyFile string // paths
	autoRegister  bool
}

// trusting reports that the file says who may come in and nothing of what they may do:
// then everybody who is let in may do everything.
func (p *principals) trusting() bool {
	return len(p.users) > 0 && len(p.policies)+len(p.keys)+len(p.certificates)+len(p.authorities)+len(p.logins) == 0 &&
		!slices.ContainsFunc(p.users, func(u user) bool { return len(u.policies) > 0 })
}

func (p *principals) empty() bool {
	return len(p.users)+len(p.keys)+len(p.certificates)+len(p.authorities)+len(p.logins) == 0
}

func texts(field string, data []byte) (list []string, err error) {
	err = elements(field, data, func(at string, v json.RawMessage) error {
		s, err := text(at, v)
		list = append(list, s)
		return err
	})
	return list, err
}

func flagOf(field string, data []byte) (bool, error) {
	var b *bool
	if err := json.Unmarshal(data, &b); err != nil || b == nil {
		return false, fmt.Errorf("%s is %.40s, expected true or false", field, data)
	}
	return *b, nil
}

func (f *file) addPolicies(value json.RawMessage) error {
	err := members(value, func(name string, v json.RawMessage) error {
		f.policies = append(f.policies, named{name, string(v)})
		return nil
	})
	if err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	return nil
}

func (f *file) addUser(field string, value json.RawMessage) error {
	var u user
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "name":
			u.name, err = text(field+".name", v)
		case "password":
			u.password, err = secret(field+".password", v)
		case "policies":
			u.policies, err = texts(field+".policies", v)
		case "thing":
			u.thing, err = text(field+".thing", v)
		default:
			err = fmt.Errorf("unknown name %q in %s, expected name, password, policies or thing", name, field)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case u.name == "" || u.password == "":
		return fmt.Errorf("%s has no name or no password, expected both", field)
	}
	for _, other := range f.users {
		if other.name == u.name {
			return fmt.Errorf("%s.name is %q, which another user has already", field, u.name)
		}
	}
	f.users = append(f.users, u)
	return nil
}

func (f *file) addKey(field string, value json.RawMessage) error {
	var k accessKey
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "id":
			k.id, err = text(field+".id", v)
		case "secret":
			k.secret, err = secret(field+".secret", v)
		case "policies":
			k.policies, err = texts(field+".policies", v)
		default:
			err = fmt.Errorf("unknown name %q in %s, expected id, secret or policies", name, field)
		}
		return err
	})
	if err == nil && (k.id == "" || k.secret == "") {
		err = fmt.Errorf("%s has no id or no secret, expected both", field)
	}
	f.keys = append(f.keys, k)
	return err
}

// readText reads a file that the configuration names.
func (f *file) readText(field string, v json.RawMessage) (string, error) {
	name, err := text(field, v)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(f.path(name))
	if err != nil {
		return "", fmt.Errorf("%s is %q, expected a file: %w", field, name, err)
	}
	return string(data), nil
}

func (f *file) addCertificate(field string, value json.RawMessage) error {
	c := certificate{status: certs.Active}
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "file":
			c.pem, err = f.readText(field+".file", v)
		case "status":
			var s string
			s, err = text(field+".status", v)
			c.status = certs.Status(s)
		case "policies":
			c.policies, err = texts(field+".policies", v)
		case "things":
			c.things, err = texts(field+".things", v)
		default:
			err = fmt.Errorf("unknown name %q in %s, expected file, status, policies or things", name, field)
		}
		return err
	})
	if err == nil && c.pem == "" {
		err = fmt.Errorf("%s has no file", field)
	}
	f.certificates = append(f.certificates, c)
	return err
}

func (f *file) addAuthority(field string, value json.RawMessage) error {
	var a authority
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "file":
			a.file, err = f.filePath(field+".file", v)
		case "keyFile":
			a.keyFile, err = f.filePath(field+".keyFile", v)
		case "autoRegister":
			a.autoRegister, err = flagOf(field+".autoRegister", v)
		default:
			err = fmt.Errorf("unknown name %q in %s, expected file, keyFile or autoRegister", name, field)
		}
		return err
	})
	if err == nil && a.file == "" {
		err = fmt.Errorf("%s has no file", field)
	}
	f.authorities = append(f.authorities, a)
	return err
}

// admit puts the file's principals and policies into the hub. What is there already stays
// as it is.
func (f *file) admit(ctx context.Context, hub *thinghub.Hub) error {
	if hub.Policies() == nil && !f.trusting() { // -anonymous
		return nil
	}
	for _, p := range f.policies {
		if _, err := hub.Policies().CreatePolicy(ctx, p.name, p.document); err != nil && !errors.Is(err, access.ErrExists) {
			return fmt.Errorf("policies.%s: %w", p.name, err)
		}
	}
	var authorities certs.FollowerConfig
	for _, a := range f.authorities {
		authorities.CAFiles = append(authorities.CAFiles, certs.CAFile{Name: a.file, AllowAutoRegistration: a.autoRegister})
	}
	if err := f.follow(ctx, hub, authorities); err != nil {
		return fmt.Errorf("certificateAuthorities: %w", err)
	}
	for i, c := range f.certificates {
		if err := f.admitCertificate(ctx, hub, c); err != nil {
			return fmt.Errorf("certificates[%d]: %w", i, err)
		}
	}
	for i, u := range f.users {
		if err := f.admitUser(ctx, hub, u); err != nil {
			return fmt.Errorf("users[%d] (%s): %w", i, u.name, err)
		}
	}
	for i, k := range f.keys {
		err := hub.AccessKeys().Put(ctx, k.id, k.id, k.secret)
		if err == nil || errors.Is(err, sigv4.ErrExists) {
			err = attach(ctx, hub, k.policies, hub.AccessKeys().ARN(k.id))
		}
		if err != nil {
			return fmt.Errorf("accessKeys[%d] (%s): %w", i, k.id, err)
		}
	}
	// After the certificates, so that one that is on it is there and is revoked.
	if err := f.follow(ctx, hub, certs.FollowerConfig{CRLFile: f.crl}); err != nil {
		return fmt.Errorf("crl: %w", err)
	}
	return nil
}

func attach(ctx context.Context, hub *thinghub.Hub, policies []string, target string) error {
	for _, name := range policies {
		if err := hub.Policies().AttachPolicy(ctx, name, target); err != nil {
			return err
		}
	}
	return nil
}

func attachThing(ctx context.Context, hub *thinghub.Hub, thing, principal string) error {
	if _, err := hub.Registry().CreateThing(ctx, registry.CreateThingInput{Name: thing}); err != nil && !errors.Is(err, registry.ErrExists) {
		return err
	}
	return hub.Registry().AttachThingPrincipal(ctx, registry.Attachment{Thing: thing, Principal: principal})
}

func (f *file) admitUser(ctx context.Context, hub *thinghub.Hub, u user) error {
	if _, err := hub.Users().Create(ctx, users.NewUser{Name: u.name, Password: u.password}); err != nil && !errors.Is(err, users.ErrExists) {
		return err
	}
	if hub.Policies() == nil {
		return nil
	}
	if u.thing != "" {
		if err := attachThing(ctx, hub, u.thing, hub.Users().ARN(u.name)); err != nil {
			return err
		}
	}
	return attach(ctx, hub, u.policies, hub.Users().ARN(u.name))
}

func (f *file) admitCertificate(ctx context.Context, hub *thinghub.Hub, c certificate) error {
	in := certs.RegisterInput{PEM: c.pem, Status: c.status, Vouched: true}
	issued, err := hub.Certificates().RegisterCertificate(ctx, in)
	if errors.Is(err, certs.ErrValidation) { // of no CA that is known here, which does no harm
		issued, err = hub.Certificates().RegisterCertificateWithoutCA(ctx, in)
	}
	arn := issued.ARN
	if e, ok := errors.AsType[*certs.Error](err); ok && errors.Is(err, certs.ErrExists) {
		arn, err = e.ResourceARN, nil
	}
	if err != nil {
		return err
	}
	for _, thing := range c.things {
		if err := attachThing(ctx, hub, thing, arn); err != nil {
			return err
		}
	}
	return attach(ctx, hub, c.policies, arn)
}

// signer is the CA with which the hub signs: the first one of the file that has a key;
// nil if none has.
func (f *file) signer() (*certs.Authority, error) {
	for i, a := range f.authorities {
		if a.keyFile == "" {
			continue
		}
		pair, err := tls.LoadX509KeyPair(a.file, a.keyFile)
		if err != nil {
			return nil, fmt.Errorf("certificateAuthorities[%d]: file and keyFile do not fit together: %w", i, err)
		}
		return &certs.Authority{Certificate: pair.Leaf, Signer: pair.PrivateKey.(crypto.Signer)}, nil
	}
	return nil, nil
}
