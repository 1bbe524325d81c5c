package provision_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

func allow(context.Context, provision.HookRequest) (provision.HookAnswer, error) {
	return provision.HookAnswer{AllowProvisioning: true}, nil
}

func withHooks(c *provision.Config) {
	c.Hooks = map[string]provision.Hook{"check": allow, "arn:aws:lambda:eu-west-1:1:function:whole": allow}
}

func ptr[T any](v T) *T { return &v }

func TestTemplates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withHooks)
		ctx := t.Context()
		role := "arn:aws:iam::123456789012:role/provisioning"
		created, err := r.CreateProvisioningTemplate(ctx, provision.CreateTemplateInput{
			Name: "fleet", Body: fleetBody, Description: "Pumps.", Enabled: true, RoleARN: role,
			Hook: &provision.TemplateHook{TargetARN: "arn:aws:lambda:eu-west-1:1:function:check:3"},
		})
		require.NoError(t, err)
		start := time.Now().UTC()
		want := provision.TemplateInfo{
			Name: "fleet", ARN: arnPrefix + "provisioningtemplate/fleet", Description: "Pumps.", Type: provision.FleetProvisioning, Enabled: true,
			RoleARN: role, Hook: &provision.TemplateHook{TargetARN: "arn:aws:lambda:eu-west-1:1:function:check:3", PayloadVersion: "2020-04-01"},
			Body: fleetBody, DefaultVersion: 1, Created: start, Modified: start,
		}
		require.Equal(t, want, created)
		got, err := r.DescribeProvisioningTemplate(ctx, "fleet")
		require.NoError(t, err)
		require.Equal(t, want, got)

		time.Sleep(time.Minute)
		second := strings.Replace(fleetBody, `"60"`, `"30"`, 1)
		v, err := r.CreateProvisioningTemplateVersion(ctx, "fleet", second, false)
		require.NoError(t, err)
		require.Equal(t, provision.VersionInfo{Template: "fleet", TemplateARN: want.ARN, ID: 2, Body: second, Created: time.Now().UTC()}, v)
		v, err = r.CreateProvisioningTemplateVersion(ctx, "fleet", second, true)
		require.NoError(t, err)
		require.Equal(t, 3, v.ID)
		require.True(t, v.Default)
		got, err = r.DescribeProvisioningTemplate(ctx, "fleet")
		require.NoError(t, err)
		require.Equal(t, second, got.Body)
		require.Equal(t, 3, got.DefaultVersion)
		require.Equal(t, start.Add(time.Minute), got.Modified)

		require.ErrorIs(t, r.DeleteProvisioningTemplateVersion(ctx, "fleet", 3), provision.ErrDeleteConflict)
		require.NoError(t, r.UpdateProvisioningTemplate(ctx, provision.UpdateTemplateInput{
			Name: "fleet", DefaultVersion: ptr(1), Enabled: ptr(false), Description: ptr(""), RoleARN: ptr(""), RemoveHook: true,
		}))
		got, err = r.DescribeProvisioningTemplate(ctx, "fleet")
		require.NoError(t, err)
		want.DefaultVersion, want.Enabled, want.Description, want.RoleARN, want.Hook, want.Modified = 1, false, "", "", nil, time.Now().UTC()
		require.Equal(t, want, got)

		require.NoError(t, r.DeleteProvisioningTemplateVersion(ctx, "fleet", 3))
		require.ErrorIs(t, r.DeleteProvisioningTemplateVersion(ctx, "fleet", 3), provision.ErrNotFound)
		_, err = r.DescribeProvisioningTemplateVersion(ctx, "fleet", 3)
		require.ErrorIs(t, err, provision.ErrNotFound)
		v, err = r.CreateProvisioningTemplateVersion(ctx, "fleet", second, false)
		require.NoError(t, err)
		require.Equal(t, 4, v.ID, "a number never comes twice")
		v, err = r.DescribeProvisioningTemplateVersion(ctx, "fleet", 1)
		require.NoError(t, err)
		require.Equal(t, provision.VersionInfo{Template: "fleet", TemplateARN: want.ARN, ID: 1, Default: true, Body: fleetBody, Created: start}, v)

		require.NoError(t, r.DeleteProvisioningTemplate(ctx, "fleet"))
		require.ErrorIs(t, r.DeleteProvisioningTemplate(ctx, "fleet"), provision.ErrNotFound)
		_, err = r.DescribeProvisioningTemplate(ctx, "fleet")
		require.ErrorIs(t, err, provision.ErrNotFound)
		r.nothingLeft(t, "")
	})
}

