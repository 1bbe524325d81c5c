package identitypool

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
)

// newID returns the id of a pool or an identity: the region and a random UUID.
func (s *Service) newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%s:%x-%x-%x-%x-%x", s.cfg.Scope.Region, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// maxID is how long an id may be.
const maxID = 55

func checkID(field, id string) error {
	region, rest, found := strings.Cut(id, ":")
	ok := found && region != "" && rest != "" && len(id) <= maxID
	for _, c := range []byte(region) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	}
	for _, c := range []byte(rest) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c == '-')
	}
	if !ok {
		return invalid(field, id, `Member must satisfy regular expression pattern: [\w-]+:[0-9a-f-]+ and have a length of 1 to `+strconv.Itoa(maxID))
	}
	return nil
}

// PoolARN returns the resource name of a pool, which the actions on it are about.
func (s *Service) PoolARN(id string) string {
	return s.cfg.Scope.Of("cognito-identity", "identitypool/"+id)
}
