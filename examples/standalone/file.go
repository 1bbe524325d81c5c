package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"

	"github.com/thinghub/thinghub/auth/certs"
)

// file is what the configuration file says.
type file struct {
	dir             string
	log             *slog.Logger
	account, region string
	things          []thing
	rules           []rule
	principals
	followed
	serverNames        []string
	serverNameOptional bool
	webSocketOrigins   []string
}

func readFile(name string, log *slog.Logger) (*file, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &file{dir: filepath.Dir(name), log: log}
	if err := members(data, f.member); err != nil {
		return nil, err
	}
	return f, f.checkLogins()
}

// member takes over one part of the file.
func (f *file) member(name string, value json.RawMessage) (err error) {
	switch name {
	case "accessKeys":
		err = elements(name, value, f.addKey)
	case "account":
		f.account, err = text(name, value)
	case "certificateAuthorities":
		err = elements(name, value, f.addAuthority)
	case "certificates":
		err = elements(name, value, f.addCertificate)
	case "crl":
		f.crl, err = f.filePath(name, value)
	case "jwt":
		err = elements(name, value, f.addJWT)
	case "oidc":
		err = elements(name, value, f.addOIDC)
	case "policies":
		err = f.addPolicies(value)
	case "region":
		f.region, err = text(name, value)
	case "rules":
		err = elements(name, value, f.addRule)
	case "things":
		err = elements(name, value, f.addThing)
	case "tls":
		err = f.readTLS(value)
	case "users":
		err = elements(name, value, f.addUser)
	case "webSocketOrigins":
		err = elements(name, value, func(field string, v json.RawMessage) error {
			origin, err := text(field, v)
			if _, bad := path.Match(origin, ""); err == nil && (bad != nil || origin == "") {
				err = fmt.Errorf("%s is %q, expected a host, which may have * and ? in it", field, origin)
			}
			f.webSocketOrigins = append(f.webSocketOrigins, origin)
			return err
		})
	default:
		err = fmt.Errorf("unknown name %q, expected accessKeys, account, certificateAuthorities, certificates, crl, jwt, oidc, policies, region, rules, things, tls, users or webSocketOrigins", name)
	}
	return err
}

func (f *file) readTLS(value json.RawMessage) error {
	var cert, key string
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "cert":
			cert, err = text("tls.cert", v)
		case "key":
			key, err = text("tls.key", v)
		case "serverNames":
			f.serverNames, err = texts("tls.serverNames", v)
		case "serverNameOptional":
			f.serverNameOptional, err = flagOf("tls.serverNameOptional", v)
		default:
			err = fmt.Errorf("unknown name %q in tls, expected cert, key, serverNames or serverNameOptional", name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if cert == "" || key == "" {
		return errors.New("tls.cert and tls.key are file names, expected both")
	}
	f.server, err = certs.NewReloader(certs.ReloaderConfig{CertFile: f.path(cert), KeyFile: f.path(key), Logger: f.log})
	if err != nil {
		return fmt.Errorf("tls.cert is %q and tls.key %q, expected a certificate and its key in PEM: %w", cert, key, err)
	}
	return nil
}

// filePath returns the path of a file that the configuration names.
func (f *file) filePath(field string, value json.RawMessage) (string, error) {
	name, err := text(field, value)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(f.path(name)); err != nil {
		return "", fmt.Errorf("%s is %q, expected a file: %w", field, name, err)
	}
	return f.path(name), nil
}

func (f *file) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}
