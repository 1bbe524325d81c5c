package userpool

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// checkSecretHash compares the SECRET_HASH of a request with those of the names that the
// user may have been called by. A client without a secret takes none.
func (c *clientRecord) checkSecretHash(hash string, names ...string) error {
	if c.Secret == "" {
		if hash != "" {
			return fault(ErrNotAuthorized, "Client %s is configured without a secret but SECRET_HASH was received", c.id)
		}
		return nil
	}
	if hash == "" {
		return fault(ErrNotAuthorized, "Client %s is configured with secret but SECRET_HASH was not received", c.id)
	}
	matched := false
	for _, name := range names {
		if name != "" && hmac.Equal([]byte(SecretHash(c.Secret, name, c.id)), []byte(hash)) {
			matched = true
		}
	}
	if !matched {
		return fault(ErrNotAuthorized, "Unable to verify secret hash for client %s", c.id)
	}
	return nil
}

// SecretHash returns the SECRET_HASH that clients with a secret send along with a user
// name.
func SecretHash(clientSecret, username, clientID string) string {
	h := hmac.New(sha256.New, []byte(clientSecret))
	h.Write([]byte(username + clientID))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
