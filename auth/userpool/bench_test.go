package userpool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// BenchmarkVerify is what a token costs: its signature, its client, its sign-in and its
// user.
func BenchmarkVerify(b *testing.B) {
	r := newRig(b)
	r.user("alice", "email", "alice@example.com")
	token, v := r.login("alice").IDToken, r.Pool(poolID)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r.ctx, token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSRP is a whole sign-in with SRP, on the side of the server.
func BenchmarkSRP(b *testing.B) {
	r := newRig(b)
	r.user("alice")
	c := newSRPClient(poolID)
	a := c.A.Text(16)
	b.ReportAllocs()
	for b.Loop() {
		out, err := r.startSRP("alice", a)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		answer := c.answer(b, out.ChallengeParameters, goodPass, r.now())
		b.StartTimer()
		if _, err := r.respond("PASSWORD_VERIFIER", "", answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnknown: somebody who is not there costs what somebody who is does.
func BenchmarkUnknown(b *testing.B) {
	for _, name := range []string{"alice", "nobody"} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, func(c *userpool.Config) { c.Hash, c.PerUser.Failures = userpool.HashParams{}, -1 })
			r.user("alice")
			for b.Loop() {
				_, _ = r.try(name, "Wrong0ne!")
			}
		})
	}
}

const million = 1_000_000

// crowded is a directory with a million users, made once.
var crowded = sync.OnceValue(func() *rig {
	r := &rig{dir: auth.NewMemory(), outbox: &userpool.Outbox{}, clock: noon}
	return r
})

// BenchmarkMillion is a look-up, a sign-in and a page in a pool of a million users.
func BenchmarkMillion(b *testing.B) {
	r := crowded()
	r.t, r.ctx = b, b.Context()
	if r.log == nil {
		r.log = &strings.Builder{}
		r.open(func(c *userpool.Config) { c.PerUser.Failures = -1 })
		fill(b, r)
	}
	name := func(i int) string { return fmt.Sprintf("user%07d", i*7919%million) }
	b.Run("name", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := r.AdminGetUser(b.Context(), userpool.UserInput{UserPoolID: poolID, Username: name(i)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("email", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := r.AdminGetUser(b.Context(), userpool.UserInput{UserPoolID: poolID, Username: name(i) + "@example.com"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signin", func(b *testing.B) {
		userpool.SigningKey(r.Service, poolID) // is made once
		for i := 0; b.Loop(); i++ {
			if _, err := r.InitiateAuth(b.Context(), userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": name(i) + "@example.com", "PASSWORD": goodPass}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("filter", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			out, err := r.ListUsers(b.Context(), userpool.ListUsersInput{UserPoolID: poolID, Filter: `email ^= "` + name(i)[:10] + `"`, Limit: 10})
			if err != nil || len(out.Users) != 10 {
				b.Fatal(err, len(out.Users))
			}
		}
	})
}

// fill makes the users with the hash of one password, copied from one of them.
func fill(b *testing.B, r *rig) {
	b.Helper()
	r.user("user0000000", "email", "user0000000@example.com", "email_verified", "true")
	rec, err := r.dir.Get(r.ctx, auth.Key("userpool-user", poolID, "user0000000"))
	require.NoError(b, err)
	var u map[string]any
	require.NoError(b, json.Unmarshal(rec.Value, &u))
	for i := 1; i < million; i++ {
		name := fmt.Sprintf("user%07d", i)
		email := name + "@example.com"
		sub := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		u["name"], u["sub"], u["attributes"] = name, sub, map[string]string{"email": email, "email_verified": "true"}
		value, err := json.Marshal(u)
		require.NoError(b, err)
		quoted := []byte(`"` + name + `"`)
		require.NoError(b, r.dir.Commit(r.ctx,
			auth.Change{Key: auth.Key("userpool-user", poolID, name), Value: value},
			auth.Change{Key: auth.Key("userpool-alias", poolID, "sub", sub), Value: quoted},
			auth.Change{Key: auth.Key("userpool-alias", poolID, "email", email), Value: quoted},
			auth.Change{Key: auth.Key("userpool-value", poolID, "email", email, name), Value: []byte("{}")}))
	}
}
