package userpool

import (
	"context"
	"errors"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

type groupRecord struct {
	// ID is another one for each group that ever had the name, so that members of an
	// older one are not members.
	ID          string    `json:"id"`
	Description string    `json:"description,omitempty"`
	Role        string    `json:"role,omitempty"`
	Precedence  *int      `json:"precedence,omitempty"`
	Created     time.Time `json:"created"`
	Modified    time.Time `json:"modified"`
}

// mostGroups is how many groups a user may be in: they all are in its tokens.
const mostGroups = 100

// GroupInput makes or changes a group.
type GroupInput struct {
	UserPoolID  string `json:"UserPoolId"`
	GroupName   string
	Description string
	// RoleArn is what members may take in identity pools.
	RoleArn string
	// Precedence chooses among the roles of several groups: the lowest. nil comes last.
	Precedence *int
}

// A Group is what is told of a group.
type Group struct {
	GroupName        string
	UserPoolID       string `json:"UserPoolId"`
	Description      string `json:",omitempty"`
	RoleArn          string `json:",omitempty"`
	Precedence       *int   `json:",omitempty"`
	CreationDate     Time
	LastModifiedDate Time
}

// GroupOutput has a group.
type GroupOutput struct{ Group Group }

func (r *groupRecord) told(pool, name string) Group {
	return Group{name, pool, r.Description, r.Role, r.Precedence, Time{r.Created}, Time{r.Modified}}
}

func (in *GroupInput) check() error {
	if !userName.MatchString(in.GroupName) {
		return invalid("GroupName", in.GroupName, "1 to 128 letters, digits and signs without spaces")
	}
	if len(in.Description) > 2048 {
		return invalid("Description", in.Description, "at most 2048 bytes")
	}
	if in.RoleArn != "" {
		n, err := arn.Parse(in.RoleArn)
		if kind, name := n.Split(); err != nil || len(in.RoleArn) > 2048 || n.Service != "iam" || kind != "role" || name == "" {
			return invalid("RoleArn", in.RoleArn, "the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME")
		}
	}
	if in.Precedence != nil && *in.Precedence < 0 {
		return fault(ErrInvalid, "Precedence is %d, expected 0 or more", *in.Precedence)
	}
	return nil
}

// CreateGroup makes a group. Errors: ErrInvalid, ErrNotFound, ErrGroupExists.
func (s *Service) CreateGroup(ctx context.Context, in GroupInput) (GroupOutput, error) {
	p, _, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return GroupOutput{}, err
	}
	if err := in.check(); err != nil {
		return GroupOutput{}, err
	}
	now := s.cfg.Now().UTC()
	r := groupRecord{newUUID(), in.Description, in.RoleArn, in.Precedence, now, now}
	err = s.commit(ctx, s.groups.Put(r, 0, p.id, in.GroupName))
	if errors.Is(err, auth.ErrConflict) {
		err = fault(ErrGroupExists, "A group with the name %s already exists.", in.GroupName)
	}
	return GroupOutput{r.told(p.id, in.GroupName)}, err
}

// GroupName names a group.
type GroupName struct {
	UserPoolID string `json:"UserPoolId"`
	GroupName  string
}

func (s *Service) group(ctx context.Context, pool, name string) (*poolRecord, records.Entry[groupRecord], error) {
	p, _, err := s.pool(ctx, pool)
	if err != nil {
		return nil, records.Entry[groupRecord]{}, err
	}
	e, err := s.groups.Get(ctx, p.id, name)
	if errors.Is(err, auth.ErrNotFound) {
		err = fault(ErrNotFound, "Group not found.")
	}
	return p, e, err
}

// GetGroup returns a group. Errors: ErrInvalid, ErrNotFound.
func (s *Service) GetGroup(ctx context.Context, in GroupName) (GroupOutput, error) {
	p, e, err := s.group(ctx, in.UserPoolID, in.GroupName)
	if err != nil {
		return GroupOutput{}, err
	}
	return GroupOutput{e.Value.told(p.id, in.GroupName)}, nil
}

// UpdateGroup changes a group; what is empty stays. Errors: ErrInvalid, ErrNotFound,
// ErrTooMany.
func (s *Service) UpdateGroup(ctx context.Context, in GroupInput) (GroupOutput, error) {
	if err := in.check(); err != nil {
		return GroupOutput{}, err
	}
	for range tries {
		p, e, err := s.group(ctx, in.UserPoolID, in.GroupName)
		if err != nil {
			return GroupOutput{}, err
		}
		r := e.Value
		r.Description, r.Role, r.Modified = pick(in.Description, r.Description), pick(in.RoleArn, r.Role), s.cfg.Now().UTC()
		if in.Precedence != nil {
			r.Precedence = in.Precedence
		}
		err = s.commit(ctx, s.groups.Put(r, e.Revision, e.ID...))
		if err == nil || !errors.Is(err, auth.ErrConflict) {
			return GroupOutput{r.told(p.id, in.GroupName)}, err
		}
	}
	return GroupOutput{}, fault(ErrTooMany, "The group was changed meanwhile, please try again.")
}

// DeleteGroup deletes a group, of which nobody is a member then. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) DeleteGroup(ctx context.Context, in GroupName) (Empty, error) {
	p, e, err := s.group(ctx, in.UserPoolID, in.GroupName)
	if err != nil {
		return Empty{}, err
	}
	if err := s.commit(ctx, s.groups.Delete(auth.Any, e.ID...)); err != nil {
		return Empty{}, err
	}
	return Empty{}, s.deleteAll(ctx, s.members.Key(p.id, e.Value.ID, ""))
}

// ListGroupsInput asks for a page of groups.
type ListGroupsInput struct {
	UserPoolID string `json:"UserPoolId"`
	Limit      int    // 1 to 60, by default 60
	NextToken  string
}

// ListGroupsOutput is a page of groups in the order of their names.
type ListGroupsOutput struct {
	Groups    []Group
	NextToken string `json:",omitempty"`
}

// ListGroups returns a page of the groups of a pool. Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListGroups(ctx context.Context, in ListGroupsInput) (ListGroupsOutput, error) {
	out := ListGroupsOutput{Groups: []Group{}}
	p, _, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return out, err
	}
	after, err := page("Limit", &in.Limit, "NextToken", in.NextToken)
	if err != nil {
		return out, err
	}
	if after != nil {
		after = []string{p.id, after[0]}
	}
	for e, err := range s.groups.List(ctx, []string{p.id}, after) {
		if err != nil {
			return out, err
		}
		if len(out.Groups) == in.Limit {
			out.NextToken = pageToken(out.Groups[in.Limit-1].GroupName)
			break
		}
		out.Groups = append(out.Groups, e.Value.told(p.id, e.ID[1]))
	}
	return out, nil
}
