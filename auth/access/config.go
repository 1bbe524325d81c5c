package access

import (
	"context"
	"log/slog"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config configures a [Service]. The zero value works: everything in memory, no things,
// the limits of AWS IoT.
type Config struct {
	// Directory keeps policies and what they are attached to. Default auth.NewMemory().
	Directory auth.Directory
	// Scope is what resource names begin with. Empty fields have the defaults of the
	// hub: "aws", "local", "000000000000".
	Scope Scope
	// Things tells about things, for policy variables and the policies of thing groups.
	// Default: there are none.
	Things Things
	// Target says whether there is what a policy is to be attached to, by its ARN: a
	// certificate or a thing group. Default: everything is there.
	Target func(ctx context.Context, arn string) (bool, error)
	// RefuseUnsafeClientIDs refuses to connect client ids that contain + # * ? $ / or a
	// control character. A client id "+" makes topicfilter/${iot:ClientId}/x the filter
	// "+/x", as in AWS IoT; see the package documentation.
	RefuseUnsafeClientIDs bool
	// RefuseWills refuses to connect a client whose will it may not publish. Otherwise,
	// as in AWS IoT, such a will is not published when its time comes.
	RefuseWills bool
	// Limits bound what may be stored.
	Limits Limits
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Now is the clock of conditions. Default time.Now.
	Now func() time.Time
}

// Things is what policies may ask about things.
type Things interface {
	// Thing returns the thing of a name as a principal sees it, nil if there is none.
	// principal is what the principal is attached by; see auth.Identity.Attached.
	Thing(ctx context.Context, name, principal string) (*Thing, error)
}

// A Thing is a thing as policies see it.
type Thing struct {
	Name, Type string
	Attributes map[string]string
	// Attached says that the principal is attached to it.
	Attached bool
	// Groups are the ARNs of all groups it is in, parents and dynamic ones included.
	Groups []string
}

// Limits bound what may be stored. A field that is 0 has the default, which is the limit
// of AWS IoT; a negative one is no limit.
type Limits struct {
	// DocumentSize bounds a policy document, in characters without white space: 2048.
	DocumentSize int
	// Versions bounds the versions of a policy: 5.
	Versions int
	// PoliciesPerPrincipal bounds the policies of a certificate, a user or an identity: 10.
	PoliciesPerPrincipal int
	// PoliciesPerGroup bounds the policies of a thing group: 2.
	PoliciesPerGroup int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		limit *int
		usual int
	}{{&l.DocumentSize, 2048}, {&l.Versions, 5}, {&l.PoliciesPerPrincipal, 10}, {&l.PoliciesPerGroup, 2}} {
		if *f.limit == 0 {
			*f.limit = f.usual
		}
	}
	return l
}

func over(n, limit int) bool { return limit >= 0 && n > limit }
