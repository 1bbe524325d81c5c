package provision_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/provision"
)

// many sends requests at the same time and counts what was accepted.
func many(t *testing.T, count int, send func(i int) (accepted bool)) int {
	t.Helper()
	var accepted atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range count {
		wg.Go(func() {
			<-start
			if send(i) {
				accepted.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(accepted.Load())
}

// outcome says whether a request was accepted, of several at the same time.
func (r *rig) outcome(t *testing.T, by provision.Requester, topic, payload string) (accepted bool) {
	// The client id of each request is its own, so that its answer is found.
	if _, err := r.Handle(context.Background(), topic, []byte(payload), by); err != nil {
		t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		if m.to == by {
			return m.topic == topic+"/accepted"
		}
	}
	t.Errorf("no answer for %v", by)
	return false
}

// A token that is used many times at once, through two hubs, makes one thing.
func TestOneTokenManyTimes(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := newRig(t)
		other := newRig(t, func(c *provision.Config) {
			c.Directory = r.directory
			c.Certificates, c.Things, c.Policies = certificates{r.world}, things{r.world}, policies{r.world}
		})
		r.fleet(t)
		c := r.create(t, claimant)
		accepted := many(t, 16, func(i int) bool {
			by := claimant
			by.ClientID = fmt.Sprint(i)
			return []*rig{r, other}[i%2].outcome(t, by, provisionTopic+"/json", provisionRequest(c.Token, fmt.Sprintf(`{"Serial": "%d"}`, i)))
		})
		require.Equal(t, 1, accepted)
		require.Len(t, r.things, 1)
		require.Equal(t, provision.Active, r.status(c.ID))
	}
}

// No more certificates wait than one principal may have, however they are asked for.
func TestPendingCertificatesAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *provision.Config) { c.Limits.Pending = 5 })
	r.fleet(t)
	accepted := many(t, 20, func(i int) bool {
		by := claimant
		by.ClientID = fmt.Sprint(i)
		return r.outcome(t, by, "$aws/certificates/create/json", "")
	})
	require.Equal(t, 5, accepted)
	require.Len(t, r.certificates, 5)
	r.messages = nil
	ok, answer := r.ask(t, claimant, "$aws/certificates/create-from-csr", "json", `{"certificateSigningRequest": `+quoted(request(t))+`}`)
	require.False(t, ok)
	require.Equal(t, rejection{429, "LimitExceeded", "5 certificates wait for their provisioning, at most 5 are allowed for one principal"}, readRejection(t, answer))

	// Others are not concerned, and who provisions makes room.
	other := provision.Requester{Principal: "other", ClientID: "x"}
	c := r.create(t, other)
	ok, answer = r.ask(t, other, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
	require.True(t, ok, answer)
	for range 7 { // each one leaves its place to the next
		c := r.create(t, other)
		ok, answer = r.ask(t, other, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
		require.True(t, ok, answer)
	}
	for range 9 { // so does a failure
		r.failAt = len(r.calls) + 1
		_, err := r.Handle(t.Context(), "$aws/certificates/create/json", nil, other)
		require.ErrorIs(t, err, errBroken)
		r.sent(t)
	}
	r.create(t, other)
}

// running runs a service until the end of the test.
func running(t *testing.T, s *provision.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *provision.Config) { c.Limits.Pending = 3 })
		r.fleet(t)
		running(t, r.Service)
		unused, used, activated := r.create(t, claimant), r.create(t, claimant), r.create(t, claimant)
		time.Sleep(provision.TokenLife - time.Second)
		synctest.Wait()
		require.Equal(t, provision.PendingActivation, r.status(unused.ID))
		ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(used.Token, `{"Serial": "1"}`))
		require.True(t, ok, answer)
		r.mu.Lock()
		r.certificates[activated.ID].Status = provision.Active // by somebody in charge
		r.mu.Unlock()

		time.Sleep(time.Second)
		for _, c := range []created{unused, activated} {
			ok, answer = r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "2"}`))
			require.False(t, ok)
			require.Equal(t, "InvalidCertificateOwnershipToken", readRejection(t, answer).Code)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Empty(t, r.status(unused.ID), "it is deleted")
		require.Equal(t, provision.Active, r.status(used.ID))
		require.Equal(t, provision.Active, r.status(activated.ID))
		// Nothing is left of them, and there is room again.
		r.nothingLeft(t, "provisioning-token")
		r.nothingLeft(t, "provisioning-pending")
		for range 3 {
			r.create(t, claimant)
		}
	})
}

// An expired certificate that somebody has put to use is kept, and one that cannot be
// deleted at the moment is deleted later.
func TestSweepingWithObstacles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		attached, gone, late := r.create(t, claimant), r.create(t, claimant), r.create(t, claimant)
		r.targets["pumps"] = []string{arnPrefix + "cert/" + attached.ID}
		delete(r.certificates, gone.ID)
		time.Sleep(provision.TokenLife + 2*time.Minute)
		r.failAt = len(r.calls) + 1 // one of the deletions fails
		running(t, r.Service)
		synctest.Wait()
		r.mu.Lock()
		r.failAt = 0
		r.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, provision.PendingActivation, r.status(attached.ID))
		require.Empty(t, r.status(late.ID))
		r.nothingLeft(t, "provisioning-token")
	})
}

func TestClaimsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.fleet(t)
		running(t, r.Service)
		claim, err := r.CreateProvisioningClaim(t.Context(), "fleet")
		require.NoError(t, err)
		require.Equal(t, time.Now().Add(5*time.Minute), claim.Expires)
		by := provision.Requester{Principal: claim.ID, ClientID: "d"}
		time.Sleep(5*time.Minute - time.Second)
		c := r.create(t, by)
		time.Sleep(time.Second)
		ok, answer := r.ask(t, by, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
		require.False(t, ok)
		require.Equal(t, rejection{403, "AccessDenied", "the provisioning claim has expired"}, readRejection(t, answer))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, r.status(claim.ID))
		// A connection that has outlived it is still that of a claim.
		time.Sleep(23 * time.Hour)
		_, found, err := r.Claim(t.Context(), claim.ID)
		require.NoError(t, err)
		require.True(t, found)
		ok, _ = r.ask(t, by, "$aws/certificates/create", "json", "")
		require.False(t, ok)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		_, found, err = r.Claim(t.Context(), claim.ID)
		require.NoError(t, err)
		require.False(t, found)
	})
}

// However long a request takes, no other one works with its token; when it has failed
// the token is good again.
func TestATakenToken(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.fleet(t)
			hang := make(chan error)
			slow := newRig(t, func(c *provision.Config) {
				c.Directory, c.Things, c.Certificates = r.directory, things{r.world}, certificates{r.world}
				c.Policies = hanging{policies{r.world}, hang}
			})
			c := r.create(t, claimant)
			type outcome struct {
				topic string
				err   error
			}
			done := make(chan outcome)
			go func() {
				_, err := slow.Handle(context.Background(), provisionTopic+"/json", []byte(provisionRequest(c.Token, `{"Serial": "1"}`)), claimant)
				done <- outcome{slow.messages[0].topic, err}
			}()
			synctest.Wait() // it hangs, with the thing made
			for range 3 {
				ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "2"}`))
				require.False(t, ok)
				require.Equal(t, rejection{400, "InvalidCertificateOwnershipToken", "certificateOwnershipToken is being used by another request"}, readRejection(t, answer))
				time.Sleep(10 * time.Minute)
			}
			require.Contains(t, r.things, "pump-1")
			if !fails {
				hang <- nil
				require.Equal(t, outcome{topic: provisionTopic + "/json/accepted"}, <-done)
				require.Equal(t, provision.Active, r.status(c.ID))
				require.Equal(t, []string{arnPrefix + "cert/" + c.ID}, r.targets["pumps"])
				return
			}
			hang <- errBroken
			o := <-done
			require.Equal(t, provisionTopic+"/json/rejected", o.topic)
			require.ErrorIs(t, o.err, errBroken)
			require.NotContains(t, r.things, "pump-1")
			ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "2"}`))
			require.True(t, ok, answer)
		})
	}
}

// hanging policies make whoever attaches one wait, and maybe fail.
type hanging struct {
	policies
	until chan error
}

func (h hanging) Attach(ctx context.Context, name, target string) (bool, error) {
	if err := <-h.until; err != nil {
		return false, err
	}
	return h.policies.Attach(ctx, name, target)
}

// A directory whose commits fail is an internal failure, and no certificate stays.
func TestADirectoryThatFails(t *testing.T) {
	t.Parallel()
	d := &failing{Directory: auth.NewMemory()}
	r := newRig(t, func(c *provision.Config) { c.Directory = d })
	r.fleet(t)
	c := r.create(t, claimant)
	before := r.state()
	for _, x := range []struct {
		topic, payload string
		commits        int
	}{
		{"$aws/certificates/create/json", "", 2},                                    // the reservation, the issue
		{provisionTopic + "/json", provisionRequest(c.Token, `{"Serial": "1"}`), 2}, // the token, the lock
	} {
		for at := range x.commits {
			d.failAt = d.commits + at + 1
			_, err := r.Handle(t.Context(), x.topic, []byte(x.payload), claimant)
			require.ErrorIs(t, err, errBroken)
			require.Contains(t, string(r.sent(t).payload), "InternalFailure")
			require.Equal(t, before, r.state())
		}
	}
	ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
	require.True(t, ok, answer)

	d.failAt = d.commits + 1
	before = r.state()
	_, err := r.CreateProvisioningClaim(t.Context(), "fleet")
	require.ErrorIs(t, err, errBroken)
	require.Equal(t, before, r.state())
}

// A token whose deletion fails is used up all the same.
func TestAUsedTokenThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &failing{Directory: auth.NewMemory()}
		r := newRig(t, func(c *provision.Config) { c.Directory = d })
		r.fleet(t)
		c := r.create(t, claimant)
		d.failAt = d.commits + 4 // the token is taken, the certificate locked and unlocked, the token deleted
		ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
		require.True(t, ok, answer)
		ok, answer = r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "2"}`))
		require.False(t, ok)
		require.Equal(t, "InvalidCertificateOwnershipToken", readRejection(t, answer).Code)
		require.NotContains(t, r.things, "pump-2")
		running(t, r.Service)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		r.nothingLeft(t, "provisioning-token")
		require.Equal(t, provision.Active, r.status(c.ID))
	})
}

