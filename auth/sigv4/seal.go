package sigv4

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// A sealer encrypts the secrets of keys. With no ciphers it leaves them as they are.
type sealer struct{ ciphers []cipher.AEAD }

func newSealer(keys [][]byte) (*sealer, error) {
	s := &sealer{}
	for i, key := range keys {
		if len(key) != 32 {
			return nil, fmt.Errorf("sigv4: KeyringConfig.SealKeys[%d] has %d bytes, expected 32", i, len(key))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("sigv4: KeyringConfig.SealKeys[%d]: %w", i, err)
		}
		c, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("sigv4: KeyringConfig.SealKeys[%d]: %w", i, err)
		}
		s.ciphers = append(s.ciphers, c)
	}
	return s, nil
}

// close puts a secret into a record. It cannot be moved to that of another key.
func (s *sealer) close(id, secret string, r *keyRecord) {
	if len(s.ciphers) == 0 {
		r.Secret = secret
		return
	}
	r.Sealed = s.ciphers[0].Seal(nil, nil, []byte(secret), []byte(id))
}

// open returns the secret of a record.
func (s *sealer) open(id string, r keyRecord) (string, error) {
	if r.Sealed == nil {
		return r.Secret, nil
	}
	for _, c := range s.ciphers {
		if secret, err := c.Open(nil, nil, r.Sealed, []byte(id)); err == nil {
			return string(secret), nil
		}
	}
	return "", fmt.Errorf("sigv4: the secret of the key %q cannot be read with any of the %d keys in KeyringConfig.SealKeys", id, len(s.ciphers))
}
