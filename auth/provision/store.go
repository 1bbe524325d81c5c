package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/arn"
)

// A TemplateType says what a template is for.
type TemplateType string

// The types of templates.
const (
	FleetProvisioning TemplateType = "FLEET_PROVISIONING"
	JustInTime        TemplateType = "JITP"
)

// A TemplateHook is the pre-provisioning hook of a template.
type TemplateHook struct {
	// TargetARN names one of Config.Hooks.
	TargetARN string `json:"targetArn"`
	// PayloadVersion is [HookVersion], which empty stands for.
	PayloadVersion string `json:"payloadVersion"`
}

// TemplateInfo is a stored template.
type TemplateInfo struct {
	Name, ARN, Description string
	Type                   TemplateType
	Enabled                bool
	// RoleARN is kept and returned, nothing more: a hub needs no role to provision.
	RoleARN string
	// Hook is nil if there is none.
	Hook *TemplateHook
	// Body is that of the default version; empty in lists.
	Body              string
	DefaultVersion    int
	Created, Modified time.Time
}

// A VersionInfo is a version of a template.
type VersionInfo struct {
	Template, TemplateARN string
	ID                    int
	Default               bool
	// Body is empty in lists.
	Body    string
	Created time.Time
}

// A templateRecord is a template without the bodies of its versions. Whoever changes a
// version changes it too, or names its revision, so that there is one order of changes.
type templateRecord struct {
	Description string        `json:"description,omitempty"`
	Type        TemplateType  `json:"type"`
	Enabled     bool          `json:"enabled"`
	Role        string        `json:"role,omitempty"`
	Hook        *TemplateHook `json:"hook,omitempty"`
	Default     int           `json:"default"`
	Next        int           `json:"next"` // versions are never numbered anew
	Created     time.Time     `json:"created"`
	Modified    time.Time     `json:"modified"`
}

type versionRecord struct {
	Body    string    `json:"body"`
	Created time.Time `json:"created"`
}

// versionKey orders versions by their numbers.
func versionKey(id int) string { return fmt.Sprintf("%010d", id) }

func checkTemplateName(name string) error {
	if name == "" || len(name) > 36 || strings.ContainsFunc(name, func(r rune) bool {
		return r >= utf8.RuneSelf || !isLetterOrDigit(byte(r)) && r != '_' && r != '-'
	}) {
		return wrong(ErrInvalid, "templateName", name, "1 to 36 letters, digits, _ and -")
	}
	return nil
}

func checkTemplateText(description, role string) error {
	if utf8.RuneCountInString(description) > 500 || !utf8.ValidString(description) || strings.ContainsFunc(description, func(r rune) bool { return unicode.Is(unicode.C, r) }) {
		return wrong(ErrInvalid, "description", description, "at most 500 characters, none of them a control character")
	}
	if role == "" {
		return nil
	}
	if _, err := arn.Parse(role); err != nil || len(role) > 2048 {
		return wrong(ErrInvalid, "provisioningRoleArn", role, "the ARN of a role, at most 2048 characters")
	}
	return nil
}

// checkHook returns the hook as it is stored.
func (s *Service) checkHook(h *TemplateHook, typ TemplateType) (*TemplateHook, error) {
	if h == nil {
		return nil, nil
	}
	if typ != FleetProvisioning {
		return nil, amiss("preProvisioningHook", "there", "none for a template of type "+string(typ))
	}
	out := *h
	if out.PayloadVersion == "" {
		out.PayloadVersion = HookVersion
	}
	if out.PayloadVersion != HookVersion {
		return nil, wrong(ErrInvalid, "preProvisioningHook.payloadVersion", out.PayloadVersion, HookVersion)
	}
	if len(out.TargetARN) > 2048 || s.hook(out.TargetARN) == nil {
		return nil, wrong(ErrInvalid, "preProvisioningHook.targetArn", out.TargetARN, "a hook that the hub is configured with")
	}
	return &out, nil
}

// parseFor parses a template and checks that it fits its type: such templates have a
// certificate, the one that is being provisioned.
func parseFor(body string, typ TemplateType) (*Template, error) {
	t, err := Parse(body)
	if err != nil {
		return nil, err
	}
	if t.certificate == nil {
		return nil, amiss("templateBody.Resources", "without a resource of type "+certificateType, "one for a template of type "+string(typ))
	}
	if t.certificate.id != ref(certificateID) {
		return nil, amiss("templateBody.Resources."+t.certificate.resource+".Properties", "without "+certificateID, fmt.Sprintf(`{"CertificateId": {"Ref": %q}} for a template of type %s`, certificateID, typ))
	}
	for _, name := range t.names {
		filled := strings.HasPrefix(name, fromCertificate)
		switch {
		case typ == JustInTime && !filled && t.defaults[name] == nil:
			return nil, wrong(ErrInvalid, "templateBody.Parameters", name, "a default, since only a certificate fills parameters of a template of type JITP")
		case typ == FleetProvisioning && filled && name != certificateID:
			return nil, wrong(ErrInvalid, "templateBody.Parameters", name, "only "+certificateID+" of the certificate for a template of type "+string(typ))
		}
	}
	return t, nil
}

// template returns a template's record.
func (s *Service) template(ctx context.Context, name string) (r templateRecord, revision int64, err error) {
	if err := checkTemplateName(name); err != nil {
		return r, 0, err
	}
	e, err := s.templates.Get(ctx, name)
	if errors.Is(err, auth.ErrNotFound) {
		return r, 0, failf(ErrNotFound, "there is no provisioning template %s", name)
	}
	if err != nil {
		return r, 0, fmt.Errorf("provision: directory: %w", err)
	}
	return e.Value, e.Revision, nil
}

// version returns a version's record.
func (s *Service) version(ctx context.Context, name string, id int) (r versionRecord, revision int64, err error) {
	e, err := s.versions.Get(ctx, name, versionKey(id))
	if errors.Is(err, auth.ErrNotFound) {
		return r, 0, failf(ErrNotFound, "the provisioning template %s has no version %d", name, id)
	}
	if err != nil {
		return r, 0, fmt.Errorf("provision: directory: %w", err)
	}
	return e.Value, e.Revision, nil
}

// current returns a template with the version that counts. It may have been changed
// between the two; what is returned was true at some time.
func (s *Service) current(ctx context.Context, name string) (t templateRecord, v versionRecord, err error) {
	for range tries {
		if t, _, err = s.template(ctx, name); err != nil {
			return t, v, err
		}
		if v, _, err = s.version(ctx, name, t.Default); !errors.Is(err, ErrNotFound) {
			return t, v, err
		}
	}
	return t, v, err
}

func (s *Service) info(name string, r templateRecord, body string) TemplateInfo {
	i := TemplateInfo{
		Name: name, ARN: s.TemplateARN(name), Description: r.Description, Type: r.Type, Enabled: r.Enabled,
		RoleARN: r.Role, Body: body, DefaultVersion: r.Default, Created: r.Created, Modified: r.Modified,
	}
	if r.Hook != nil {
		h := *r.Hook
		i.Hook = &h
	}
	return i
}
