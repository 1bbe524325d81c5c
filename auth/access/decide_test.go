package access_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/policy"
)

func request(a auth.Action, resource, clientID string) *auth.Request {
	return &auth.Request{Action: a, Resource: resource, Conn: auth.Conn{ClientID: clientID}}
}

// Each kind of principal has the policies that are its own.
func TestAuthorize_Kinds(t *testing.T) {
	t.Parallel()
	grant := func(docs ...string) *auth.Grant {
		g := &auth.Grant{}
		for i, d := range docs {
			g.Policies = append(g.Policies, auth.Document{Name: fmt.Sprint("carried ", i), Text: d})
		}
		return g
	}
	publishA, publishB := allow("iot:Publish", prefix+"topic/a"), allow("iot:Publish", prefix+"topic/b")
	both := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	for _, c := range []struct {
		name string
		id   auth.Identity
		// what is allowed of: publish a (attached), publish b (carried), CreateThing
		a, b, control bool
	}{
		{"certificate", auth.Identity{Kind: auth.Certificate, Grant: grant(publishB)}, true, true, false},
		{"user", auth.Identity{Kind: auth.User}, true, false, false},
		{"the host's", auth.Identity{Kind: auth.Other}, true, false, false},
		{"the host's with a grant", auth.Identity{Kind: auth.Other, Grant: grant(both)}, true, true, true},
		{"access key", auth.Identity{Kind: auth.IAM, Grant: grant(both)}, true, true, true},
		{"access key with a session policy", auth.Identity{Kind: auth.IAM, Grant: &auth.Grant{
			Policies: grant(both).Policies, Session: []auth.Document{{Name: "narrow", Text: publishB}},
		}}, false, true, false},
		{"empty session policy", auth.Identity{Kind: auth.IAM, Grant: &auth.Grant{Policies: grant(both).Policies, Session: []auth.Document{}}}, false, false, false},
		{"custom authorizer", auth.Identity{Kind: auth.Custom, Grant: grant(publishB)}, false, true, false},
		{"custom authorizer that allows all", auth.Identity{Kind: auth.Custom, Grant: grant(both)}, true, true, false},
		{"custom authorizer without policies", auth.Identity{Kind: auth.Custom}, false, false, false},
		{"authenticated", auth.Identity{Kind: auth.Authenticated, Grant: grant(both)}, true, false, true},
		{"authenticated, role denies", auth.Identity{Kind: auth.Authenticated, Grant: grant(both, statement("Deny", "iot:Publish", "*"))}, false, false, true},
		{"authenticated without role", auth.Identity{Kind: auth.Authenticated}, false, false, false},
		{"authenticated by a role", auth.Identity{Kind: auth.Authenticated, Role: "arn:aws:iam::000000000000:role/r"}, true, false, true},
		{"guest by a role", auth.Identity{Kind: auth.Guest, Role: "arn:aws:iam::000000000000:role/r"}, true, true, true},
		{"guest", auth.Identity{Kind: auth.Guest, Grant: grant(publishB)}, false, true, false},
		{"malformed", auth.Identity{Kind: auth.IAM, Grant: grant(both, "{}")}, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, id := newStage(t), c.id
			id.Principal, id.ARN = "p", prefix+"cert/p"
			s.policy(t, "attached", publishA, id.ARN)
			s.policy(t, "role", both, "arn:aws:iam::000000000000:role/r")
			x := s.open(t, &id, "c")
			for topic, want := range map[string]bool{"a": c.a, "b": c.b} {
				err := s.Authorize(t.Context(), &id, request(auth.Publish, topic, "c"))
				require.Equal(t, want, err == nil, "%s: %v", topic, err)
				require.Equal(t, want, x.Allow(auth.Publish, topic) == nil, topic)
			}
			err := s.Authorize(t.Context(), &id, request("iot:CreateThing", "thing/x", ""))
			require.Equal(t, c.control, err == nil, "%v", err)
			if err != nil {
				require.ErrorIs(t, err, auth.ErrDenied)
			}
		})
	}
}

