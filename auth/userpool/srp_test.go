package userpool_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
)

// An srpClient does what SRP clients of user pools do.
type srpClient struct {
	pool string // the id of the pool behind the region
	a, A *big.Int
}

func newSRPClient(pool string) *srpClient {
	b := make([]byte, 128)
	_, _ = rand.Read(b)
	a := new(big.Int).SetBytes(b)
	return &srpClient{pool[strings.IndexByte(pool, '_')+1:], a, new(big.Int).Exp(userpool.SRPG, a, userpool.SRPN)}
}

func hashed(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// answer proves a password.
func (c *srpClient) answer(t testing.TB, parameters map[string]string, password string, now time.Time) map[string]string {
	t.Helper()
	N, g := userpool.SRPN, userpool.SRPG
	B, ok := new(big.Int).SetString(parameters["SRP_B"], 16)
	require.True(t, ok)
	salt, ok := new(big.Int).SetString(parameters["SALT"], 16)
	require.True(t, ok)
	id := parameters["USER_ID_FOR_SRP"]
	u := new(big.Int).SetBytes(hashed(userpool.Padded(c.A), userpool.Padded(B)))
	k := new(big.Int).SetBytes(hashed(userpool.Padded(N), userpool.Padded(g)))
	x := new(big.Int).SetBytes(hashed(userpool.Padded(salt), hashed([]byte(c.pool+id+":"+password))))
	S := new(big.Int).Mul(k, new(big.Int).Exp(g, x, N))
	S.Sub(B, S).Mod(S, N).Exp(S, new(big.Int).Add(c.a, new(big.Int).Mul(u, x)), N)
	key, err := hkdf.Key(sha256.New, userpool.Padded(S), userpool.Padded(u), "Caldera Derived Key", 16)
	require.NoError(t, err)
	block, err := base64.StdEncoding.DecodeString(parameters["SECRET_BLOCK"])
	require.NoError(t, err)
	stamp := now.UTC().Format("Mon Jan 2 15:04:05 UTC 2006")
	m := hmac.New(sha256.New, key)
	m.Write([]byte(c.pool + id))
	m.Write(block)
	m.Write([]byte(stamp))
	return map[string]string{
		"USERNAME": id, "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"], "TIMESTAMP": stamp,
		"PASSWORD_CLAIM_SIGNATURE": base64.StdEncoding.EncodeToString(m.Sum(nil)),
	}
}

func (r *rig) startSRP(name, a string) (userpool.AuthOutput, error) {
	return r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_SRP_AUTH", AuthParameters: map[string]string{"USERNAME": name, "SRP_A": a}})
}

func (r *rig) srp(name, password string) (userpool.AuthOutput, error) {
	c := newSRPClient(poolID)
	out, err := r.startSRP(name, c.A.Text(16))
	if err != nil {
		return out, err
	}
	return r.respond("PASSWORD_VERIFIER", "", c.answer(r.t, out.ChallengeParameters, password, r.now()))
}

// TestGroup: the number is a prime of 3072 bits, and so is its half, as RFC 5054 says.
func TestGroup(t *testing.T) {
	t.Parallel()
	require.Equal(t, 3072, userpool.SRPN.BitLen())
	require.True(t, userpool.SRPN.ProbablyPrime(1))
	require.True(t, new(big.Int).Rsh(userpool.SRPN, 1).ProbablyPrime(1))
	require.Equal(t, []byte{0, 0xff}, userpool.Padded(big.NewInt(0xff)))
	require.Equal(t, []byte{0x7f}, userpool.Padded(big.NewInt(0x7f)))
	require.Equal(t, []byte{0}, userpool.Padded(new(big.Int)))
}