func TestListsOfTemplates(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *provision.Config) { c.Limits.Versions = 30 })
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("t%d", i)
		want = append(want, name)
		r.fleet(t, func(in *provision.CreateTemplateInput) { in.Name = name })
	}
	for range 11 {
		_, err := r.CreateProvisioningTemplateVersion(t.Context(), "t3", fleetBody, true)
		require.NoError(t, err)
	}
	for _, size := range []int{0, 1, 3, 7, 250} {
		var names []string
		var ids []int
		for token := ""; ; {
			page, next, err := r.ListProvisioningTemplates(t.Context(), provision.Page{Max: size, Token: token})
			require.NoError(t, err)
			for _, i := range page {
				require.Empty(t, i.Body)
				names = append(names, i.Name)
			}
			if token = next; next == "" {
				break
			}
		}
		require.Equal(t, want, names)
		for token := ""; ; {
			page, next, err := r.ListProvisioningTemplateVersions(t.Context(), "t3", provision.Page{Max: size, Token: token})
			require.NoError(t, err)
			for _, v := range page {
				require.Equal(t, v.ID == 12, v.Default)
				require.Empty(t, v.Body)
				ids = append(ids, v.ID)
			}
			if token = next; next == "" {
				break
			}
		}
		require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, ids)
	}
	_, token, err := r.ListProvisioningTemplates(t.Context(), provision.Page{Max: 1})
	require.NoError(t, err)
	for _, p := range []provision.Page{{Max: -1}, {Max: 251}, {Token: "x"}, {Token: "!"}, {Token: token}} {
		_, _, err := r.ListProvisioningTemplateVersions(t.Context(), "t3", p)
		require.ErrorIs(t, err, provision.ErrInvalid, p)
	}
	_, _, err = r.ListProvisioningTemplateVersions(t.Context(), "nope", provision.Page{})
	require.ErrorIs(t, err, provision.ErrNotFound)
	_, _, err = r.ListProvisioningTemplates(t.Context(), provision.Page{Token: "eA"})
	require.ErrorIs(t, err, provision.ErrInvalid)
}

