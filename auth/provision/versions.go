package provision

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// CreateProvisioningTemplateVersion adds a version to a template. Versions are numbered
// in order and no number comes twice.
//
// Errors: ErrInvalid, ErrNotFound, ErrVersionsLimit, ErrUpdateConflict.
func (s *Service) CreateProvisioningTemplateVersion(ctx context.Context, name, body string, setAsDefault bool) (VersionInfo, error) {
	var out VersionInfo
	err := s.commit(ctx, func() ([]auth.Change, error) {
		r, revision, err := s.template(ctx, name)
		if err != nil {
			return nil, err
		}
		if _, err := parseFor(body, r.Type); err != nil {
			return nil, err
		}
		count := 0
		for _, err := range s.versions.List(ctx, []string{name}, nil) {
			if err != nil {
				return nil, fmt.Errorf("provision: directory: %w", err)
			}
			count++
		}
		if over(count+1, s.limits.Versions) {
			return nil, failf(ErrVersionsLimit, "the provisioning template %s has %d versions, at most %d are allowed: delete one first", name, count, s.limits.Versions)
		}
		v := versionRecord{Body: body, Created: time.Now().UTC()}
		id := r.Next
		r.Next++
		if setAsDefault {
			r.Default = id
		}
		r.Modified = v.Created
		out = s.versionInfo(name, id, r.Default, v)
		return []auth.Change{s.templates.Put(r, revision, name), s.versions.Put(v, auth.Any, name, versionKey(id))}, nil
	})
	if err != nil {
		return VersionInfo{}, err
	}
	return out, nil
}

func (s *Service) versionInfo(name string, id, byDefault int, v versionRecord) VersionInfo {
	return VersionInfo{Template: name, TemplateARN: s.TemplateARN(name), ID: id, Default: id == byDefault, Body: v.Body, Created: v.Created}
}

// DescribeProvisioningTemplateVersion returns a version. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeProvisioningTemplateVersion(ctx context.Context, name string, id int) (VersionInfo, error) {
	t, _, err := s.template(ctx, name)
	if err != nil {
		return VersionInfo{}, err
	}
	v, _, err := s.version(ctx, name, id)
	if err != nil {
		return VersionInfo{}, err
	}
	return s.versionInfo(name, id, t.Default, v), nil
}

// DeleteProvisioningTemplateVersion deletes a version that is not the default one.
//
// Errors: ErrInvalid, ErrNotFound, ErrDeleteConflict (it is the default one),
// ErrUpdateConflict.
func (s *Service) DeleteProvisioningTemplateVersion(ctx context.Context, name string, id int) error {
	return s.commit(ctx, func() ([]auth.Change, error) {
		t, revision, err := s.template(ctx, name)
		if err != nil {
			return nil, err
		}
		_, versionRevision, err := s.version(ctx, name, id)
		if err != nil {
			return nil, err
		}
		if id == t.Default {
			return nil, failf(ErrDeleteConflict, "version %d is the default version of the provisioning template %s: make another one the default first", id, name)
		}
		t.Modified = time.Now().UTC()
		return []auth.Change{s.templates.Put(t, revision, name), s.versions.Delete(versionRevision, name, versionKey(id))}, nil
	})
}

// ListProvisioningTemplates returns a page of the templates in order of their names,
// without their bodies. next is the token of the page after it, empty on the last one.
//
// Errors: ErrInvalid.
func (s *Service) ListProvisioningTemplates(ctx context.Context, p Page) (templates []TemplateInfo, next string, err error) {
	const list = "templates"
	size, after, err := p.open(list)
	if err != nil {
		return nil, "", err
	}
	templates = []TemplateInfo{}
	var from []string
	if after != "" {
		from = []string{after}
	}
	for e, err := range s.templates.List(ctx, nil, from) {
		if err != nil {
			return nil, "", fmt.Errorf("provision: directory: %w", err)
		}
		if len(templates) == size {
			return templates, makeToken(list, templates[size-1].Name), nil
		}
		templates = append(templates, s.info(e.ID[0], e.Value, ""))
	}
	return templates, "", nil
}

// ListProvisioningTemplateVersions returns a page of the versions of a template, the
// oldest first, without their bodies.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListProvisioningTemplateVersions(ctx context.Context, name string, p Page) (versions []VersionInfo, next string, err error) {
	t, _, err := s.template(ctx, name)
	if err != nil {
		return nil, "", err
	}
	list := "versions of " + name
	size, after, err := p.open(list)
	if err != nil {
		return nil, "", err
	}
	versions = []VersionInfo{}
	var from []string
	if after != "" {
		from = []string{name, after}
	}
	for e, err := range s.versions.List(ctx, []string{name}, from) {
		if err != nil {
			return nil, "", fmt.Errorf("provision: directory: %w", err)
		}
		id, err := strconv.Atoi(e.ID[1])
		if err != nil {
			return nil, "", fmt.Errorf("provision: directory: the version %q of the template %s has no number", e.ID[1], name)
		}
		if len(versions) == size {
			return versions, makeToken(list, versionKey(versions[size-1].ID)), nil
		}
		v := s.versionInfo(name, id, t.Default, e.Value)
		v.Body = ""
		versions = append(versions, v)
	}
	return versions, "", nil
}
