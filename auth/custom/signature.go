package custom

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// parseKey reads an RSA public key in either of its PEM forms.
func parseKey(text string) (*rsa.PublicKey, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("the key has %d bytes, expected at most %d", len(text), maxKeyText)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("the key is not one PEM block")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("the PEM block is %q, expected PUBLIC KEY", shorten(block.Type))
	}
	if err != nil {
		return nil, err
	}
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, expected RSA", key)
	}
	if n := k.N.BitLen(); n < 2048 || n > 8192 {
		return nil, fmt.Errorf("the key has %d bits, expected 2048 to 8192", n)
	}
	return k, nil
}

// cleanBase64 turns what became of base64 on its way back into it.
var cleanBase64 = strings.NewReplacer(" ", "+", "-", "+", "_", "/", "=", "", "\n", "", "\r", "")

// maxSignature is the longest signature, of a key of 8192 bits in base64.
const maxSignature = 2 << 10

// signed returns the reading of the token that one of the keys has signed.
func (r *record) signed(tokens, signatures []string) (token string, ok bool) {
	var sums [][]byte
	for _, s := range signatures {
		if len(s) > maxSignature {
			continue
		}
		if b, err := base64.RawStdEncoding.DecodeString(cleanBase64.Replace(s)); err == nil {
			sums = append(sums, b)
		}
	}
	for _, text := range r.Keys {
		key, err := parseKey(text)
		if err != nil {
			continue // it was checked when it was stored
		}
		for _, token := range tokens {
			hash := sha256.Sum256([]byte(token))
			for _, sum := range sums {
				if rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], sum) == nil {
					return token, true
				}
			}
		}
	}
	return "", false
}