func TestWrongTemplates(t *testing.T) {
	t.Parallel()
	r := newRig(t, withHooks)
	jitp := withDocument(`{}`)
	parameter := func(name string) string {
		return strings.Replace(fleetBody, `"Serial": {"Type"`, `"`+name+`": {"Type": "String"}, "Serial": {"Type"`, 1)
	}
	for _, c := range []struct {
		name   string
		change func(*provision.CreateTemplateInput)
		field  string
	}{
		{"no name", func(in *provision.CreateTemplateInput) { in.Name = "" }, "templateName"},
		{"long name", func(in *provision.CreateTemplateInput) { in.Name = strings.Repeat("a", 37) }, "templateName"},
		{"bad name", func(in *provision.CreateTemplateInput) { in.Name = "a/b" }, "templateName"},
		{"umlaut", func(in *provision.CreateTemplateInput) { in.Name = "ä" }, "templateName"},
		{"type", func(in *provision.CreateTemplateInput) { in.Type = "BULK" }, "type"},
		{"description", func(in *provision.CreateTemplateInput) { in.Description = strings.Repeat("a", 501) }, "description"},
		{"control", func(in *provision.CreateTemplateInput) { in.Description = "a\x00" }, "description"},
		{"role", func(in *provision.CreateTemplateInput) { in.RoleARN = "admin" }, "provisioningRoleArn"},
		{"body", func(in *provision.CreateTemplateInput) { in.Body = "{" }, "templateBody"},
		{"hook", func(in *provision.CreateTemplateInput) { in.Hook = &provision.TemplateHook{TargetARN: "nobody"} }, "preProvisioningHook.targetArn"},
		{"hook of another service", func(in *provision.CreateTemplateInput) {
			in.Hook = &provision.TemplateHook{TargetARN: "arn:aws:sns:eu-west-1:1:check"}
		}, "preProvisioningHook.targetArn"},
		{"hook version", func(in *provision.CreateTemplateInput) {
			in.Hook = &provision.TemplateHook{TargetARN: "check", PayloadVersion: "2019-01-01"}
		}, "preProvisioningHook.payloadVersion"},
		{"hook of JITP", func(in *provision.CreateTemplateInput) {
			in.Hook, in.Type = &provision.TemplateHook{TargetARN: "check"}, provision.JustInTime
		}, "preProvisioningHook"},
		{"no certificate", func(in *provision.CreateTemplateInput) { in.Body = body(`"ThingName": "n"`) }, "templateBody.Resources"},
		{"another certificate", func(in *provision.CreateTemplateInput) {
			in.Body = strings.Replace(fleetBody, `{"Ref": "AWS::IoT::Certificate::Id"}`, `{"Ref": "Serial"}`, 1)
		}, "templateBody.Resources.certificate.Properties"},
		{"of a subject", func(in *provision.CreateTemplateInput) { in.Body = parameter("AWS::IoT::Certificate::CommonName") }, "templateBody.Parameters"},
		{"of nobody", func(in *provision.CreateTemplateInput) { in.Body, in.Type = jitp, provision.JustInTime }, "templateBody.Parameters"},
	} {
		in := provision.CreateTemplateInput{Name: "fleet", Body: fleetBody}
		c.change(&in)
		_, err := r.CreateProvisioningTemplate(t.Context(), in)
		require.ErrorIs(t, err, provision.ErrInvalid, c.name)
		var e *provision.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.field, e.Field, c.name)
	}
	r.fleet(t, func(in *provision.CreateTemplateInput) { in.Body = parameter("AWS::IoT::Certificate::Id") })
	_, err := r.CreateProvisioningTemplate(t.Context(), provision.CreateTemplateInput{Name: "fleet", Body: fleetBody})
	require.ErrorIs(t, err, provision.ErrExists)
	var e *provision.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "fleet", e.ResourceID)
	require.Equal(t, r.TemplateARN("fleet"), e.ResourceARN)

	for _, in := range []provision.UpdateTemplateInput{
		{Name: "fleet", Description: ptr("\n")},
		{Name: "fleet", RoleARN: ptr("x")},
		{Name: "fleet", Hook: &provision.TemplateHook{TargetARN: "nobody"}},
		{Name: "fleet", Hook: &provision.TemplateHook{TargetARN: "check"}, RemoveHook: true},
	} {
		require.ErrorIs(t, r.UpdateProvisioningTemplate(t.Context(), in), provision.ErrInvalid)
	}
	require.ErrorIs(t, r.UpdateProvisioningTemplate(t.Context(), provision.UpdateTemplateInput{Name: "fleet", DefaultVersion: ptr(9)}), provision.ErrNotFound)
	require.ErrorIs(t, r.UpdateProvisioningTemplate(t.Context(), provision.UpdateTemplateInput{Name: "nope"}), provision.ErrNotFound)
	_, err = r.CreateProvisioningTemplateVersion(t.Context(), "nope", fleetBody, false)
	require.ErrorIs(t, err, provision.ErrNotFound)
	_, err = r.CreateProvisioningTemplateVersion(t.Context(), "fleet", "{}", false)
	require.ErrorIs(t, err, provision.ErrInvalid)
	require.NoError(t, r.UpdateProvisioningTemplate(t.Context(), provision.UpdateTemplateInput{Name: "fleet", Hook: &provision.TemplateHook{TargetARN: "arn:aws:lambda:eu-west-1:1:function:whole"}}))
}

