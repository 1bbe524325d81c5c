package registrytest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

func testLinks(t *testing.T, open func(t *testing.T) registry.Registry) {
	t.Run("put, get, delete", func(t *testing.T) {
		ctx := t.Context()
		links := open(t).Links()
		_, err := links.Get(ctx, "k", "a", "b")
		require.ErrorIs(t, err, registry.ErrNotFound)
		require.NoError(t, links.Delete(ctx, "k", "a", "b"), "removing none is no error")

		l := registry.Link{Kind: "k", From: "a", To: "b", Value: "v"}
		require.NoError(t, links.Put(ctx, l))
		got, err := links.Get(ctx, "k", "a", "b")
		require.NoError(t, err)
		require.Equal(t, l, got)
		_, err = links.Get(ctx, "k", "b", "a")
		require.ErrorIs(t, err, registry.ErrNotFound, "a link has a direction")
		_, err = links.Get(ctx, "other", "a", "b")
		require.ErrorIs(t, err, registry.ErrNotFound, "a link has a kind")
		require.Empty(t, all(t, links.Of(ctx, "k", "b", "")))
		require.Empty(t, all(t, links.To(ctx, "k", "a", "")))
		require.Empty(t, all(t, links.Of(ctx, "other", "a", "")))

		l.Value = ""
		require.NoError(t, links.Put(ctx, l), "putting again replaces the value")
		require.Equal(t, []registry.Link{l}, all(t, links.Of(ctx, "k", "a", "")))
		require.Equal(t, []registry.Link{l}, all(t, links.To(ctx, "k", "b", "")))

		require.NoError(t, links.Put(ctx, registry.Link{Kind: "k", From: "a", To: "c"}))
		require.NoError(t, links.Put(ctx, registry.Link{Kind: "k", From: "d", To: "b"}))
		require.NoError(t, links.Delete(ctx, "k", "a", "b"))
		_, err = links.Get(ctx, "k", "a", "b")
		require.ErrorIs(t, err, registry.ErrNotFound)
		require.Equal(t, []registry.Link{{Kind: "k", From: "a", To: "c"}}, all(t, links.Of(ctx, "k", "a", "")))
		require.Equal(t, []registry.Link{{Kind: "k", From: "d", To: "b"}}, all(t, links.To(ctx, "k", "b", "")))
	})

	t.Run("names and order", func(t *testing.T) {
		ctx := t.Context()
		links := open(t).Links()
		for _, name := range oddNames {
			require.NoError(t, links.Put(ctx, registry.Link{Kind: "k", From: "x", To: name, Value: name}))
			require.NoError(t, links.Put(ctx, registry.Link{Kind: "k", From: name, To: "y", Value: name}))
		}
		sorted := slices.Sorted(slices.Values(oddNames))
		for i := -1; i < len(sorted); i++ {
			after := ""
			if i >= 0 {
				after = sorted[i]
			}
			of, to := []registry.Link{}, []registry.Link{}
			for _, name := range sorted[i+1:] {
				of = append(of, registry.Link{Kind: "k", From: "x", To: name, Value: name})
				to = append(to, registry.Link{Kind: "k", From: name, To: "y", Value: name})
			}
			require.Equal(t, of, all(t, links.Of(ctx, "k", "x", after)), "after %q", after)
			require.Equal(t, to, all(t, links.To(ctx, "k", "y", after)), "after %q", after)
		}
		seq := links.To(ctx, "k", "y", "aa")
		require.Equal(t, all(t, seq), all(t, seq), "a sequence may be used again")
	})

	t.Run("ends that look alike", func(t *testing.T) {
		ctx := t.Context()
		links := open(t).Links()
		// Pairs whose plain concatenations are equal.
		pairs := [][2]string{{"a", "bc"}, {"ab", "c"}, {"a/b", "c"}, {"a", "b/c"}, {"a\x00b", "c"}, {"a", "b\x00c"}, {"a:b", "c"}, {"a", "b:c"}}
		for _, p := range pairs {
			require.NoError(t, links.Put(ctx, registry.Link{Kind: "k", From: p[0], To: p[1], Value: p[0] + "|" + p[1]}))
		}
		for _, p := range pairs {
			got, err := links.Get(ctx, "k", p[0], p[1])
			require.NoError(t, err)
			require.Equal(t, p[0]+"|"+p[1], got.Value)
		}
		require.Len(t, all(t, links.Of(ctx, "k", "a", "")), 4)
		require.Len(t, all(t, links.To(ctx, "k", "c", "")), 4)
	})

	t.Run("many, and changes while listing", func(t *testing.T) {
		ctx := t.Context()
		links := open(t).Links()
		const n = 1500
		for i := range n {
			at := i * 7919 % n
			require.NoError(t, links.Put(ctx, registry.Link{Kind: "k", From: fmt.Sprintf("n%04d", at), To: "g", Value: fmt.Sprint(at)}))
			require.NoError(t, links.Put(ctx, registry.Link{Kind: "k", From: "h", To: fmt.Sprintf("n%04d", at), Value: fmt.Sprint(at)}))
		}
		i := 0
		for l, err := range links.To(ctx, "k", "g", "") {
			require.NoError(t, err)
			require.Equal(t, registry.Link{Kind: "k", From: fmt.Sprintf("n%04d", i), To: "g", Value: fmt.Sprint(i)}, l)
			require.NoError(t, links.Delete(ctx, "k", l.From, l.To))
			i++
		}
		require.Equal(t, n, i)
		require.Empty(t, all(t, links.To(ctx, "k", "g", "")))
		i = 0
		for l, err := range links.Of(ctx, "k", "h", "") {
			require.NoError(t, err)
			require.Equal(t, registry.Link{Kind: "k", From: "h", To: fmt.Sprintf("n%04d", i), Value: fmt.Sprint(i)}, l)
			require.NoError(t, links.Delete(ctx, "k", l.From, l.To))
			i++
		}
		require.Equal(t, n, i)
		require.Empty(t, all(t, links.Of(ctx, "k", "h", "")))
	})

	t.Run("ended context", func(t *testing.T) {
		links := open(t).Links()
		require.NoError(t, links.Put(t.Context(), registry.Link{Kind: "k", From: "a", To: "b"}))
		for _, err := range links.Of(canceled(t), "k", "a", "") {
			require.Error(t, err, "a list must not end early without saying so")
		}
		for _, err := range links.To(canceled(t), "k", "b", "") {
			require.Error(t, err, "a list must not end early without saying so")
		}
	})

	t.Run("many writers", func(t *testing.T) {
		ctx := t.Context()
		links := open(t).Links()
		const writers, each = 8, 50
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					from := fmt.Sprintf("w%d-%02d", w, i)
					if err := links.Put(ctx, registry.Link{Kind: "k", From: from, To: "all"}); err != nil {
						t.Errorf("Put: %v", err)
					}
					if i%2 == 1 {
						if err := links.Delete(ctx, "k", from, "all"); err != nil {
							t.Errorf("Delete: %v", err)
						}
					}
				}
			})
		}
		wg.Wait()
		require.Len(t, all(t, links.To(ctx, "k", "all", "")), writers*each/2)
	})
}
