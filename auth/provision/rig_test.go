package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/provision"
)

const arnPrefix = "arn:aws:iot:eu-west-1:123456789012:"

// errBroken is what a room returns that has been told to fail.
var errBroken = errors.New("broken")

// A world is the rooms around a service: certificates, things, policies and the
// messages that were published.
type world struct {
	mu           sync.Mutex
	certificates map[string]*certificateRecord
	things       map[string]*provision.Thing
	attached     map[string][]string // thing -> principals
	policies     map[string]string
	targets      map[string][]string // policy -> targets
	groups       []string            // that there are
	types        []string
	messages     []published
	ca           *authority

	calls  []string
	failAt int // the number of the call that fails, from 1; 0: none
}

type certificateRecord struct {
	provision.Certificate
	hidden bool
}

type published struct {
	to      provision.Requester
	topic   string
	payload []byte
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ca, err := newAuthority()
	require.NoError(t, err)
	return worldOf(ca)
}

func worldOf(ca *authority) *world {
	return &world{
		certificates: map[string]*certificateRecord{}, things: map[string]*provision.Thing{}, attached: map[string][]string{},
		policies: map[string]string{"pumps": `{"Version":"2012-10-17","Statement":[]}`}, targets: map[string][]string{},
		groups: []string{"g1", "g2", "g3", "hall-1"}, types: []string{"pump", "valve"}, ca: ca,
	}
}

// begin counts a call and says whether it is to fail.
func (w *world) begin(call string) error {
	w.calls = append(w.calls, call)
	if w.failAt == len(w.calls) {
		return fmt.Errorf("%s: %w", call, errBroken)
	}
	return nil
}

// state is all that a registration may have changed, as text.
func (w *world) state() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(w.certificates)) {
		fmt.Fprintln(&b, "certificate", id, w.certificates[id].Status)
	}
	for _, name := range slices.Sorted(maps.Keys(w.things)) {
		th := *w.things[name]
		th.Version = 0
		slices.Sort(th.Groups)
		fmt.Fprintf(&b, "thing %+v %v\n", th, w.attached[name])
	}
	for _, name := range slices.Sorted(maps.Keys(w.policies)) {
		fmt.Fprintln(&b, "policy", name, w.policies[name], w.targets[name])
	}
	return b.String()
}

// rig is a service in a world.
type rig struct {
	*world
	*provision.Service
	directory auth.Directory
}

func newRig(t testing.TB, change ...func(*provision.Config)) *rig {
	t.Helper()
	w := newWorld(t)
	cfg := provision.Config{
		Directory: auth.NewMemory(), Certificates: certificates{w}, Things: things{w}, Policies: policies{w},
		Scope:  provision.Scope{Region: "eu-west-1", Account: "123456789012"},
		Logger: slog.New(slog.DiscardHandler),
		Publisher: provision.PublisherFunc(func(_ context.Context, to provision.Requester, topic string, payload []byte) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.messages = append(w.messages, published{to, topic, payload})
			return nil
		}),
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := provision.New(cfg)
	require.NoError(t, err)
	return &rig{w, s, cfg.Directory}
}

// nothingLeft checks that the directory has no records whose keys begin with a prefix.
func (r *rig) nothingLeft(t testing.TB, prefix string) {
	t.Helper()
	for record, err := range r.directory.Scan(t.Context(), prefix, "") {
		require.NoError(t, err)
		require.Empty(t, record.Key)
	}
}

// sent returns the last message and forgets all.
func (w *world) sent(t testing.TB) published {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(t, w.messages, 1)
	m := w.messages[0]
	w.messages = nil
	return m
}

// status returns the status of a certificate, empty if there is none.
func (w *world) status(id string) provision.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.certificates[id]; c != nil {
		return c.Status
	}
	return ""
}

var (
	claimant = provision.Requester{Principal: strings.Repeat("c1", 32), ClientID: "new-device"}
	formats  = []string{"json", "cbor"}
)

// ask sends a request and returns the answer, as JSON whatever the format is.
func (r *rig) ask(t testing.TB, by provision.Requester, topic, format, request string) (accepted bool, answer string) {
	t.Helper()
	payload := []byte(request)
	if format == "cbor" && request != "" {
		var v any
		require.NoError(t, json.Unmarshal(payload, &v))
		var err error
		payload, err = cbor.Marshal(v)
		require.NoError(t, err)
	}
	handled, err := r.Handle(context.Background(), topic+"/"+format, payload, by)
	require.True(t, handled)
	require.NoError(t, err)
	m := r.sent(t)
	require.Equal(t, by, m.to)
	end, ok := strings.CutPrefix(m.topic, topic+"/"+format+"/")
	require.True(t, ok, m.topic)
	require.Contains(t, []string{"accepted", "rejected"}, end)
	if format == "cbor" {
		var v map[string]any
		mode, err := cbor.DecOptions{DefaultMapType: nil, IndefLength: cbor.IndefLengthForbidden}.DecMode()
		require.NoError(t, err)
		require.NoError(t, mode.Unmarshal(m.payload, &v))
		for k, x := range v {
			if x, ok := x.(map[any]any); ok {
				texts := map[string]any{}
				for k, x := range x {
					texts[k.(string)] = x
				}
				v[k] = texts
			}
		}
		m.payload, err = json.Marshal(v)
		require.NoError(t, err)
	}
	return end == "accepted", string(m.payload)
}

// created is what the answers about certificates have.
type created struct {
	ID         string `json:"certificateId"`
	PEM        string `json:"certificatePem"`
	PrivateKey string `json:"privateKey"`
	Token      string `json:"certificateOwnershipToken"`
}

// create makes a certificate with keys over MQTT.
func (r *rig) create(t testing.TB, by provision.Requester) (c created) {
	t.Helper()
	ok, answer := r.ask(t, by, "$aws/certificates/create", "json", "")
	require.True(t, ok, answer)
	require.NoError(t, json.Unmarshal([]byte(answer), &c))
	return c
}

// rejection is what a rejected answer has.
type rejection struct {
	Status  int    `json:"statusCode"`
	Code    string `json:"errorCode"`
	Message string `json:"errorMessage"`
}

func readRejection(t testing.TB, answer string) (r rejection) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(answer), &r))
	require.NotEmpty(t, r.Message)
	return r
}

// fleetBody is a template for fleet provisioning.
const fleetBody = `{
	"Parameters": {"Serial": {"Type": "String"}, "Site": {"Type": "String", "Default": "north"}},
	"Mappings": {"Sites": {"north": {"group": "hall-1"}, "south": {"group": "g2"}}},
	"Resources": {
		"thing": {"Type": "AWS::IoT::Thing", "Properties": {
			"ThingName": {"Fn::Join": ["-", ["pump", {"Ref": "Serial"}]]},
			"AttributePayload": {"serial": {"Ref": "Serial"}},
			"ThingTypeName": "pump",
			"ThingGroups": [{"Fn::FindInMap": ["Sites", {"Ref": "Site"}, "group"]}]}},
		"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}},
		"policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "pumps"}}},
	"DeviceConfiguration": {"interval": "60", "site": {"Ref": "Site"}}}`

// fleet creates the template "fleet", enabled.
func (r *rig) fleet(t testing.TB, change ...func(*provision.CreateTemplateInput)) {
	t.Helper()
	in := provision.CreateTemplateInput{Name: "fleet", Body: fleetBody, Enabled: true}
	for _, c := range change {
		c(&in)
	}
	_, err := r.CreateProvisioningTemplate(t.Context(), in)
	require.NoError(t, err)
}