func TestLimitsOfTemplates(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *provision.Config) { c.Limits.Templates = 2 })
	for _, name := range []string{"a", "b"} {
		r.fleet(t, func(in *provision.CreateTemplateInput) { in.Name = name })
	}
	_, err := r.CreateProvisioningTemplate(t.Context(), provision.CreateTemplateInput{Name: "c", Body: fleetBody})
	require.ErrorIs(t, err, provision.ErrLimitExceeded)
	for range 4 {
		_, err = r.CreateProvisioningTemplateVersion(t.Context(), "a", fleetBody, false)
		require.NoError(t, err)
	}
	_, err = r.CreateProvisioningTemplateVersion(t.Context(), "a", fleetBody, false)
	require.ErrorIs(t, err, provision.ErrVersionsLimit)
	var e *provision.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "VersionsLimitExceededException", e.Exception())
}

func TestATemplateInUse(t *testing.T) {
	t.Parallel()
	used, failure := true, error(nil)
	r := newRig(t, func(c *provision.Config) {
		c.InUse = func(_ context.Context, name string) (bool, error) { return used && name == "fleet", failure }
	})
	r.fleet(t)
	require.ErrorIs(t, r.DeleteProvisioningTemplate(t.Context(), "fleet"), provision.ErrDeleteConflict)
	used, failure = false, errBroken
	err := r.DeleteProvisioningTemplate(t.Context(), "fleet")
	require.ErrorIs(t, err, errBroken)
	var e *provision.Error
	require.False(t, errors.As(err, &e))
	failure = nil
	require.NoError(t, r.DeleteProvisioningTemplate(t.Context(), "fleet"))
}

// Versions that are made at the same time by two hubs all get numbers of their own.
func TestVersionsAtTheSameTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *provision.Config) { c.Limits.Versions = -1 })
	other := newRig(t, func(c *provision.Config) { c.Directory, c.Limits.Versions = r.directory, -1 })
	r.fleet(t)
	var wg sync.WaitGroup
	for i := range 20 {
		s := []*rig{r, other}[i%2]
		wg.Go(func() {
			for {
				_, err := s.CreateProvisioningTemplateVersion(t.Context(), "fleet", fleetBody, i%3 == 0)
				if !errors.Is(err, provision.ErrUpdateConflict) {
					if err != nil {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	versions, _, err := r.ListProvisioningTemplateVersions(t.Context(), "fleet", provision.Page{})
	require.NoError(t, err)
	require.Len(t, versions, 21)
	require.Equal(t, 21, versions[20].ID)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for field, change := range map[string]func(*provision.Config){
		"Config.Certificates is nil":       func(c *provision.Config) { c.Certificates = nil },
		"Config.Things is nil":             func(c *provision.Config) { c.Things = nil },
		"Config.Policies is nil":           func(c *provision.Config) { c.Policies = nil },
		"Config.Scope.Region is":           func(c *provision.Config) { c.Scope.Region = "a b" },
		`Config.Hooks has "x"`:             func(c *provision.Config) { c.Hooks = map[string]provision.Hook{"x": nil} },
		"Config.Limits.Concurrent is -1":   func(c *provision.Config) { c.Limits.Concurrent = -1 },
		`Config.Hooks has "" with a hook `: func(c *provision.Config) { c.Hooks = map[string]provision.Hook{"": allow} },
	} {
		cfg := provision.Config{Certificates: certificates{w}, Things: things{w}, Policies: policies{w}}
		change(&cfg)
		_, err := provision.New(cfg)
		require.ErrorContains(t, err, field)
	}
	s, err := provision.New(provision.Config{Certificates: certificates{w}, Things: things{w}, Policies: policies{w}})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iot:local:000000000000:provisioningtemplate/x", s.TemplateARN("x"))
	handled, err := s.Handle(t.Context(), "$aws/certificates/create/json", nil, claimant)
	require.True(t, handled)
	require.ErrorContains(t, err, "Config.Publisher is nil")
}
