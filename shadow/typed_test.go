package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

type fan struct {
	Speed  int  `json:"speed,omitempty"`
	Silent bool `json:"silent,omitempty"`
}

type room struct {
	Target float64           `json:"target,omitempty"`
	Fan    *fan              `json:"fan,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
	List   []int             `json:"list,omitempty"`
}

func typed(t *testing.T) (*shadow.Service, shadow.Typed[room], *[]string) {
	t.Helper()
	var published []string
	svc, err := shadow.New(shadow.Config{Publisher: shadow.PublisherFunc(func(_ context.Context, topic string, payload []byte) error {
		published = append(published, topic)
		return nil
	})})
	require.NoError(t, err)
	return svc, shadow.Of[room](svc, shadow.Key{Thing: "hall"}), &published
}

func TestTyped(t *testing.T) {
	t.Parallel()
	svc, hall, published := typed(t)
	ctx := t.Context()
	s, err := hall.Get(ctx)
	require.NoError(t, err)
	require.Zero(t, s)

	s, err = hall.Change(ctx, shadow.Desired, func(r *room) error {
		*r = room{Target: 21.5, Fan: &fan{Speed: 2}, Tags: map[string]string{"a<b": "1", "c": "2"}, List: []int{1, 2}}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(1), s.Version)
	require.True(t, s.HasDelta)
	require.Equal(t, s.Desired, s.Delta)

	// Members that the type does not know stay.
	_, err = svc.Update(ctx, shadow.Key{Thing: "hall"}, []byte(`{"state":{"desired":{"other":1,"fan":{"more":true}}}}`), shadow.Requester{})
	require.NoError(t, err)
	s, err = hall.Change(ctx, shadow.Desired, func(r *room) error {
		r.Target, r.Fan.Silent, r.Fan.Speed, r.List = 0, true, 0, []int{3}
		delete(r.Tags, "a<b")
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, room{Fan: &fan{Silent: true}, Tags: map[string]string{"c": "2"}, List: []int{3}}, s.Desired)
	v, err := svc.Get(ctx, shadow.Key{Thing: "hall"}, shadow.Requester{})
	require.NoError(t, err)
	require.JSONEq(t, `{"fan":{"silent":true,"more":true},"tags":{"c":"2"},"list":[3],"other":1}`, string(v.Desired))

	// What changes nothing is not stored, and what fails neither.
	n := len(*published)
	s, err = hall.Change(ctx, shadow.Desired, func(*room) error { return nil })
	require.NoError(t, err)
	require.Equal(t, int64(3), s.Version)
	boom := errors.New("boom")
	_, err = hall.Change(ctx, shadow.Desired, func(r *room) error { r.Target = 1; return boom })
	require.Equal(t, boom, err)
	require.Len(t, *published, n)

	// A pair of values touches what differs only.
	require.NoError(t, hall.Update(ctx, shadow.Reported, room{}, room{Target: 20}))
	require.NoError(t, hall.Update(ctx, shadow.Reported, room{Target: 1}, room{Target: 1, List: []int{9}}))
	require.NoError(t, hall.Update(ctx, shadow.Reported, room{Target: 1}, room{Target: 1}))
	s, err = hall.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, room{Target: 20, List: []int{9}}, s.Reported)
	require.Equal(t, int64(5), s.Version)
}

// Many that count lose nothing.
func TestTyped_ChangeIsAtomic(t *testing.T) {
	t.Parallel()
	svc, err := shadow.New(shadow.Config{})
	require.NoError(t, err)
	hall := shadow.Of[room](svc, shadow.Key{Thing: "hall"})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				_, err := hall.Change(context.Background(), shadow.Reported, func(r *room) error { r.Target++; return nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s, err := hall.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, 800.0, s.Reported.Target)
	require.Equal(t, int64(800), s.Version)
}

func TestTyped_Misfits(t *testing.T) {
	t.Parallel()
	svc, hall, _ := typed(t)
	_, err := svc.Update(t.Context(), shadow.Key{Thing: "hall"}, []byte(`{"state":{"reported":{"target":"warm"}}}`), shadow.Requester{})
	require.NoError(t, err)
	_, err = hall.Get(t.Context())
	require.ErrorContains(t, err, "shadow: reported of hall: ")
	numbers := shadow.Of[int](svc, shadow.Key{Thing: "n"})
	require.ErrorContains(t, numbers.Update(t.Context(), shadow.Desired, 1, 2), "expected an object")
	_, err = shadow.Of[room](svc, shadow.Key{Thing: "a b"}).Get(t.Context())
	require.ErrorIs(t, err, shadow.ErrInvalid)
}

// What the device reports wrongly does not keep the host from saying what it wants.
func TestTyped_MisfitOnTheOtherSide(t *testing.T) {
	t.Parallel()
	svc, hallRoom, _ := typed(t)
	must(t, svc, hall, `{"reported":{"target":"warm","list":[1]}}`)
	s, err := hallRoom.Change(t.Context(), shadow.Desired, func(r *room) error { r.Target = 21; return nil })
	require.ErrorIs(t, err, shadow.ErrMisfit)
	require.EqualValues(t, 2, s.Version)
	require.Equal(t, room{Target: 21}, s.Desired)
	require.Equal(t, room{List: []int{1}}, s.Reported, "what fits is there")
	// But one cannot go on from what is no T.
	calls := 0
	s, err = hallRoom.Change(t.Context(), shadow.Reported, func(*room) error { calls++; return nil })
	require.ErrorIs(t, err, shadow.ErrMisfit)
	require.Zero(t, s)
	require.Zero(t, calls)
	// Nor is what is no object ever stored.
	numbers := shadow.Of[any](svc, shadow.Key{Thing: "n"})
	_, err = numbers.Change(t.Context(), shadow.Desired, func(v *any) error { *v = 5; return nil })
	require.ErrorIs(t, err, shadow.ErrMisfit)
	require.ErrorContains(t, err, "it is 5 as JSON, expected an object")
	_, err = numbers.Change(t.Context(), shadow.Desired, func(v *any) error { *v = func() {}; return nil })
	require.ErrorIs(t, err, shadow.ErrMisfit)
}

// A hook that refuses with the code of a conflict is not asked for ever.
func TestTyped_ChangeEnds(t *testing.T) {
	t.Parallel()
	calls := 0
	refuse := true
	svc := service(t, shadow.Config{Hooks: []shadow.Hook{onUpdating(func(p *shadow.Pending) error {
		if refuse && p.By.Principal != "other" {
			return shadow.Refuse(409, "Later")
		}
		return nil
	})}})
	hallRoom := shadow.Of[room](svc, hall)
	warmer := func(r *room) error { calls++; r.Target++; return nil }
	_, err := hallRoom.Change(t.Context(), shadow.Desired, warmer)
	require.ErrorIs(t, err, shadow.ErrVersion)
	require.ErrorContains(t, err, "Later")
	require.Equal(t, 1, calls)

	// Nor does it go on for ever while others are always faster.
	refuse, calls = false, 0
	_, err = hallRoom.Change(t.Context(), shadow.Desired, func(r *room) error {
		_, err := svc.Update(t.Context(), hall, []byte(`{"state":{"reported":{"n":1}}}`), shadow.Requester{Principal: "other"})
		return errors.Join(err, warmer(r))
	})
	require.ErrorIs(t, err, shadow.ErrVersion)
	require.Equal(t, 101, calls)
	// Once is fine.
	once := true
	s, err := hallRoom.Change(t.Context(), shadow.Desired, func(r *room) error {
		if once {
			once = false
			must(t, svc, hall, `{"desired":{"target":30}}`)
		}
		return warmer(r)
	})
	require.NoError(t, err)
	require.Equal(t, 31.0, s.Desired.Target)
}

func ExampleOf() {
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
	s, err := hall.Change(ctx, shadow.Reported, func(t *thermostat) error { t.Celsius, t.Target = 18.5, 20; return nil })
	if err != nil {
		panic(err)
	}
	fmt.Println("version", s.Version, "wants", s.Desired.Target, "has", s.Reported.Celsius, "still to do:", s.HasDelta)
	// Output: version 2 wants 21 has 18.5 still to do: true
}
