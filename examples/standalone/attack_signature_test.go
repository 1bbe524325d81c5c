package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/sigv4"
)

// TestAttackSignatures: a signature is good for what was signed, for a while, and for
// nobody else.
func TestAttackSignatures(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	at := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }
	with := func(change func(k *sigv4.Signer)) sigv4.Signer {
		k := adminKey
		change(&k)
		return k
	}
	const victim = "/things/pump-1/principals"
	who := http.Header{"X-Amzn-Principal": {scope + "user/alice"}}
	for _, c := range []struct {
		name string
		call call
		want []int
	}{
		{"good", call{path: "/things/pump-1", key: adminKey}, []int{200}},
		{"wrong secret", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.Secret = "other" })}, []int{401}},
		{"secret of another", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.Secret = "data-secret" })}, []int{401}},
		{"unknown key", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.ID = "AKIAUNKNOWN" })}, []int{401}},
		{"name of the key in another case", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.ID = "akiaadmin" })}, []int{401}},
		{"session token for a key without one", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.Token = "x" })}, []int{401}},
		{"forged session token", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.ID, k.Token = "ASIAFORGED", "th1.20260101.AAAA" })}, []int{401}},
		{"six minutes old", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.Now = at(-6 * time.Minute) })}, []int{401}},
		{"six minutes early", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.Now = at(6 * time.Minute) })}, []int{401}},
		{"a day old", call{path: "/things/pump-1", key: with(func(k *sigv4.Signer) { k.Now = at(-24 * time.Hour) })}, []int{401}},
		{"other service", call{path: "/things/pump-1", key: adminKey, service: "s3"}, []int{401}},
		{"other service with a like name", call{path: "/things/pump-1", key: adminKey, service: "IOT"}, []int{401}},
		{"date changed", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) {
			r.Header.Set("X-Amz-Date", time.Now().UTC().Add(time.Minute).Format("20060102T150405Z"))
		}}, []int{401}},
		{"path changed", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/things/pump-2", "" }}, []int{401}},
		{"query changed", call{path: "/things?maxResults=1", key: adminKey, change: func(r *http.Request) { r.URL.RawQuery = "maxResults=2" }}, []int{401}},
		{"query added", call{path: "/things", key: adminKey, change: func(r *http.Request) { r.URL.RawQuery = "maxResults=2" }}, []int{401}},
		{"method changed", call{path: "/things/pump-9", key: adminKey, change: func(r *http.Request) { r.Method = "DELETE" }}, []int{401}},
		{"host changed", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) { r.Host = "other.test" }}, []int{401}},
		{"body changed", call{method: "POST", path: "/things/made", body: `{"thingTypeName":""}`, key: adminKey, change: func(r *http.Request) { body(r, `{"thingTypeName":"x"}`) }}, []int{401}},
		{"body added", call{method: "POST", path: "/things/made", key: adminKey, change: func(r *http.Request) { body(r, `{}`) }}, []int{401}},
		{"body and its hash changed", call{method: "POST", path: "/things/made", body: `{}`, key: adminKey, change: func(r *http.Request) {
			body(r, `{"thingTypeName":"x"}`)
			r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
		}}, []int{401}},
		{"body not signed", call{method: "POST", path: "/things/made", body: `{}`, key: adminKey, change: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }}, []int{401}},
		{"hash left out", call{method: "POST", path: "/things/made", body: `{}`, key: adminKey, change: func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256"); body(r, `{"a":1}`) }}, []int{401}},
		{"signed header changed", call{method: "PUT", path: victim, key: adminKey, header: who, change: func(r *http.Request) { r.Header.Set("X-Amzn-Principal", scope+"user/bob") }}, []int{401}},
		{"signed header twice", call{method: "PUT", path: victim, key: adminKey, header: who, change: func(r *http.Request) { r.Header.Add("X-Amzn-Principal", scope+"user/bob") }}, []int{401}},
		{"header of AWS added", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "x") }}, []int{401}},
		{"whom it is about added", call{method: "PUT", path: victim, key: adminKey, change: func(r *http.Request) { r.Header.Set("X-Amzn-Principal", scope+"user/bob") }}, []int{401}},
		{"whom a policy is for added", call{method: "PUT", path: "/principal-policies/all", key: adminKey, change: func(r *http.Request) { r.Header.Set("X-Amzn-Iot-Principal", scope+"user/bob") }}, []int{401}},
		{"which policy it is about added", call{path: "/policy-principals", key: adminKey, change: func(r *http.Request) { r.Header.Set("X-Amzn-Iot-Policy", "all") }}, []int{401}},
		{"a trace of a proxy added", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) { r.Header.Set("X-Amzn-Trace-Id", "x") }}, []int{200}},
		{"two signatures", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }}, []int{401}},
		{"a signature and a password", call{path: "/things/pump-1", key: dataKey, change: func(r *http.Request) { r.Header.Add("Authorization", "Basic cm9vdDpyb290LXB3") }}, []int{401}},
		{"no signature in it", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) { cutAuthorization(r, ", Signature=") }}, []int{401}},
		{"empty signature", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) { cutAuthorization(r, "Signature="); add(r, "Signature=") }}, []int{401}},
		{"signature of zeros", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) {
			cutAuthorization(r, "Signature=")
			add(r, "Signature="+strings.Repeat("0", 64))
		}}, []int{401}},
		{"host not signed", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "", 1))
		}}, []int{401}},
		{"another algorithm", call{path: "/things/pump-1", key: adminKey, change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "SHA256", "SHA1", 1))
		}}, []int{401}},
		{"key of another in the scope", call{path: "/things/pump-1", key: dataKey, change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "AKIADATA", "AKIAADMIN", 1))
		}}, []int{401}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.call.service == "" {
				c.call.service = "iot"
			}
			got := h.do(t, c.call)
			require.Contains(t, c.want, got.status, got.body)
			require.NotContains(t, got.body, "secret")
		})
	}
	t.Run("nothing came of it", func(t *testing.T) {
		require.Equal(t, 404, h.do(t, call{path: "/things/made", key: adminKey, service: "iot"}).status)
		require.Equal(t, 200, h.do(t, call{path: "/things/pump-9", key: adminKey, service: "iot"}).status)
		require.NotContains(t, h.do(t, call{path: victim, key: adminKey, service: "iot"}).body, "bob")
	})
	presigned := func(t *testing.T, k sigv4.Signer, method, path string, d time.Duration) string {
		t.Helper()
		k.Region, k.Service = "local", "iot"
		u, err := k.Presign(method, "http://"+h.addr["http"]+path, d)
		require.NoError(t, err)
		return strings.TrimPrefix(u, "http://"+h.addr["http"])
	}
	get := presigned(t, adminKey, "GET", "/things/pump-1", time.Minute)
	for _, c := range []struct {
		name string
		call call
		want int
	}{
		{"good", call{path: get}, 200},
		{"for another method", call{method: "DELETE", path: get}, 401},
		{"for another path", call{path: strings.Replace(get, "pump-1", "pump-2", 1)}, 401},
		{"with a body", call{method: "POST", path: presigned(t, adminKey, "POST", "/things/made2", time.Minute), body: "{}"}, 401},
		{"with more parameters", call{path: get + "&expectedVersion=1"}, 401},
		{"with a parameter twice", call{path: get + "&X-Amz-Expires=99999"}, 401},
		{"longer than it was made for", call{path: strings.Replace(get, "X-Amz-Expires=60", "X-Amz-Expires=600", 1)}, 401},
		{"in another spelling", call{path: strings.Replace(get, "X-Amz-Signature", "x-amz-signature", 1)}, 401},
		{"with another token", call{path: get + "&X-Amz-Security-Token=x"}, 401},
		{"beside a password", call{path: strings.Replace(get, "X-Amz-Expires=60", "X-Amz-Expires=61", 1), user: "bob", password: "bob-pw"}, 401},
		{"with a header of whom it is about", call{method: "PUT", path: presigned(t, adminKey, "PUT", victim, time.Minute), header: who}, 401},
		{"expired", call{path: presigned(t, with(func(k *sigv4.Signer) { k.Now = at(-2 * time.Minute) }), "GET", "/things/pump-1", time.Minute)}, 401},
		{"for two days", call{path: presigned(t, adminKey, "GET", "/things/pump-1", 48*time.Hour)}, 401},
		{"from the future", call{path: presigned(t, with(func(k *sigv4.Signer) { k.Now = at(10 * time.Minute) }), "GET", "/things/pump-1", time.Hour)}, 401},
	} {
		t.Run("presigned "+c.name, func(t *testing.T) {
			got := h.do(t, c.call)
			require.Equal(t, c.want, got.status, got.body)
		})
	}
	for _, secret := range []string{"admin-secret", "data-secret", "X-Amz-Signature", fmt.Sprintf("%.20s", get[strings.Index(get, "Signature=")+10:])} {
		require.NotContains(t, h.p.Stderr(), secret, "in the log")
	}
}