type failing struct {
	auth.Directory
	commits, failAt int
}

func (f *failing) Commit(ctx context.Context, changes ...auth.Change) error {
	if f.commits++; f.commits == f.failAt {
		return errBroken
	}
	return f.Directory.Commit(ctx, changes...)
}

// Two registrations that share a policy, one of which fails, leave the other whole.
func TestTwoRegistrationsOfOnePolicy(t *testing.T) {
	t.Parallel()
	for range 30 {
		r := newRig(t)
		good := withDocument(`{"Version": "2012-10-17"}`)
		bad := good[:len(good)-2] + `, "gone": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "gone"}}}}`
		a, b := r.known(t, provision.Inactive), r.known(t, provision.Inactive)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.RegisterThing(t.Context(), good, map[string]string{"P": "", "AWS::IoT::Certificate::Id": a}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := r.RegisterThing(t.Context(), bad, map[string]string{"P": "", "AWS::IoT::Certificate::Id": b}); err == nil {
				t.Error("there is no policy of this name")
			}
		})
		wg.Wait()
		require.Equal(t, provision.Active, r.status(a))
		require.Equal(t, provision.Inactive, r.status(b))
		require.Len(t, r.policies, 2)
		for name, targets := range r.targets {
			require.NotContains(t, targets, arnPrefix+"cert/"+b, name)
		}
	}
}