func TestSRP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("Alice", "email", "alice@example.com", "email_verified", "true")
	for _, name := range []string{"Alice", "alice", "ALICE", "alice@example.com", value(r.get("alice").UserAttributes, "sub")} {
		out, err := r.srp(name, goodPass)
		require.NoError(t, err, name)
		_, err = r.Pool(poolID).Verify(r.ctx, out.AuthenticationResult.IDToken)
		require.NoError(t, err)
	}
	for _, c := range []struct{ name, password string }{{"alice", "Wrong0ne!"}, {"nobody", goodPass}, {"nobody@example.com", goodPass}} {
		_, err := r.srp(c.name, c.password)
		is(t, err, userpool.ErrNotAuthorized)
		require.EqualError(t, err, "userpool: Incorrect username or password.")
	}

	// An unknown user has a salt that stays, and numbers that look like those of others.
	c := newSRPClient(poolID)
	one, err := r.startSRP("nobody", c.A.Text(16))
	require.NoError(t, err)
	two, err := r.startSRP("Nobody", c.A.Text(16))
	require.NoError(t, err)
	known, err := r.startSRP("alice", c.A.Text(16))
	require.NoError(t, err)
	require.Equal(t, one.ChallengeParameters["SALT"], two.ChallengeParameters["SALT"])
	require.NotEqual(t, one.ChallengeParameters["SRP_B"], two.ChallengeParameters["SRP_B"])
	require.Len(t, one.ChallengeParameters["SALT"], len(known.ChallengeParameters["SALT"]))
	require.Len(t, known.ChallengeParameters, len(one.ChallengeParameters))
	require.Len(t, one.ChallengeParameters["SECRET_BLOCK"], len(known.ChallengeParameters["SECRET_BLOCK"]))

	// Numbers that would give the key away, or are none.
	N := userpool.SRPN
	for _, a := range []string{"0", "00", N.Text(16), new(big.Int).Lsh(N, 1).Text(16), "-1", "+1", "0x1", "x", " 1", "1_0", strings.Repeat("f", 771), hex.EncodeToString(make([]byte, 384))} {
		_, err := r.startSRP("alice", a)
		is(t, err, userpool.ErrInvalid, "SRP_A")
	}

	// What a client says is bound together.
	r.pass(time.Hour)
	good := c.answer(t, known.ChallengeParameters, goodPass, r.now())
	_, err = r.respond("PASSWORD_VERIFIER", "", good)
	is(t, err, userpool.ErrNotAuthorized, "session is expired")
	known, err = r.startSRP("alice", c.A.Text(16))
	require.NoError(t, err)
	good = c.answer(t, known.ChallengeParameters, goodPass, r.now())
	other, err := r.startSRP("alice", c.A.Text(16))
	require.NoError(t, err)
	for name, change := range map[string]map[string]string{
		"another block":    {"PASSWORD_CLAIM_SECRET_BLOCK": other.ChallengeParameters["SECRET_BLOCK"]},
		"a broken block":   {"PASSWORD_CLAIM_SECRET_BLOCK": known.ChallengeParameters["SECRET_BLOCK"][:40] + "AAAA" + known.ChallengeParameters["SECRET_BLOCK"][44:]},
		"no base64":        {"PASSWORD_CLAIM_SECRET_BLOCK": "!"},
		"another time":     {"TIMESTAMP": "Mon Jan 2 15:04:05 UTC 2006"},
		"another user":     {"USERNAME": "bob"},
		"no signature":     {"PASSWORD_CLAIM_SIGNATURE": "AAAA"},
		"a secret hash":    {"SECRET_HASH": "AAAA"},
		"a session of MFA": {"PASSWORD_CLAIM_SECRET_BLOCK": strings.Repeat("A", 100)},
	} {
		bad := map[string]string{}
		for k, v := range good {
			bad[k] = v
		}
		for k, v := range change {
			bad[k] = v
		}
		_, err := r.respond("PASSWORD_VERIFIER", "", bad)
		is(t, err, userpool.ErrNotAuthorized)
		require.Error(t, err, name)
		r.pass(time.Second)
	}
	for _, stamp := range []string{"x", "2006-01-02T15:04:05Z", strings.Repeat("x", 10_000)} {
		bad := map[string]string{}
		for k, v := range good {
			bad[k] = v
		}
		bad["TIMESTAMP"] = stamp
		_, err := r.respond("PASSWORD_VERIFIER", "", bad)
		is(t, err, userpool.ErrInvalid, "TIMESTAMP")
	}
	_, err = r.respond("PASSWORD_VERIFIER", "", good)
	require.NoError(t, err)
	_, err = r.respond("PASSWORD_VERIFIER", "", good)
	is(t, err, userpool.ErrNotAuthorized, "session") // once

	// A password that was changed meanwhile.
	known, err = r.startSRP("alice", c.A.Text(16))
	require.NoError(t, err)
	r.setPassword("alice", goodPass)
	_, err = r.respond("PASSWORD_VERIFIER", "", c.answer(t, known.ChallengeParameters, goodPass, r.now()))
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")

	// A temporary password leads to a new one, which SRP then proves.
	_, err = r.AdminSetUserPassword(r.ctx, userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: "alice", Password: "T3mporary!"})
	require.NoError(t, err)
	out, err := r.srp("alice", "T3mporary!")
	require.NoError(t, err)
	require.Equal(t, "NEW_PASSWORD_REQUIRED", out.ChallengeName)
	_, err = r.respond("NEW_PASSWORD_REQUIRED", out.Session, map[string]string{"USERNAME": out.ChallengeParameters["USER_ID_FOR_SRP"], "NEW_PASSWORD": "Br4nd-new!"})
	require.NoError(t, err)
	_, err = r.srp("alice", "Br4nd-new!")
	require.NoError(t, err)
}

