package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// file is what the configuration file says, as far as this release supports it.
type file struct {
	dir              string
	certificate      *tls.Certificate
	account, region  string
	things           []thing
	users            users
	webSocketOrigins []string
}

// later are the parts of the documented format that this release does not have. To
// start without them could leave a hub more open than its file says.
var later = []string{
	"policies", "certificateAuthorities", "certificates", "crl", "jwt", "oidc", "accessKeys", "rules",
}

func readFile(name string) (*file, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &file{dir: filepath.Dir(name), users: users{}}
	if err := members(data, f.member); err != nil {
		return nil, err
	}
	return f, nil
}

// member takes over one part of the file.
func (f *file) member(name string, value json.RawMessage) (err error) {
	switch name {
	case "account":
		f.account, err = text(name, value)
	case "region":
		f.region, err = text(name, value)
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
		if slices.Contains(later, name) {
			return fmt.Errorf("%q is not supported by this release: remove it from the file", name)
		}
		err = fmt.Errorf("unknown name %q, expected account, region, things, tls, users or webSocketOrigins", name)
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
		default:
			err = fmt.Errorf("unknown name %q in tls, expected cert and key", name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if cert == "" || key == "" {
		return errors.New("tls.cert and tls.key are file names, expected both")
	}
	pair, err := tls.LoadX509KeyPair(f.path(cert), f.path(key))
	if err != nil {
		return fmt.Errorf("tls.cert is %q and tls.key %q, expected a certificate and its key in PEM: %w", cert, key, err)
	}
	f.certificate = &pair
	return nil
}

func (f *file) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}

func (f *file) addUser(field string, value json.RawMessage) error {
	var user, password string
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "name":
			user, err = text(field+".name", v)
		case "password":
			password, err = text(field+".password", v)
		case "policies", "thing":
			err = fmt.Errorf("%s.%s is not supported by this release: remove it, and the user may do everything", field, name)
		default:
			err = fmt.Errorf("unknown name %q in %s, expected name and password", name, field)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case user == "" || password == "":
		return fmt.Errorf("%s has no name or no password, expected both", field)
	}
	if _, twice := f.users[user]; twice {
		return fmt.Errorf("%s.name is %q, which another user has already", field, user)
	}
	f.users[user] = sha256.Sum256([]byte(password))
	return nil
}
