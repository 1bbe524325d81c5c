package userpool

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// MemberInput names a user and a group.
type MemberInput struct {
	UserPoolID string `json:"UserPoolId"`
	GroupName  string
	Username   string
}

// AdminAddUserToGroup makes a user a member, which its next tokens say. Errors:
// ErrInvalid, ErrNotFound, ErrUserNotFound, and ErrInvalid too above 100 groups.
func (s *Service) AdminAddUserToGroup(ctx context.Context, in MemberInput) (Empty, error) {
	p, g, err := s.group(ctx, in.UserPoolID, in.GroupName)
	if err != nil {
		return Empty{}, err
	}
	u, err := s.get(ctx, p, in.Username)
	if err != nil {
		return Empty{}, err
	}
	_, err = s.changeWith(ctx, p, u, func(u *userRecord) ([]auth.Change, error) {
		if _, is := u.Groups[in.GroupName]; !is && len(u.Groups) >= mostGroups {
			return nil, fault(ErrInvalid, "The user is in %d groups, expected at most that many.", mostGroups)
		}
		if u.Groups == nil {
			u.Groups = map[string]string{}
		}
		u.Groups[in.GroupName] = g.Value.ID
		return []auth.Change{s.members.Put(struct{}{}, auth.Any, p.id, g.Value.ID, p.fold(u.Name))}, nil
	})
	return Empty{}, err
}

// AdminRemoveUserFromGroup makes a user no member. Errors: ErrInvalid, ErrNotFound,
// ErrUserNotFound.
func (s *Service) AdminRemoveUserFromGroup(ctx context.Context, in MemberInput) (Empty, error) {
	p, g, err := s.group(ctx, in.UserPoolID, in.GroupName)
	if err != nil {
		return Empty{}, err
	}
	u, err := s.get(ctx, p, in.Username)
	if err != nil {
		return Empty{}, err
	}
	_, err = s.changeWith(ctx, p, u, func(u *userRecord) ([]auth.Change, error) {
		delete(u.Groups, in.GroupName)
		return []auth.Change{s.members.Delete(auth.Any, p.id, g.Value.ID, p.fold(u.Name))}, nil
	})
	return Empty{}, err
}

// AdminListGroupsForUserInput asks for the groups of a user.
type AdminListGroupsForUserInput struct {
	UserPoolID string `json:"UserPoolId"`
	Username   string
	Limit      int // 1 to 60, by default 60
	NextToken  string
}

// AdminListGroupsForUser returns a page of the groups of a user. Errors: ErrInvalid,
// ErrNotFound, ErrUserNotFound.
func (s *Service) AdminListGroupsForUser(ctx context.Context, in AdminListGroupsForUserInput) (ListGroupsOutput, error) {
	out := ListGroupsOutput{Groups: []Group{}}
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return out, err
	}
	after, err := page("Limit", &in.Limit, "NextToken", in.NextToken)
	if err != nil {
		return out, err
	}
	list, err := s.groupsOf(ctx, p, &u.userRecord)
	if err != nil {
		return out, err
	}
	for _, g := range list {
		if after != nil && g.GroupName <= after[0] {
			continue
		}
		if len(out.Groups) == in.Limit {
			out.NextToken = pageToken(out.Groups[in.Limit-1].GroupName)
			break
		}
		out.Groups = append(out.Groups, g)
	}
	return out, nil
}

// groupsOf reads the groups of a user, by name.
func (s *Service) groupsOf(ctx context.Context, p *poolRecord, u *userRecord) (list []Group, err error) {
	for name, id := range u.Groups {
		e, err := s.groups.Find(ctx, p.id, name)
		if err != nil {
			return nil, fmt.Errorf("userpool: read a group of %s: %w", p.id, err)
		}
		if e.Revision != 0 && e.Value.ID == id {
			list = append(list, e.Value.told(p.id, name))
		}
	}
	slices.SortFunc(list, func(a, b Group) int { return strings.Compare(a.GroupName, b.GroupName) })
	return list, nil
}

// groupClaims is what the groups of a user are in tokens: their names and roles by
// precedence. Groups of the same precedence with different roles prefer none.
func (s *Service) groupClaims(ctx context.Context, p *poolRecord, u *userRecord) (names, roles []string, preferred string, err error) {
	list, err := s.groupsOf(ctx, p, u)
	if err != nil {
		return nil, nil, "", err
	}
	slices.SortStableFunc(list, func(a, b Group) int {
		switch {
		case a.Precedence == nil && b.Precedence == nil:
			return 0
		case a.Precedence == nil:
			return 1
		case b.Precedence == nil:
			return -1
		}
		return *a.Precedence - *b.Precedence
	})
	var first *Group
	for i, g := range list {
		names = append(names, g.GroupName)
		if g.RoleArn == "" {
			continue
		}
		if !slices.Contains(roles, g.RoleArn) {
			roles = append(roles, g.RoleArn)
		}
		switch {
		case g.Precedence == nil:
		case first == nil:
			first, preferred = &list[i], g.RoleArn
		case *g.Precedence == *first.Precedence && g.RoleArn != first.RoleArn:
			preferred = ""
		}
	}
	return names, roles, preferred, nil
}
