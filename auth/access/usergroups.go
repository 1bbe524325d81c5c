package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/arn"
)

// UserGroupARN returns the resource name of a group of IAM users, to which policies are
// attached as to a user. There is no need to make a group.
func (s *Service) UserGroupARN(name string) string {
	return "arn:" + s.cfg.Scope.Partition + ":iam::" + s.cfg.Scope.Account + ":group/" + name
}

// AddUserToGroup puts a user, by its ARN, into a group of users, by its ARN: the policies
// of the group count for it at once. That it is in the group already is no error. Errors:
// ErrInvalid, ErrNotFound (a name of another account).
func (s *Service) AddUserToGroup(ctx context.Context, user, group string) error {
	if err := s.checkMember(user, group); err != nil {
		return err
	}
	if err := s.dir.Commit(ctx, s.members.Put(link{}, auth.Any, user, group)); err != nil {
		return fmt.Errorf("access: add %s to %s: %w", user, group, err)
	}
	s.targetChanged(ctx, user)
	return nil
}

// RemoveUserFromGroup takes a user out of a group, at once. That it is not in the group is
// no error. Errors: ErrInvalid, ErrNotFound.
func (s *Service) RemoveUserFromGroup(ctx context.Context, user, group string) error {
	if err := s.checkMember(user, group); err != nil {
		return err
	}
	if err := s.dir.Commit(ctx, s.members.Delete(auth.Any, user, group)); err != nil {
		return fmt.Errorf("access: remove %s from %s: %w", user, group, err)
	}
	s.targetChanged(ctx, user)
	return nil
}

// ListGroupsForUser returns the ARNs of the groups a user is in, sorted.
func (s *Service) ListGroupsForUser(ctx context.Context, user string) (groups []string, err error) {
	for e, err := range s.members.List(ctx, []string{user}, nil) {
		if err != nil {
			return nil, fmt.Errorf("access: groups of %s: %w", user, err)
		}
		groups = append(groups, e.ID[1])
	}
	return groups, nil
}

func (s *Service) checkMember(user, group string) error {
	if err := s.checkTarget(user); err != nil {
		return err
	}
	n, err := arn.Parse(group)
	if kind, name := n.Split(); err != nil || n.Service != "iam" || kind != "group" || name == "" {
		return invalid("group", group, "Member must be the ARN of a group of users, "+s.UserGroupARN("NAME"))
	}
	return s.checkTarget(group)
}

// isUserGroup reports whether a target is a group of users.
func isUserGroup(target string) bool {
	return strings.HasPrefix(target, "arn:") && strings.Contains(target, ":iam::") && strings.Contains(target, ":group/")
}