// TestSRPGuessing: SRP and passwords are counted together.
func TestSRPGuessing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	for _, name := range []string{"alice", "nobody"} {
		for range 3 {
			_, err := r.srp(name, "Wrong0ne!")
			is(t, err, userpool.ErrNotAuthorized, "Incorrect")
		}
		for range 2 {
			_, err := r.try(name, "Wrong0ne!")
			is(t, err, userpool.ErrNotAuthorized, "Incorrect")
		}
		_, err := r.srp(name, goodPass)
		is(t, err, userpool.ErrNotAuthorized, "attempts exceeded")
	}
}

// TestNoSRP: no verifiers are kept, and those that are there go at the next sign-in.
func TestNoSRP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	require.Contains(t, r.stored(), `"verifier"`)
	r.open(func(c *userpool.Config) { c.NoSRP = true })
	_, err := r.srp("alice", goodPass)
	is(t, err, userpool.ErrInvalid, "USER_SRP_AUTH")
	r.login("alice")
	require.NotContains(t, r.stored(), `"verifier"`)
	r.user("bob")
	require.NotContains(t, r.stored(), `"verifier"`)
	r.open()
	_, err = r.srp("alice", goodPass)
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	r.login("alice") // makes one
	_, err = r.srp("alice", goodPass)
	require.NoError(t, err)
}

// stored is all that is kept of users.
func (r *rig) stored() string {
	var b strings.Builder
	for rec, err := range r.dir.Scan(r.ctx, "userpool-user", "") {
		require.NoError(r.t, err)
		b.Write(rec.Value)
	}
	require.NotContains(r.t, b.String(), goodPass)
	return b.String()
}

// TestSRPCustom: SRP first, then a challenge of the host's.
func TestSRPCustom(t *testing.T) {
	t.Parallel()
	r := newRig(t, customAfterSRP)
	r.user("alice")
	try := func(name, password string) (userpool.AuthOutput, error) {
		c := newSRPClient(poolID)
		out, err := r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "CUSTOM_AUTH", AuthParameters: map[string]string{"USERNAME": name, "CHALLENGE_NAME": "SRP_A", "SRP_A": c.A.Text(16)}})
		require.NoError(t, err)
		require.Equal(t, "PASSWORD_VERIFIER", out.ChallengeName)
		return r.respond("PASSWORD_VERIFIER", "", c.answer(t, out.ChallengeParameters, password, r.now()))
	}
	out, err := try("alice", goodPass)
	require.NoError(t, err)
	require.Equal(t, "CUSTOM_CHALLENGE", out.ChallengeName)
	out, err = r.respond("CUSTOM_CHALLENGE", out.Session, map[string]string{"USERNAME": "alice", "ANSWER": "4"})
	require.NoError(t, err)
	require.NotNil(t, out.AuthenticationResult)
	for _, name := range []string{"alice", "nobody"} {
		_, err = try(name, "Wrong0ne!")
		is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	}
}

func FuzzSRPA(f *testing.F) {
	r := newRig(f)
	r.user("alice")
	for _, a := range []string{"0", "1", "ff", userpool.SRPN.Text(16), "-1", "x"} {
		f.Add(a, "AAAA", "AAAA")
	}
	f.Fuzz(func(t *testing.T, a, block, signature string) {
		_, _ = r.startSRP("alice", a)
		_, err := r.respond("PASSWORD_VERIFIER", "", map[string]string{"USERNAME": "alice", "PASSWORD_CLAIM_SECRET_BLOCK": block, "PASSWORD_CLAIM_SIGNATURE": signature, "TIMESTAMP": "Mon Jan 2 15:04:05 UTC 2006"})
		require.Error(t, err)
	})
}
