package thinghub

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/provision/provisiontest"
	"github.com/thinghub/thinghub/registry"
)

func openHub(t *testing.T) *Hub {
	t.Helper()
	h, err := New(Config{Logger: slog.New(slog.DiscardHandler), CertificateConfig: certs.Config{Keys: certs.P256}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

// The hub's rooms are what provisioning wants them to be.
func TestProvisioningRooms(t *testing.T) {
	t.Parallel()
	t.Run("things", func(t *testing.T) {
		t.Parallel()
		provisiontest.TestThings(t, func(t *testing.T) provisiontest.Things {
			h, ctx := openHub(t), context.Background()
			_, err := h.registry.CreateThingType(ctx, "pump", registry.TypeProperties{}, nil)
			require.NoError(t, err)
			_, err = h.registry.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "plant"})
			require.NoError(t, err)
			groups := [3]string{"a", "b", "c"}
			for _, g := range groups {
				_, err := h.registry.CreateThingGroup(ctx, registry.CreateGroupInput{Name: g})
				require.NoError(t, err)
			}
			return provisiontest.Things{Things: provisionThings{h.registry}, Type: "pump", Billing: "plant", Groups: groups}
		})
	})
	t.Run("policies", func(t *testing.T) {
		t.Parallel()
		provisiontest.TestPolicies(t, func(t *testing.T) provision.Policies {
			s, err := access.New(access.Config{}) // where targets need not be there
			require.NoError(t, err)
			return provisionPolicies{s}
		})
	})
	t.Run("certificates", func(t *testing.T) {
		t.Parallel()
		provisiontest.TestCertificates(t, func(t *testing.T) provisiontest.Certificates {
			h := openHub(t)
			return provisiontest.Certificates{Certificates: provisionCertificates{h.principals.certs, attachments{h}}, Attach: func(t *testing.T, id string) {
				t.Helper()
				_, err := h.registry.CreateThing(t.Context(), registry.CreateThingInput{Name: "thing"})
				require.NoError(t, err)
				require.NoError(t, h.registry.AttachThingPrincipal(t.Context(), registry.Attachment{Thing: "thing", Principal: h.principals.certs.ARN(id)}))
			}}
		})
	})
}
