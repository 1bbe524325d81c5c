package provision

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// makeThing creates the thing, or changes the one that is there as the overrides say.
func (a *application) makeThing(ctx context.Context, p *ThingPlan) error {
	var err error
	for range tries {
		var old Thing
		old, err = a.cfg.Things.Describe(ctx, p.Name)
		switch {
		case err == nil:
			err = a.changeThing(ctx, p, old)
		case errors.Is(err, ErrNotFound):
			var created bool
			if created, err = a.createThing(ctx, p); created {
				return err // it is ours: the overrides are not about it
			}
		}
		// Somebody else was faster: look again.
		if !errors.Is(err, ErrUpdateConflict) && !errors.Is(err, ErrExists) {
			return err
		}
	}
	return err
}

func (a *application) createThing(ctx context.Context, p *ThingPlan) (created bool, err error) {
	err = a.cfg.Things.Create(ctx, Thing{Name: p.Name, Type: p.Type, BillingGroup: p.BillingGroup, Attributes: p.Attributes})
	if err != nil {
		return false, err
	}
	a.later(func(ctx context.Context) error { return a.cfg.Things.Delete(ctx, p.Name) })
	if len(p.Groups) == 0 {
		return true, nil
	}
	// Taking the thing back takes it out of its groups. If others use it by then, it
	// stays in them.
	return true, a.cfg.Things.Regroup(ctx, p.Name, p.Groups, nil)
}

func (a *application) changeThing(ctx context.Context, p *ThingPlan, old Thing) error {
	for _, o := range []struct {
		name string
		is   Override
	}{{"AttributePayload", p.OnAttributes}, {"ThingTypeName", p.OnType}, {"ThingGroups", p.OnGroups}} {
		if o.is == Fail {
			return failf(ErrConflict, "it is there already, and OverrideSettings.%s is FAIL", o.name)
		}
	}
	t := old
	if p.Type != "" && p.OnType == Replace {
		t.Type = p.Type
	}
	if p.Attributes != nil {
		switch p.OnAttributes {
		case Replace:
			t.Attributes = p.Attributes
		case Merge:
			t.Attributes = make(map[string]string, len(old.Attributes)+len(p.Attributes))
			maps.Copy(t.Attributes, old.Attributes)
			maps.Copy(t.Attributes, p.Attributes)
		default: // it stays
		}
	}
	if t.Type != old.Type || !maps.Equal(t.Attributes, old.Attributes) {
		version, err := a.cfg.Things.Update(ctx, t)
		if err != nil {
			return err
		}
		a.later(func(ctx context.Context) error {
			before := old
			before.Version = version // unless somebody has changed it since
			_, err := a.cfg.Things.Update(ctx, before)
			return err
		})
	}
	if p.BillingGroup != "" && old.BillingGroup == "" {
		if err := a.cfg.Things.SetBillingGroup(ctx, p.Name, p.BillingGroup); err != nil {
			return err
		}
		a.later(func(ctx context.Context) error { return a.cfg.Things.SetBillingGroup(ctx, p.Name, "") })
	}
	if p.Groups == nil || p.OnGroups != Replace && p.OnGroups != Merge {
		return nil
	}
	join, leave := except(p.Groups, old.Groups), []string(nil)
	if p.OnGroups == Replace {
		leave = except(old.Groups, p.Groups)
	}
	if len(join) == 0 && len(leave) == 0 {
		return nil
	}
	return a.regroup(ctx, p.Name, join, leave)
}

func (a *application) regroup(ctx context.Context, thing string, join, leave []string) error {
	if err := a.cfg.Things.Regroup(ctx, thing, join, leave); err != nil {
		return err
	}
	a.later(func(ctx context.Context) error { return a.cfg.Things.Regroup(ctx, thing, leave, join) })
	return nil
}

// attach attaches the certificate to the thing.
func (a *application) attach(ctx context.Context, thing string) error {
	principal := a.principal()
	fresh, err := a.cfg.Things.Attach(ctx, thing, principal)
	if err == nil && fresh {
		a.later(func(ctx context.Context) error { return a.cfg.Things.Detach(ctx, thing, principal) })
	}
	return err
}

// except returns those of a that are not in b.
func except(a, b []string) (out []string) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}
