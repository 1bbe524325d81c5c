package rulestest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/rules"
)

// oddNames are names that a careless key scheme mixes up.
var oddNames = []string{"a", "aa", "a/b", "a\x00b", "\x00", "\xff", "\xff\xff", " ", "é", "A", "b", "a:b", "%2F", "arn:aws:iot:local:000000000000:ruledestination/http/1"}

// TestStore checks a store. open returns an empty one, and cleans up after itself.
func TestStore(t *testing.T, open func(t *testing.T) rules.Store) {
	t.Run("save and delete", func(t *testing.T) {
		ctx, s := t.Context(), open(t)
		require.Empty(t, all(t, s, "k"))
		require.ErrorIs(t, s.Delete(ctx, "k", "a", 1), rules.ErrNotFound)
		require.ErrorIs(t, s.Save(ctx, "k", rules.Record{Name: "a", Revision: 2, Document: []byte("{}")}), rules.ErrVersion)

		document := []byte(`{"a":1}`)
		require.NoError(t, s.Save(ctx, "k", rules.Record{Name: "a", Revision: 1, Document: document}))
		copy(document, "#######")
		first := rules.Record{Name: "a", Revision: 1, Document: []byte(`{"a":1}`)}
		require.Equal(t, []rules.Record{first}, all(t, s, "k"), "the store keeps a copy")
		copy(all(t, s, "k")[0].Document, "#######")
		require.Equal(t, []rules.Record{first}, all(t, s, "k"), "the store gives copies")

		for _, revision := range []int64{-1, 0, 1, 3} {
			require.ErrorIs(t, s.Save(ctx, "k", rules.Record{Name: "a", Revision: revision}), rules.ErrVersion, "revision %d", revision)
		}
		require.Equal(t, []rules.Record{first}, all(t, s, "k"))
		second := rules.Record{Name: "a", Revision: 2, Document: []byte(`{"a":2}`)}
		require.NoError(t, s.Save(ctx, "k", second))
		require.Equal(t, []rules.Record{second}, all(t, s, "k"))

		for _, revision := range []int64{0, 1, 3} {
			require.ErrorIs(t, s.Delete(ctx, "k", "a", revision), rules.ErrVersion, "revision %d", revision)
		}
		require.NoError(t, s.Delete(ctx, "k", "a", 2))
		require.ErrorIs(t, s.Delete(ctx, "k", "a", 2), rules.ErrNotFound)
		require.Empty(t, all(t, s, "k"))
		require.ErrorIs(t, s.Save(ctx, "k", rules.Record{Name: "a", Revision: 3}), rules.ErrVersion, "what was deleted begins anew")
		require.NoError(t, s.Save(ctx, "k", first))
	})

	t.Run("kinds and names", func(t *testing.T) {
		ctx, s := t.Context(), open(t)
		for _, kind := range []rules.RecordKind{"k", "kk", rules.RuleRecord} {
			for i := range oddNames {
				name := oddNames[(i*5+3)%len(oddNames)]
				require.NoError(t, s.Save(ctx, kind, rules.Record{Name: name, Revision: 1, Document: []byte(fmt.Sprintf("%q", string(kind)+name))}))
			}
		}
		for _, kind := range []rules.RecordKind{"k", "kk", rules.RuleRecord} {
			var want []rules.Record
			for _, name := range slices.Sorted(slices.Values(oddNames)) {
				want = append(want, rules.Record{Name: name, Revision: 1, Document: []byte(fmt.Sprintf("%q", string(kind)+name))})
			}
			require.Equal(t, want, all(t, s, kind))
		}
		require.NoError(t, s.Delete(ctx, "k", "a", 1))
		require.Len(t, all(t, s, "k"), len(oddNames)-1)
		require.Len(t, all(t, s, "kk"), len(oddNames))
		require.Empty(t, all(t, s, "other"))
	})

	t.Run("large documents", func(t *testing.T) {
		ctx, s := t.Context(), open(t)
		document := slices.Repeat([]byte("0123456789abcdef"), 1<<16)
		require.NoError(t, s.Save(ctx, "k", rules.Record{Name: "a", Revision: 1, Document: document}))
		require.Equal(t, document, all(t, s, "k")[0].Document)
	})

	t.Run("change while listing", func(t *testing.T) {
		ctx, s := t.Context(), open(t)
		const n = 500
		for i := range n {
			require.NoError(t, s.Save(ctx, "k", rules.Record{Name: fmt.Sprintf("n%03d", i*7%n), Revision: 1}))
		}
		i := 0
		for r, err := range s.All(ctx, "k") {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("n%03d", i), r.Name)
			require.NoError(t, s.Delete(ctx, "k", r.Name, 1))
			i++
		}
		require.Equal(t, n, i)
		require.Empty(t, all(t, s, "k"))
	})

	t.Run("stop early", func(t *testing.T) {
		ctx, s := t.Context(), open(t)
		for i := range 10 {
			require.NoError(t, s.Save(ctx, "k", rules.Record{Name: fmt.Sprint(i), Revision: 1}))
		}
		seq := s.All(ctx, "k")
		for _, err := range seq {
			require.NoError(t, err)
			break
		}
		i := 0
		for _, err := range seq {
			require.NoError(t, err)
			i++
		}
		require.Equal(t, 10, i, "a sequence may be used again")
	})

	t.Run("ended context", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Save(t.Context(), "k", rules.Record{Name: "a", Revision: 1}))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		errs := 0
		for _, err := range s.All(ctx, "k") {
			require.Error(t, err, "a list must not end early without saying so")
			errs++
		}
		require.Equal(t, 1, errs, "an error is yielded once")
	})

	t.Run("many writers", func(t *testing.T) {
		ctx, s := t.Context(), open(t)
		const writers, each = 8, 25
		var won atomic.Int64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					err := s.Save(ctx, "k", rules.Record{Name: "shared", Revision: int64(i + 1), Document: []byte(fmt.Sprint(w))})
					switch {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, rules.ErrVersion):
						t.Errorf("Save: %v", err)
					}
					if err := s.Save(ctx, "k", rules.Record{Name: fmt.Sprintf("own%d", w), Revision: int64(i + 1)}); err != nil {
						t.Errorf("Save: %v", err)
					}
				}
			})
		}
		wg.Wait()
		records := all(t, s, "k")
		require.Len(t, records, writers+1)
		for _, r := range records {
			if r.Name == "shared" {
				require.Equal(t, won.Load(), r.Revision, "each revision was won by one")
			} else {
				require.EqualValues(t, each, r.Revision)
			}
		}
	})
}

// all returns the records of a kind.
func all(t *testing.T, s rules.Store, kind rules.RecordKind) (records []rules.Record) {
	t.Helper()
	for r, err := range s.All(t.Context(), kind) {
		require.NoError(t, err)
		records = append(records, r)
	}
	return records
}
