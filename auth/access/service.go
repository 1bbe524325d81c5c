package access

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A Service keeps policies and decides by them. It is an [auth.Opener]. All methods are
// safe for concurrent use.
//
// Several services may share one Directory (hubs that share a database): no change is
// lost, but open connections notice only what their own service changes.
type Service struct {
	cfg         Config
	dir         auth.Directory
	limits      Limits
	scope       string // what resource names begin with
	groupPrefix string

	policies records.Table[record]
	links    records.Table[link] // target, policy
	targets  records.Table[link] // policy, target
	members  records.Table[link] // user, group of users

	// round changes when a program of a set does; sessions then look at theirs.
	round atomic.Uint64

	coverage atomic.Pointer[coverage] // nil: off

	mu       sync.Mutex
	sets     map[string]*set
	sessions map[string]*session // by client id, those of one chained
}

var _ auth.Opener = (*Service)(nil)

// New returns a service. An error names the field of Config that is to blame.
func New(cfg Config) (*Service, error) {
	if err := cfg.Scope.Check(); err != nil {
		return nil, fault(ErrInvalid, "Config.Scope.%v", err)
	}
	cfg.Scope = cfg.Scope.WithDefaults()
	if cfg.Directory == nil {
		cfg.Directory = auth.NewMemory()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{
		cfg: cfg, dir: cfg.Directory, limits: cfg.Limits.withDefaults(), scope: cfg.Scope.IoT(""), groupPrefix: cfg.Scope.IoT("thinggroup/"),
		policies: records.NewTable[record](cfg.Directory, "policy"),
		links:    records.NewTable[link](cfg.Directory, "policy-of"), targets: records.NewTable[link](cfg.Directory, "target-of"),
		members: records.NewTable[link](cfg.Directory, "user-group"),
		sets:    map[string]*set{}, sessions: map[string]*session{},
	}, nil
}

// Immediate reports that deciding never waits, because the directory and who tells about
// things, which have a method of this name, say so; see [auth.Immediate].
func (s *Service) Immediate() bool {
	return immediate(s.dir) && (s.cfg.Things == nil || immediate(s.cfg.Things))
}

func immediate(a any) bool {
	i, ok := a.(auth.Immediate)
	return ok && i.Immediate()
}

// resource makes the whole name of what a request is about.
func (s *Service) resource(a auth.Action, resource string) string {
	switch a {
	case auth.Connect, auth.DeleteConnection:
		return s.scope + "client/" + resource
	case auth.Publish, auth.RetainPublish, auth.Receive, auth.GetRetainedMessage:
		return s.scope + "topic/" + resource
	case auth.Subscribe:
		return s.scope + "topicfilter/" + resource
	default:
		if resource == "*" || strings.HasPrefix(resource, "arn:") {
			return resource
		}
		return s.scope + resource
	}
}

// devices are the actions of the gateway and the data plane, which IoT policies are for.
// All others are the control plane's, which takes IAM policies.
var devices = map[auth.Action]bool{
	auth.Connect: true, auth.Publish: true, auth.RetainPublish: true, auth.Subscribe: true, auth.Receive: true,
	auth.GetThingShadow: true, auth.UpdateThingShadow: true, auth.DeleteThingShadow: true, auth.ListNamedShadowsForThing: true,
	auth.GetRetainedMessage: true, auth.ListRetainedMessages: true, auth.DeleteConnection: true,
	"iot:DescribeJobExecution": true, "iot:GetPendingJobExecutions": true, "iot:StartNextPendingJobExecution": true, "iot:UpdateJobExecution": true,
	"iot:AssumeRoleWithCertificate": true,
}

// limited reports whether a kind of principals has IoT policies alone.
func limited(k auth.Kind) bool {
	return k == auth.Certificate || k == auth.User || k == auth.Custom
}