// Each change reaches an open connection before the call that made it returns.
func TestSession_FollowsChanges(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	s.policy(t, "p", allow("iot:Publish", prefix+"topic/a"))
	x := s.open(t, alice, "c")
	may := func(what string, want bool) {
		t.Helper()
		err := x.Allow(auth.Publish, "a")
		require.Equal(t, want, err == nil, "%s: %v", what, err)
	}
	may("nothing is attached", false)
	require.NoError(t, s.AttachPolicy(ctx, "p", alice.ARN))
	may("attached", true)
	_, err := s.CreatePolicyVersion(ctx, "p", allow("iot:Publish", prefix+"topic/b"), false)
	require.NoError(t, err)
	may("a version that is not the default one", true)
	require.NoError(t, s.SetDefaultPolicyVersion(ctx, "p", "2"))
	may("another version", false)
	require.NoError(t, s.SetDefaultPolicyVersion(ctx, "p", "1"))
	may("back again", true)
	s.policy(t, "no", statement("Deny", "iot:*", "*"), alice.ARN)
	may("denied", false)
	require.NoError(t, s.DetachPolicy(ctx, "no", alice.ARN))
	may("not any more", true)
	require.NoError(t, s.DetachPolicy(ctx, "p", alice.ARN))
	may("detached", false)

	group := prefix + "thinggroup/pumps"
	require.NoError(t, s.AttachPolicy(ctx, "p", group))
	may("a group of others", false)
	s.things.set("c", "somebody", group)
	s.ThingChanged("c")
	may("the thing is somebody else's", false)
	s.things.set("c", alice.ARN, group)
	s.ThingChanged("c")
	may("the thing is in the group", true)
	require.NoError(t, s.DetachPolicy(ctx, "p", group))
	may("detached from the group", false)
	require.NoError(t, s.AttachPolicy(ctx, "p", group))
	may("and attached", true)
	s.things.set("c", alice.ARN)
	s.ThingChanged("c")
	may("it left the group", false)

	s.policy(t, "own", allow("iot:Publish", prefix+"topic/${iot:Connection.Thing.Attributes[site]}"), alice.ARN)
	require.NoError(t, x.Allow(auth.Publish, "north"))
	s.things.all["c"].Attributes["site"] = "a"
	s.ThingChanged("c")
	may("an attribute", true)
	require.Equal(t, "thing/c", x.(auth.Owner).Owner())
	require.Equal(t, 1, s.Connections())
	x.Close()
	require.Zero(t, s.Connections())
	may("a will that waits", true)
	require.NoError(t, s.DetachPolicy(ctx, "own", alice.ARN))
	may("goes by what is now", false)
}

// While changes come from all sides no answer is one that no state had.
func TestSession_Race(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	s.policy(t, "ab", allow("iot:Publish", prefix+"topic/a"), alice.ARN)
	_, err := s.CreatePolicyVersion(ctx, "ab", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":["`+prefix+`topic/a","`+prefix+`topic/b"]}}`, false)
	require.NoError(t, err)
	s.policy(t, "c", allow("iot:Publish", prefix+"topic/c"))
	var stop atomic.Bool
	var wg sync.WaitGroup
	var failed atomic.Pointer[string]
	fail := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		failed.Store(&text)
	}
	for i := range 4 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				id := fmt.Sprint("c", i, n%3)
				x, err := s.Open(ctx, alice, &auth.Conn{ClientID: id})
				if err != nil {
					fail("open: %v", err)
					return
				}
				for range 20 {
					if err := x.Allow(auth.Publish, "a"); err != nil {
						fail("a is always allowed: %v", err)
					}
					_ = x.Allow(auth.Publish, "b")
					if x.Allow(auth.Publish, "d") == nil {
						fail("d is never allowed")
					}
				}
				x.Close()
			}
		})
	}
	for n := range 200 {
		require.NoError(t, s.SetDefaultPolicyVersion(ctx, "ab", fmt.Sprint(1+n%2)))
		if n%2 == 0 {
			require.NoError(t, s.AttachPolicy(ctx, "c", alice.ARN))
		} else {
			require.NoError(t, s.DetachPolicy(ctx, "c", alice.ARN))
		}
		s.ThingChanged(fmt.Sprint("c0", n%3))
	}
	x := s.open(t, alice, "last")
	require.NoError(t, x.Allow(auth.Publish, "b"), "version 2 came last")
	require.Error(t, x.Allow(auth.Publish, "c"))
	stop.Store(true)
	wg.Wait()
	require.Nil(t, failed.Load())
	require.Equal(t, 1, s.Connections())
}

