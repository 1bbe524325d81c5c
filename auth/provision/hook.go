package provision

import (
	"context"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/internal/arn"
)

// HookVersion is the version of what hooks are told and answer.
const HookVersion = "2020-04-01"

// A Hook decides whether a device may be provisioned, before anything is made for it.
// It may take up to [HookTime]; ctx ends then. Unless it returns in time, without an
// error and with AllowProvisioning set, the device is rejected as not allowed; a panic
// counts as an error. One that goes on after its time keeps its place among those of
// Limits.Concurrent. It may be called by several goroutines.
type Hook func(ctx context.Context, r HookRequest) (HookAnswer, error)

// A HookRequest is what a hook is told.
type HookRequest struct {
	ClaimCertificateID string `json:"claimCertificateId"`
	CertificateID      string `json:"certificateId"`
	CertificatePEM     string `json:"certificatePem"`
	TemplateARN        string `json:"templateArn"`
	ClientID           string `json:"clientId"`
	// Parameters are what the device sent: nothing of it is proved. Not nil.
	Parameters map[string]string `json:"parameters"`
}

// A HookAnswer is what a hook says.
type HookAnswer struct {
	AllowProvisioning bool `json:"allowProvisioning"`
	// ParameterOverrides are parameters that take the place of the device's, or come on
	// top of them.
	ParameterOverrides map[string]string `json:"parameterOverrides"`
}

// hook returns the hook that a template names, nil if it is not known.
func (s *Service) hook(target string) Hook {
	if h := s.cfg.Hooks[target]; h != nil {
		return h
	}
	n, err := arn.Parse(target)
	if err != nil {
		return nil
	}
	// function:NAME, maybe with the version behind it.
	function, ok := strings.CutPrefix(n.Resource, "function:")
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(function, ":")
	return s.cfg.Hooks[name]
}

// ask asks the template's hook, if it has one. It returns what is to be changed in the
// parameters.
func (s *Service) ask(ctx context.Context, hook *TemplateHook, r HookRequest) (map[string]string, error) {
	if hook == nil {
		return nil, nil
	}
	refused := &Error{Kind: ErrDenied, Message: "the pre-provisioning hook does not allow it"}
	call := s.hook(hook.TargetARN)
	if call == nil {
		s.cfg.Logger.Warn("provision: no hook of this name is configured", "hook", hook.TargetARN, "template", r.TemplateARN)
		return nil, refused
	}
	select {
	case s.hooking <- struct{}{}:
	default:
		return nil, failf(ErrThrottled, "too many pre-provisioning hooks are at work")
	}
	ctx, cancel := context.WithTimeout(ctx, HookTime)
	defer cancel()
	type outcome struct {
		answer HookAnswer
		err    error
	}
	done := make(chan outcome, 1)
	// The goroutine ends with the hook, which should end with ctx. Nobody waits longer
	// for one that does not, but it counts among those at work.
	go func() {
		defer func() { <-s.hooking }()
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o = outcome{err: fmt.Errorf("it panicked: %v", p)}
			}
			done <- o
		}()
		o.answer, o.err = call(ctx, r)
	}()
	var o outcome
	select {
	case o = <-done:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil { // also for an answer in the last moment
		o.err = err
	}
	if o.err != nil {
		s.cfg.Logger.Warn("provision: a pre-provisioning hook failed", "hook", hook.TargetARN, "client", r.ClientID, "err", o.err)
		return nil, refused
	}
	if !o.answer.AllowProvisioning {
		return nil, refused
	}
	return o.answer.ParameterOverrides, nil
}
