package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func TestTyped_Watch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{History: shadow.Retention{Versions: 10}})
		hallRoom := shadow.Of[room](svc, hall)
		must(t, svc, hall, `{"desired":{"target":21}}`)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		var last error
		go func() {
			for c, err := range hallRoom.Watch(ctx, shadow.Filter{After: &shadow.Position{}}) {
				if last = err; err != nil && !errors.Is(err, shadow.ErrMisfit) {
					if c.Change != nil {
						t.Error("an error that ends the watch has a change")
					}
					return
				}
				got = append(got, fmt.Sprintf("%s %d: desired %v to %v, reported %v to %v, delta %v %v to %v %v %v", c.Kind, c.Is.Version,
					c.Was.Desired.Target, c.Is.Desired.Target, c.Was.Reported.Target, c.Is.Reported.Target,
					c.Was.HasDelta, c.Was.Delta.Target, c.Is.HasDelta, c.Is.Delta.Target, err))
			}
		}()
		must(t, svc, hall, `{"reported":{"target":20}}`, `{"reported":{"target":"warm"}}`, `{"reported":{"target":21}}`, "delete")
		must(t, svc, shadow.Key{Thing: "hall", Name: "other"}, `{}`)
		synctest.Wait()
		wrong := "shadow: reported of hall: json: cannot unmarshal string into Go struct field room.target of type float64"
		require.Equal(t, []string{
			"updated 1: desired 0 to 21, reported 0 to 0, delta false 0 to true 21 <nil>",
			"updated 2: desired 21 to 21, reported 0 to 20, delta true 21 to true 21 <nil>",
			"updated 3: desired 21 to 21, reported 20 to 0, delta true 21 to true 21 " + wrong,
			"updated 4: desired 21 to 21, reported 0 to 21, delta true 21 to false 0 " + wrong,
			"deleted 0: desired 21 to 0, reported 21 to 0, delta false 0 to false 0 <nil>",
		}, got)
		cancel()
		synctest.Wait()
		require.ErrorIs(t, last, context.Canceled)
		require.Zero(t, svc.Watches())
	})
}

func TestTyped_WatchRefuses(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	for want, c := range map[string]struct {
		k shadow.Key
		f shadow.Filter
	}{
		"Thing or Names is set, expected neither: the shadow is hall": {hall, shadow.Filter{Thing: "hall"}},
		"expected neither":   {hall, shadow.Filter{Names: []string{}}},
		"After has no":       {hall, shadow.Filter{After: &shadow.Position{Version: -1}}},
		"Invalid thing name": {shadow.Key{}, shadow.Filter{}},
	} {
		n := 0
		for _, err := range shadow.Of[room](svc, c.k).Watch(t.Context(), c.f) {
			require.ErrorIs(t, err, shadow.ErrInvalid)
			require.ErrorContains(t, err, want)
			n++
		}
		require.Equal(t, 1, n)
	}
}

func ExampleTyped_Watch() {
	svc, err := shadow.New(shadow.Config{})
	if err != nil {
		panic(err)
	}
	type thermostat struct {
		Target  float64 `json:"target,omitempty"`
		Celsius float64 `json:"celsius,omitempty"`
	}
	ctx := context.Background()
	hall := shadow.Of[thermostat](svc, shadow.Key{Thing: "hall"})
	_, err = hall.Change(ctx, shadow.Desired, func(t *thermostat) error { t.Target = 21; return nil })
	if err != nil {
		panic(err)
	}
	for c, err := range hall.Watch(ctx, shadow.Filter{Current: true}) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: wants %g, has %g, had %g\n", c.Kind, c.Is.Desired.Target, c.Is.Reported.Celsius, c.Was.Reported.Celsius)
		if c.Is.Reported.Celsius >= c.Is.Desired.Target {
			break
		}
		// The device hears of it, and does something.
		if err := hall.Update(ctx, shadow.Reported, c.Is.Reported, thermostat{Celsius: c.Is.Reported.Celsius + 10.5}); err != nil {
			panic(err)
		}
	}
	// Output:
	// snapshot: wants 21, has 0, had 0
	// updated: wants 21, has 10.5, had 0
	// updated: wants 21, has 21, had 10.5
}
