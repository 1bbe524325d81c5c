package roles

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// Credentials are an access key that ends by itself.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
}

// A Grant says whom credentials are for.
type Grant struct {
	// Role is the ARN of the role, whose policies count.
	Role string
	// Identity is the id of an identity of a pool that takes the role, empty for others,
	// and Authenticated says that it has signed in; see [auth.Authenticated]. Its
	// Attributes are what [PoolAttributes] returns.
	Identity      string
	Authenticated bool
	// Session names who has taken the role: 2 to 64 letters, digits and _+=,.@-. For an
	// identity of a pool it may be empty.
	Session string
	// Attributes are condition keys of policies, such as "credentials-iot:ThingName".
	Attributes map[string]string
	// Policies, if it is not nil, narrows the role's policies.
	Policies []auth.Document
	// Duration is how long the credentials live: up to LongestDuration.
	Duration time.Duration
}

// sealed is what a token holds.
type sealed struct {
	ID         string            `json:"i"`
	Role       string            `json:"r"`
	Session    string            `json:"s,omitempty"`
	Identity   string            `json:"d,omitempty"`
	SignedIn   bool              `json:"u,omitempty"`
	Attributes map[string]string `json:"a,omitempty"`
	Policies   []auth.Document   `json:"p,omitempty"`
	Narrowed   bool              `json:"n,omitempty"`
	Expires    int64             `json:"e"` // Unix seconds
}

// tokenForm is what tokens begin with: the version of their form.
const tokenForm = "th1."

// MaxToken is how long a session token may be, in bytes.
const MaxToken = 16 << 10

// Issue makes credentials for a role. Whoever calls it has made sure that they may be
// given. Errors: ErrInvalid; others are the Directory's.
func (s *Service) Issue(ctx context.Context, g Grant) (Credentials, error) {
	if err := s.checkRole(g.Role); err != nil {
		return Credentials{}, err
	}
	if g.Identity != "" && g.Session == "" {
		g.Session = PoolSession
	}
	if err := checkSession(g.Session); err != nil {
		return Credentials{}, err
	}
	if g.Duration < time.Second || g.Duration > LongestDuration {
		return Credentials{}, invalid("durationSeconds", fmt.Sprintf("%.0f", g.Duration.Seconds()), "Member must be from 1 to 43200")
	}
	day, key, err := s.keys.today(ctx)
	if err != nil {
		return Credentials{}, err
	}
	expires := s.cfg.Now().Add(g.Duration).Truncate(time.Second).UTC()
	id := newID()
	body, err := json.Marshal(sealed{
		ID: id, Role: g.Role, Session: g.Session, Identity: g.Identity, SignedIn: g.Authenticated, Attributes: g.Attributes,
		Policies: g.Policies, Narrowed: g.Policies != nil, Expires: expires.Unix(),
	})
	if err != nil {
		return Credentials{}, fmt.Errorf("roles: token: %w", err)
	}
	token := tokenForm + day + "." + base64.RawURLEncoding.EncodeToString(key.seal.Seal(nil, nil, body, []byte(tokenForm+day)))
	if len(token) > MaxToken {
		return Credentials{}, invalid("policy", strconv.Itoa(len(body))+" bytes of policies and attributes", "Members must fit into a session token of "+strconv.Itoa(MaxToken)+" bytes")
	}
	return Credentials{AccessKeyID: id, SecretAccessKey: key.secretOf(id), SessionToken: token, Expiration: expires}, nil
}

func checkSession(name string) error {
	ok := len(name) >= 2 && len(name) <= 64
	for _, c := range []byte(name) {
		ok = ok && isNameByte(c)
	}
	if !ok {
		return invalid("roleSessionName", name, `Member must satisfy regular expression pattern: [\w+=,.@-]* and have a length of 2 to 64`)
	}
	return nil
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+=,.@-", c) >= 0
}

// secretOf is the secret of an access key.
func (d *derived) secretOf(id string) string {
	m := hmac.New(sha256.New, d.secret)
	_, _ = m.Write([]byte(id))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))[:40]
}

// Lookup returns the key of temporary credentials from their token; see [sigv4.Keys]. A
// key without a token is none of these. That credentials have ended is said by the key's
// Expires.
func (s *Service) Lookup(ctx context.Context, id, token string) (sigv4.Key, error) {
	none := func() (sigv4.Key, error) {
		return sigv4.Key{}, fmt.Errorf("%w: temporary credentials %.20q with this token", auth.ErrNotFound, id)
	}
	rest, ok := strings.CutPrefix(token, tokenForm)
	day, body, found := strings.Cut(rest, ".")
	if !ok || !found || len(day) != len(dayForm) || len(token) > MaxToken {
		return none()
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return none()
	}
	key, err := s.keys.of(ctx, day)
	if errors.Is(err, auth.ErrNotFound) {
		return none()
	}
	if err != nil {
		return sigv4.Key{}, err
	}
	text, err := key.seal.Open(nil, nil, box, []byte(tokenForm+day))
	if err != nil {
		return none()
	}
	var in sealed
	if err := json.Unmarshal(text, &in); err != nil || in.ID != id {
		return none()
	}
	return sigv4.Key{ID: id, Secret: key.secretOf(id), Token: token, Expires: time.Unix(in.Expires, 0).UTC(), Identity: s.identity(&in)}, nil
}

// Immediate reports that Lookup never waits, because the Directory says so.
func (s *Service) Immediate() bool {
	i, ok := s.cfg.Directory.(auth.Immediate)
	return ok && i.Immediate()
}

// identity is who has taken a role.
func (s *Service) identity(in *sealed) *auth.Identity {
	id := &auth.Identity{
		Principal: s.SessionARN(in.Role, in.Session), Kind: auth.IAM, ARN: in.Role,
		Attributes: map[string]string{
			"aws:PrincipalArn": in.Role, "aws:PrincipalAccount": s.cfg.Scope.Account, userID: RoleID(in.Role) + ":" + in.Session,
		},
	}
	maps.Copy(id.Attributes, in.Attributes)
	if in.Identity != "" {
		id.Principal, id.ARN, id.Role, id.Kind = in.Identity, "", in.Role, auth.Guest
		if in.SignedIn {
			id.Kind = auth.Authenticated
		}
	}
	if in.Narrowed {
		id.Grant = &auth.Grant{Session: append([]auth.Document{}, in.Policies...)}
	}
	return id
}