// A pausing directory calls back after the policies of a target were read, once.
type pausing struct {
	auth.Directory
	target string
	read   atomic.Pointer[func()]
}

func (d *pausing) Scan(ctx context.Context, prefix, after string) iter.Seq2[auth.Record, error] {
	return func(yield func(auth.Record, error) bool) {
		for r, err := range d.Directory.Scan(ctx, prefix, after) {
			if !yield(r, err) {
				return
			}
		}
		if strings.Contains(prefix, d.target) {
			if read := d.read.Swap(nil); read != nil {
				(*read)()
			}
		}
	}
}

// A policy is attached to a group in just the moment in which a thing joins it.
func TestSession_GroupRace(t *testing.T) {
	t.Parallel()
	group := prefix + "thinggroup/pumps"
	dir := &pausing{Directory: auth.NewMemory(), target: "thinggroup"}
	ctx, s := t.Context(), newStage(t, func(c *access.Config) { c.Directory = dir })
	s.policy(t, "p", allow("iot:*", "*"), alice.ARN)
	s.policy(t, "no", statement("Deny", "iot:Publish", "*"))
	s.things.set("c", alice.ARN)
	x := s.open(t, alice, "c")
	attached := make(chan error, 1)
	read := func() {
		go func() { attached <- s.AttachPolicy(ctx, "no", group) }()
		select {
		case err := <-attached:
			attached <- err
		case <-time.After(100 * time.Millisecond): // it waits until the session is through
		}
	}
	dir.read.Store(&read)
	s.things.set("c", alice.ARN, group)
	s.ThingChanged("c")
	require.NoError(t, <-attached)
	require.Error(t, x.Allow(auth.Publish, "a"))
}

// Where things cannot be read nobody comes in, and who is in may do nothing.
func TestSession_Unreadable(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.policy(t, "p", allow("iot:*", "*"), alice.ARN)
	x := s.open(t, alice, "c")
	require.NoError(t, x.Allow(auth.Publish, "a"))
	broken := errors.New("no disk")
	s.things.fail = broken
	s.ThingChanged("c")
	require.ErrorIs(t, x.Allow(auth.Publish, "a"), auth.ErrDenied)
	_, err := s.Open(t.Context(), alice, &auth.Conn{ClientID: "d"})
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, auth.ErrDenied)
	require.Equal(t, 1, s.Connections())
	s.things.fail = nil
	s.ThingChanged("c")
	require.NoError(t, x.Allow(auth.Publish, "a"))
}

