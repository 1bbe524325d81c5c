package userpool

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// ListUsersInput asks for a page of users.
type ListUsersInput struct {
	UserPoolID string `json:"UserPoolId"`
	// Filter is NAME = "VALUE" or NAME ^= "VALUE", which is a prefix. NAME is username,
	// sub, email, phone_number, preferred_username, name, given_name, family_name,
	// cognito:user_status, or status (Enabled, Disabled).
	Filter string
	// AttributesToGet is which attributes to tell. nil: all.
	AttributesToGet []string
	Limit           int // 1 to 60, by default 60
	PaginationToken string
}

// ListUsersOutput is a page of users.
type ListUsersOutput struct {
	Users           []User
	PaginationToken string `json:",omitempty"`
}

// mostLooked is how many users a page looks at, where none of the indexes helps. The
// page may have fewer users than were asked for then, also none, and a token.
const mostLooked = 5000

// A filter is what users are asked for.
type filter struct {
	name, value string
	prefix      bool
}

var filterForm = regexp.MustCompile(`^\s*"?([a-z_:]+)"?\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*$`)

var filterNames = []string{
	"username", "sub", "email", "phone_number", "preferred_username", "name", "given_name", "family_name", "cognito:user_status", "status",
}

func parseFilter(text string) (*filter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	m := filterForm.FindStringSubmatch(text)
	if len(text) > 256 || m == nil || !slices.Contains(filterNames, m[1]) {
		return nil, invalid("Filter", text, `NAME = "VALUE" or NAME ^= "VALUE" with a NAME that can be searched`)
	}
	return &filter{m[1], unescaper.Replace(m[3]), m[2] == "^="}, nil
}

var unescaper = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// matches looks at a user, whatever index it was found by.
func (f *filter) matches(p *poolRecord, u *userRecord) bool {
	if f == nil {
		return true
	}
	value, want := u.Attributes[f.name], f.value
	switch f.name {
	case "username":
		value, want = p.fold(u.Name), p.fold(f.value)
	case "sub":
		value = u.Sub
	case "cognito:user_status":
		value = u.Status
	case "status":
		if value = "Enabled"; u.Disabled {
			value = "Disabled"
		}
	}
	if f.prefix {
		return value != "" && strings.HasPrefix(value, want)
	}
	return value == want
}

// ListUsers returns a page of the users of a pool: in the order of their names, or of
// the attribute that is asked for. Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListUsers(ctx context.Context, in ListUsersInput) (ListUsersOutput, error) {
	out := ListUsersOutput{Users: []User{}}
	p, _, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return out, err
	}
	f, err := parseFilter(in.Filter)
	if err != nil {
		return out, err
	}
	after, err := page("Limit", &in.Limit, "PaginationToken", in.PaginationToken)
	if err != nil {
		return out, err
	}
	if after != nil && (len(after) != 2 || after[0] != in.Filter) {
		return out, invalid("PaginationToken", in.PaginationToken, "a token that this list returned for the same Filter")
	}
	var keep func(name string) bool
	if in.AttributesToGet != nil {
		keep = func(name string) bool { return slices.Contains(in.AttributesToGet, name) }
	}
	if f != nil && f.name == "sub" && !f.prefix {
		u, err := s.find(ctx, p, f.value)
		if err == nil && u != nil && u.Sub == f.value && after == nil {
			out.Users = append(out.Users, u.told(keep))
		}
		return out, err
	}
	prefix, byValue := s.rangeOf(p, f)
	from := ""
	if after != nil {
		if from = after[1]; !strings.HasPrefix(from, prefix) {
			return out, invalid("PaginationToken", in.PaginationToken, "a token that this list returned for the same Filter")
		}
	}
	looked, last := 0, ""
	for r, err := range s.cfg.Directory.Scan(ctx, prefix, from) {
		if err != nil {
			return out, err
		}
		if len(out.Users) == in.Limit || looked == mostLooked {
			out.PaginationToken = pageToken(in.Filter, last)
			break
		}
		looked++
		last = r.Key
		u, err := s.listedUser(ctx, p, r, byValue)
		if err != nil {
			return out, err
		}
		if u != nil && f.matches(p, u) {
			out.Users = append(out.Users, u.told(keep))
		}
	}
	return out, nil
}

// rangeOf is the part of the directory that a filter needs to look at. byValue: records
// of it only name users.
func (s *Service) rangeOf(p *poolRecord, f *filter) (prefix string, byValue bool) {
	prefix = s.users.Key(p.id, "")
	switch {
	case f == nil:
	case f.name == "username":
		prefix = s.users.Key(p.id, p.fold(f.value))
	case slices.Contains(indexed, f.name):
		prefix, byValue = s.values.Key(p.id, f.name, f.value), true
		if !f.prefix {
			prefix = s.values.Key(p.id, f.name, f.value, "")
		}
	}
	return prefix, byValue
}

func (s *Service) listedUser(ctx context.Context, p *poolRecord, r auth.Record, byValue bool) (*userRecord, error) {
	if byValue {
		parts := auth.Parts(r.Key)
		u, err := s.byKey(ctx, p, parts[len(parts)-1])
		if u == nil || err != nil {
			return nil, err // it has gone meanwhile
		}
		return &u.userRecord, nil
	}
	e, err := s.users.Read(r)
	return &e.Value, err
}

// ListUsersInGroupInput asks for the members of a group.
type ListUsersInGroupInput struct {
	UserPoolID string `json:"UserPoolId"`
	GroupName  string
	Limit      int // 1 to 60, by default 60
	NextToken  string
}

// ListUsersInGroupOutput is a page of users in the order of their names.
type ListUsersInGroupOutput struct {
	Users     []User
	NextToken string `json:",omitempty"`
}

// ListUsersInGroup returns a page of the members of a group. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) ListUsersInGroup(ctx context.Context, in ListUsersInGroupInput) (ListUsersInGroupOutput, error) {
	out := ListUsersInGroupOutput{Users: []User{}}
	p, g, err := s.group(ctx, in.UserPoolID, in.GroupName)
	if err != nil {
		return out, err
	}
	after, err := page("Limit", &in.Limit, "NextToken", in.NextToken)
	if err != nil {
		return out, err
	}
	if after != nil {
		after = []string{p.id, g.Value.ID, after[0]}
	}
	last := ""
	for e, err := range s.members.List(ctx, []string{p.id, g.Value.ID}, after) {
		if err != nil {
			return out, err
		}
		if len(out.Users) == in.Limit {
			out.NextToken = pageToken(last)
			break
		}
		last = e.ID[2]
		u, err := s.byKey(ctx, p, last)
		if err != nil {
			return out, err
		}
		if u != nil && u.Groups[in.GroupName] == g.Value.ID {
			out.Users = append(out.Users, u.told(nil))
		}
	}
	return out, nil
}
