package provision

import (
	"context"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// CreateTemplateInput says what template to create.
type CreateTemplateInput struct {
	// Name is 1 to 36 letters, digits, "_" and "-".
	Name string
	// Body is the template; see [Parse]. It becomes version 1, the default one.
	Body string
	// Description is at most 500 characters.
	Description string
	// Enabled: a template that is not provisions nobody.
	Enabled bool
	// RoleARN is kept; it may be empty.
	RoleARN string
	// Hook is asked for each device; only for fleet provisioning. nil: none.
	Hook *TemplateHook
	// Type is FleetProvisioning, which empty stands for, or JustInTime. Templates of
	// both have a certificate resource whose CertificateId is
	// {"Ref": "AWS::IoT::Certificate::Id"}.
	Type TemplateType
}

// CreateProvisioningTemplate creates a template.
//
// Errors: ErrInvalid, ErrExists, ErrLimitExceeded.
func (s *Service) CreateProvisioningTemplate(ctx context.Context, in CreateTemplateInput) (TemplateInfo, error) {
	if err := checkTemplateName(in.Name); err != nil {
		return TemplateInfo{}, err
	}
	if in.Type == "" {
		in.Type = FleetProvisioning
	}
	if in.Type != FleetProvisioning && in.Type != JustInTime {
		return TemplateInfo{}, wrong(ErrInvalid, "type", string(in.Type), "FLEET_PROVISIONING or JITP")
	}
	if err := checkTemplateText(in.Description, in.RoleARN); err != nil {
		return TemplateInfo{}, err
	}
	hook, err := s.checkHook(in.Hook, in.Type)
	if err != nil {
		return TemplateInfo{}, err
	}
	if _, err := parseFor(in.Body, in.Type); err != nil {
		return TemplateInfo{}, err
	}
	now := time.Now().UTC()
	r := templateRecord{
		Description: in.Description, Type: in.Type, Enabled: in.Enabled, Role: in.RoleARN, Hook: hook,
		Default: 1, Next: 2, Created: now, Modified: now,
	}
	s.templatesMu.Lock()
	defer s.templatesMu.Unlock()
	err = s.commit(ctx, func() ([]auth.Change, error) {
		if err := s.checkNew(ctx, in.Name); err != nil {
			return nil, err
		}
		// A version that is there without its template is in nobody's way.
		return []auth.Change{
			s.templates.Put(r, 0, in.Name),
			s.versions.Put(versionRecord{Body: in.Body, Created: now}, auth.Any, in.Name, versionKey(1)),
		}, nil
	})
	if err != nil {
		return TemplateInfo{}, err
	}
	return s.info(in.Name, r, in.Body), nil
}

// checkNew checks that the name is free and that there may be one more.
func (s *Service) checkNew(ctx context.Context, name string) error {
	count := 0
	for e, err := range s.templates.List(ctx, nil, nil) {
		if err != nil {
			return fmt.Errorf("provision: directory: %w", err)
		}
		if e.ID[0] == name {
			return &Error{Kind: ErrExists, ResourceID: name, ResourceARN: s.TemplateARN(name), Message: fmt.Sprintf("a provisioning template %s already exists", name)}
		}
		count++
	}
	if over(count+1, s.limits.Templates) {
		return failf(ErrLimitExceeded, "there are %d provisioning templates, at most %d are allowed", count, s.limits.Templates)
	}
	return nil
}

// DescribeProvisioningTemplate returns a template with the body of its default version.
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeProvisioningTemplate(ctx context.Context, name string) (TemplateInfo, error) {
	t, v, err := s.current(ctx, name)
	if err != nil {
		return TemplateInfo{}, err
	}
	return s.info(name, t, v.Body), nil
}

// UpdateTemplateInput says what to change of a template. What is nil stays.
type UpdateTemplateInput struct {
	Name           string
	Description    *string
	Enabled        *bool
	RoleARN        *string
	Hook           *TemplateHook
	RemoveHook     bool
	DefaultVersion *int
}

// UpdateProvisioningTemplate changes a template. What counts then counts for every
// device that asks afterwards.
//
// Errors: ErrInvalid (also a hook that is both given and removed), ErrNotFound (no such
// template or version), ErrUpdateConflict.
func (s *Service) UpdateProvisioningTemplate(ctx context.Context, in UpdateTemplateInput) error {
	if in.Hook != nil && in.RemoveHook {
		return amiss("removePreProvisioningHook", "true beside preProvisioningHook", "one of them")
	}
	return s.commit(ctx, func() ([]auth.Change, error) {
		r, revision, err := s.template(ctx, in.Name)
		if err != nil {
			return nil, err
		}
		for _, f := range []struct{ to, from *string }{{&r.Description, in.Description}, {&r.Role, in.RoleARN}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if err := checkTemplateText(r.Description, r.Role); err != nil {
			return nil, err
		}
		if in.Enabled != nil {
			r.Enabled = *in.Enabled
		}
		if in.RemoveHook {
			r.Hook = nil
		}
		if in.Hook != nil {
			if r.Hook, err = s.checkHook(in.Hook, r.Type); err != nil {
				return nil, err
			}
		}
		if in.DefaultVersion != nil {
			if _, _, err := s.version(ctx, in.Name, *in.DefaultVersion); err != nil {
				return nil, err
			}
			r.Default = *in.DefaultVersion
		}
		r.Modified = time.Now().UTC()
		return []auth.Change{s.templates.Put(r, revision, in.Name)}, nil
	})
}

// DeleteProvisioningTemplate deletes a template with all its versions.
//
// Errors: ErrInvalid, ErrNotFound, ErrDeleteConflict (Config.InUse says so).
func (s *Service) DeleteProvisioningTemplate(ctx context.Context, name string) error {
	return s.commit(ctx, func() ([]auth.Change, error) {
		_, revision, err := s.template(ctx, name)
		if err != nil {
			return nil, err
		}
		if s.cfg.InUse != nil {
			used, err := s.cfg.InUse(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("provision: is the template %s in use: %w", name, err)
			}
			if used {
				return nil, failf(ErrDeleteConflict, "the provisioning template %s is in use", name)
			}
		}
		changes := []auth.Change{s.templates.Delete(revision, name)}
		for e, err := range s.versions.List(ctx, []string{name}, nil) {
			if err != nil {
				return nil, fmt.Errorf("provision: directory: %w", err)
			}
			changes = append(changes, s.versions.Delete(auth.Any, e.ID...))
		}
		return changes, nil
	})
}