func TestAuthorize_Options(t *testing.T) {
	t.Parallel()
	plain, strict := newStage(t), newStage(t, func(c *access.Config) { c.RefuseUnsafeClientIDs, c.RefuseWills = true, true })
	for _, s := range []*stage{plain, strict} {
		s.policy(t, "p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
			{"Effect":"Allow","Action":["iot:Publish"],"Resource":"`+prefix+`topic/ok"}]}`, alice.ARN)
	}
	for _, id := range []string{"+", "a#", "*", "?", "$x", "a/b", "a\x01"} {
		require.NoError(t, plain.Authorize(t.Context(), alice, request(auth.Connect, id, id)))
		require.ErrorIs(t, strict.Authorize(t.Context(), alice, request(auth.Connect, id, id)), auth.ErrDenied, id)
	}
	for _, c := range []struct {
		topic  string
		retain bool
		want   bool
	}{{"ok", false, true}, {"no", false, false}, {"ok", true, false}} {
		r := request(auth.Connect, "c", "c")
		r.Conn.HasWill, r.Conn.WillTopic, r.Conn.WillRetain = true, c.topic, c.retain
		require.NoError(t, plain.Authorize(t.Context(), alice, r))
		require.Equal(t, c.want, strict.Authorize(t.Context(), alice, r) == nil, "%+v", c)
	}
}

// A denial says why, to who asks.
func TestDenied_Why(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.policy(t, "p", allow("iot:Subscribe", prefix+"topic/a"), alice.ARN)
	x := s.open(t, alice, "c")
	err := x.Allow(auth.Subscribe, "a")
	require.ErrorIs(t, err, auth.ErrDenied)
	require.ErrorContains(t, err, "topicfilter/a")
	require.ErrorContains(t, err, `policy "p"`)
	e, err := s.Explain(t.Context(), alice, request(auth.Subscribe, "a", "c"))
	require.NoError(t, err)
	require.Equal(t, policy.ImplicitDeny, e.Decision.Outcome)
}

func TestGrant_Refresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		docs := func(topic string) []auth.Document {
			return []auth.Document{{Name: "d", Text: allow("iot:Publish", prefix+"topic/"+topic)}}
		}
		answers := make(chan error, 10)
		g := &auth.Grant{Policies: docs("a"), Every: time.Minute}
		next := &auth.Grant{Policies: docs("b"), Every: time.Minute}
		refresh := func(context.Context) (*auth.Grant, error) {
			if err := <-answers; err != nil {
				return nil, err
			}
			return next, nil
		}
		g.Refresh, next.Refresh = refresh, refresh
		id := &auth.Identity{Principal: "p", Kind: auth.Custom, Grant: g}
		ended := make(chan error, 1)
		x, err := s.Open(t.Context(), id, &auth.Conn{ClientID: "c", End: func(err error) { ended <- err }})
		require.NoError(t, err)
		require.NoError(t, x.Allow(auth.Publish, "a"))
		answers <- errors.New("down")
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.NoError(t, x.Allow(auth.Publish, "a"), "a failure changes nothing")
		answers <- nil
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Error(t, x.Allow(auth.Publish, "a"))
		require.NoError(t, x.Allow(auth.Publish, "b"))
		left, err := s.Open(t.Context(), id, &auth.Conn{ClientID: "left"})
		require.NoError(t, err)
		answers <- nil
		answers <- nil
		time.Sleep(time.Minute)
		synctest.Wait()
		left.Close()
		require.Error(t, left.Allow(auth.Publish, "a"), "a will goes by the last grant")
		require.NoError(t, left.Allow(auth.Publish, "b"))
		answers <- fmt.Errorf("no more: %w", auth.ErrNotAuthorized)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorIs(t, <-ended, auth.ErrNotAuthorized)
		x.Close()
		x.Close()
		time.Sleep(time.Hour) // nobody asks any more
	})
}

// A refusal that comes when the connection is gone takes nothing from others with the same
// policies: they follow changes still.
func TestGrant_RefusedLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.policy(t, "p", allow("iot:Publish", "*"), "joe")
		asked := make(chan struct{})
		g := &auth.Grant{Every: time.Minute, Refresh: func(ctx context.Context) (*auth.Grant, error) {
			close(asked)
			<-ctx.Done()
			return nil, auth.ErrNotAuthorized
		}}
		stays := s.open(t, &auth.Identity{Principal: "joe"}, "stays")
		goes, err := s.Open(t.Context(), &auth.Identity{Principal: "joe", Grant: g}, &auth.Conn{ClientID: "goes"})
		require.NoError(t, err)
		<-asked
		goes.Close()
		synctest.Wait()
		require.NoError(t, stays.Allow(auth.Publish, "a"))
		_, err = s.CreatePolicyVersion(t.Context(), "p", statement("Deny", "iot:Publish", "*"), true)
		require.NoError(t, err)
		require.ErrorIs(t, stays.Allow(auth.Publish, "a"), auth.ErrDenied)
	})
}

func TestTestAuthorization(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	s.policy(t, "mine", allow("iot:Publish", prefix+"topic/a"), alice.ARN)
	s.policy(t, "more", allow("iot:Publish", prefix+"topic/${iot:ClientId}"))
	s.policy(t, "never", statement("Deny", "iot:Publish", "*"))
	ask := func(conn auth.Conn, add, skip []string, resources ...string) access.Answer {
		t.Helper()
		for i := range resources {
			resources[i] = prefix + "topic/" + resources[i]
		}
		all, err := s.TestAuthorization(ctx, alice, &conn, []access.Question{{auth.Publish, resources}}, add, skip)
		require.NoError(t, err)
		require.Len(t, all, 1)
		return all[0]
	}
	c := auth.Conn{ClientID: "c"}
	a := ask(c, nil, nil, "a")
	require.Equal(t, policy.Allowed, a.Outcome)
	require.Equal(t, []string{"mine"}, a.Allows)
	require.Equal(t, policy.ImplicitDeny, ask(c, nil, nil, "a", "c").Outcome)
	require.Equal(t, policy.ImplicitDeny, ask(c, nil, []string{"mine"}, "a").Outcome)
	a = ask(c, []string{"more"}, nil, "a", "c")
	require.Equal(t, policy.Allowed, a.Outcome)
	require.Equal(t, []string{"mine", "more"}, a.Allows)
	a = ask(auth.Conn{}, []string{"more"}, nil, "c")
	require.Equal(t, policy.ImplicitDeny, a.Outcome)
	require.Equal(t, []string{"iot:ClientId"}, a.Missing)
	a = ask(c, []string{"never"}, nil, "a")
	require.Equal(t, policy.ExplicitDeny, a.Outcome)
	require.Equal(t, []string{"never"}, a.Denies)
	_, err := s.TestAuthorization(ctx, alice, &c, nil, []string{"none"}, nil)
	require.ErrorIs(t, err, access.ErrNotFound)
	_, err = s.TestAuthorization(ctx, alice, &c, []access.Question{{Action: auth.Publish}}, nil, nil)
	require.ErrorIs(t, err, access.ErrInvalid)
	all, err := s.TestAuthorization(ctx, alice, &c, []access.Question{{"iot:CreateThing", []string{"*"}}}, nil, nil)
	require.NoError(t, err)
	require.Equal(t, policy.ImplicitDeny, all[0].Outcome)
}

func TestEffectivePolicies(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	group := prefix + "thinggroup/g"
	s.policy(t, "b", allow("iot:Connect", "*"), alice.ARN)
	s.policy(t, "a", allow("iot:Connect", "*"), group, alice.ARN)
	s.policy(t, "c", allow("iot:Connect", "*"), group)
	s.things.set("t", alice.ARN, group)
	for _, c := range []struct {
		principal, thing string
		want             []string
	}{{alice.ARN, "", []string{"a", "b"}}, {"", "t", []string{"a", "c"}}, {alice.ARN, "t", []string{"a", "b", "c"}}, {"nobody", "", []string{}}} {
		all, err := s.EffectivePolicies(ctx, c.principal, c.thing)
		require.NoError(t, err)
		names := []string{}
		for _, p := range all {
			names = append(names, p.Name)
		}
		require.Equal(t, c.want, names)
	}
	_, err := s.EffectivePolicies(ctx, "", "none")
	require.ErrorIs(t, err, access.ErrNotFound)
}

func TestAllocsAllow(t *testing.T) {
	s := newStage(t)
	s.policy(t, "p", allow("iot:*", prefix+"*/${iot:ClientId}/*"), alice.ARN)
	x := s.open(t, alice, "c")
	for _, a := range []auth.Action{auth.Publish, auth.Receive, auth.Subscribe} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if x.Allow(a, "x/c/data") != nil {
				panic("denied")
			}
		}), a)
	}
	// The reason is found out later, if at all.
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if x.Allow(auth.Receive, "x/d/data") == nil {
			panic("allowed")
		}
	}), 3.0)
}

// A denied delivery has its reason like everything else.
func TestReceiveExplained(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.policy(t, "p", allow("iot:*", prefix+"*"), alice.ARN)
	s.policy(t, "quiet", `{"Version":"2012-10-17","Statement":[{"Sid":"Hush","Effect":"Deny","Action":"iot:Receive","Resource":"`+prefix+`topic/secret/*"}]}`, alice.ARN)
	x := s.open(t, alice, "c")
	require.NoError(t, x.Allow(auth.Receive, "open/x"))
	topic := []byte("secret/x")
	err := x.Allow(auth.Receive, unsafe.String(&topic[0], len(topic)))
	copy(topic, "overwritten")
	d, ok := errors.AsType[*auth.Denied](err)
	require.True(t, ok)
	require.Equal(t, "secret/x", d.Resource)
	require.Contains(t, d.Why(), "quiet")
	require.Contains(t, d.Why(), "Hush")
}

func BenchmarkAllow(b *testing.B) {
	s := newStage(b)
	s.policy(b, "p", allow("iot:*", prefix+"*/${iot:ClientId}/*"), alice.ARN)
	x := s.open(b, alice, "c")
	for b.Loop() {
		if x.Allow(auth.Publish, "x/c/data") != nil {
			b.Fatal("denied")
		}
	}
}

// BenchmarkOpen opens the session of a thing, with policies of n statements with variables.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, 20, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStage(b, func(c *access.Config) { c.Limits.DocumentSize = -1 })
			var list []string
			for i := range n {
				list = append(list, fmt.Sprintf(`{"Effect":"Allow","Action":"iot:*","Resource":"%s*/${iot:ClientId}/%d/${iot:Connection.Thing.Attributes[site]}/*"}`, prefix, i))
			}
			s.policy(b, "p", `{"Version":"2012-10-17","Statement":[`+strings.Join(list, ",")+`]}`, alice.ARN)
			s.things.set("c", alice.ARN, prefix+"thinggroup/g")
			s.open(b, alice, "other") // compiles
			b.ReportAllocs()
			for b.Loop() {
				x, err := s.Open(b.Context(), alice, &auth.Conn{ClientID: "c"})
				if err != nil {
					b.Fatal(err)
				}
				x.Close()
			}
		})
	}
}

// Policies of groups of users count for who signs with an access key, at once.
func TestUserGroups(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	admin := &auth.Identity{Principal: "arn:aws:iam::000000000000:user/admin", Kind: auth.IAM}
	group := s.UserGroupARN("operators")
	require.Equal(t, "arn:aws:iam::000000000000:group/operators", group)
	s.policy(t, "p", allow("iot:Publish", "*"), group)
	x := s.open(t, admin, "c")
	require.Error(t, x.Allow(auth.Publish, "a"))
	for range 2 {
		require.NoError(t, s.AddUserToGroup(ctx, admin.Principal, group))
	}
	require.NoError(t, x.Allow(auth.Publish, "a"))
	groups, err := s.ListGroupsForUser(ctx, admin.Principal)
	require.NoError(t, err)
	require.Equal(t, []string{group}, groups)
	require.NoError(t, s.DetachPolicy(ctx, "p", group))
	require.Error(t, x.Allow(auth.Publish, "a"))
	require.NoError(t, s.AttachPolicy(ctx, "p", group))
	require.NoError(t, x.Allow(auth.Publish, "a"))
	for range 2 {
		require.NoError(t, s.RemoveUserFromGroup(ctx, admin.Principal, group))
	}
	require.Error(t, x.Allow(auth.Publish, "a"))
	device := s.open(t, &auth.Identity{Principal: admin.Principal, Kind: auth.Certificate}, "d")
	require.NoError(t, s.AddUserToGroup(ctx, admin.Principal, group))
	require.Error(t, device.Allow(auth.Publish, "a"), "groups are for users")
	for _, bad := range []string{"", "operators", "arn:aws:iam::000000000000:user/x", "arn:aws:iot:local:000000000000:thinggroup/g"} {
		require.ErrorIs(t, s.AddUserToGroup(ctx, admin.Principal, bad), access.ErrInvalid, bad)
	}
	require.ErrorIs(t, s.AddUserToGroup(ctx, admin.Principal, "arn:aws:iam::1:group/x"), access.ErrNotFound)
	require.ErrorIs(t, s.RemoveUserFromGroup(ctx, "", group), access.ErrInvalid)
}
