package jsonschema_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
	"github.com/thinghub/thinghub/shadow/jsonschema"
)

// report is the state of a device, about 400 bytes.
const report = `{"temp":21.5,"humidity":40,"pressure":1013.25,"mode":"auto","valves":{"in":true,"out":false},` +
	`"firmware":{"version":"1.4.2","built":"2026-01-02T03:04:05Z"},"errors":[],"uptime":123456789,"network":{"ssid":"plant","rssi":-61,"ip":"192.0.2.17"},` +
	`"counters":[1,2,3,4,5,6,7,8],"location":{"lat":48.137154,"lon":11.576124}}`

const reportSchema = `{"properties":{"temp":{"type":"number","minimum":-50,"maximum":150},"humidity":{"type":"integer","minimum":0,"maximum":100},
	"pressure":{"type":"number"},"mode":{"enum":["auto","manual","off"]},"valves":{"additionalProperties":{"type":"boolean"}},
	"firmware":{"properties":{"version":{"pattern":"^[0-9]+(\\.[0-9]+)*$"}},"required":["version"]},"errors":{"items":{"type":"string"}},"uptime":{"type":"integer"},
	"counters":{"items":{"type":"integer"},"maxItems":16},"location":{"required":["lat","lon"]}},"required":["temp","mode"],"unevaluatedProperties":true}`

func reportValidator(b *testing.B, others int) *jsonschema.Validator {
	b.Helper()
	c := jsonschema.Config{}
	for i := range others {
		c.Schemas = append(c.Schemas, jsonschema.Schema{Name: fmt.Sprint("other-", i), JSON: []byte(`false`), Things: []string{fmt.Sprint("other-", i, "-*")}})
	}
	c.Schemas = append(c.Schemas, jsonschema.Schema{Name: "report", JSON: []byte(reportSchema), Part: jsonschema.Reported, Things: []string{"pump-*"}})
	v, err := jsonschema.New(c)
	require.NoError(b, err)
	return v
}

func BenchmarkValidate(b *testing.B) {
	doc := []byte(`{"reported":` + report + `}`)
	for _, bench := range []struct {
		name   string
		thing  string
		others int
	}{{"fits", "pump-1", 0}, {"fits among 100", "pump-1", 100}, {"none of 100 is for it", "fan-1", 100}} {
		b.Run(bench.name, func(b *testing.B) {
			v := reportValidator(b, bench.others)
			k := shadow.Key{Thing: bench.thing}
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Validate(b.Context(), k, doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("refused", func(b *testing.B) {
		v := reportValidator(b, 0)
		k, wrong := shadow.Key{Thing: "pump-1"}, []byte(`{"reported":{"temp":1000,`+report[len(`{"temp":21.5,`):]+`}`)
		b.ReportAllocs()
		for b.Loop() {
			if v.Validate(b.Context(), k, wrong) == nil {
				b.Fatal("accepted")
			}
		}
	})
}

// BenchmarkUpdate is a whole update, with and without a schema.
func BenchmarkUpdate(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprintf("schema=%t", with), func(b *testing.B) {
			cfg := shadow.Config{Rate: -1}
			if with {
				cfg.Validators = []shadow.Validator{reportValidator(b, 0)}
			}
			svc, err := shadow.New(cfg)
			require.NoError(b, err)
			request := []byte(`{"state":{"reported":` + report + `}}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := svc.Update(b.Context(), shadow.Key{Thing: "pump-1"}, request, shadow.Requester{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
