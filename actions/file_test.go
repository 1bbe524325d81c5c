package actions_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// files opens a folder for files.
func files(t *testing.T) (dir string, h actions.Host) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "made", "here")
	f, err := actions.OpenFiles(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return dir, actions.Host{Files: f}
}

func read(t *testing.T, elem ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	require.NoError(t, err)
	return string(data)
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir, h := files(t)
	a := actions.File{Path: "${p}.jsonl"}
	require.NoError(t, a.Check())
	do := on(t, a, h)
	for _, payload := range []string{"{\"a\":\n 1.0}", "no \"json\" <b>\n", "\xff", ""} {
		require.NoError(t, do.Do(t.Context(), event(payload, "dev/a/temp.jsonl")))
	}
	require.Equal(t, "{\"a\":1.0}\n\"no \\\"json\\\" <b>\\n\"\n{\"base64\":\"/w==\"}\n\"\"\n", read(t, dir, "dev", "a", "temp.jsonl"))
	require.Equal(t, "dev/a/temp.jsonl", a.Resource(event("", "dev/a/temp.jsonl")))

	a.Envelope = true
	do = on(t, a, h)
	errs := do.(actions.Batcher).DoBatch(t.Context(), []actions.Event{event("1", "e"), event("x", "e")})
	require.Equal(t, []error{nil, nil}, errs)
	line := `{"time":"2023-11-14T22:13:20.5Z","topic":"dev/a/temp","clientId":"a","traceId":"trace","rule":"rule","payload":%s}` + "\n"
	require.Equal(t, fmt.Sprintf(line, "1")+fmt.Sprintf(line, `"x"`), read(t, dir, "e"))
	require.Equal(t, "k", do.(actions.Batcher).Batch().Key(event("", "k")))
}

func TestFilePaths(t *testing.T) {
	t.Parallel()
	dir, h := files(t)
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	do := on(t, actions.File{Path: "${p}"}, h)
	for _, p := range []string{
		"", "/etc/passwd", "..", "../a", "a/../b", "a//b", "a/", "./a", "a/./b", ".", "a\x00b", "a\nb", `a\b`, "c:a", "a*", "\xff",
		"a.~1~", "a.~12~/b", "b/.~0~",
		strings.Repeat("a", 201), strings.Repeat("a/", 600) + "b",
	} {
		err := do.Do(t.Context(), event("1", p))
		require.Error(t, err, "%q", p)
		require.ErrorIs(t, err, actions.ErrPermanent, "%q", p)
		if len(p) > 0 && p[0] != '$' {
			require.Error(t, actions.File{Path: p}.Check(), "%q", p)
		}
	}
	require.Error(t, do.Do(t.Context(), event("1", "link/a")), "a link does not lead out")
	require.Error(t, do.Do(t.Context(), event("1", "folder")))
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestFileChecks(t *testing.T) {
	t.Parallel()
	require.EqualError(t, actions.File{}.Check(), "path is missing, expected a path below the folder for files")
	require.EqualError(t, actions.File{Path: "a", MaxBytes: -1}.Check(), "maxBytes is -1, expected 0 to 1099511627776")
	require.EqualError(t, actions.File{Path: "a", RotateSeconds: 1e9}.Check(), "rotateSeconds is 1000000000, expected 0 to 31622400")
	require.EqualError(t, actions.File{Path: "a", Keep: 1001}.Check(), "keep is 1001, expected 0 to 1000")
	require.EqualError(t, actions.File{Path: "a", Sync: "x"}.Check(), `sync is "x", expected none, rotate or always`)
	require.NoError(t, actions.File{Path: "a/${b}", Sync: "always"}.Check())
}

func TestFileRotatesBySize(t *testing.T) {
	t.Parallel()
	for _, sync := range []string{"", "rotate", "always"} {
		dir, h := files(t)
		do := on(t, actions.File{Path: "a", MaxBytes: 10, Keep: 2, Sync: sync}, h)
		for i := range 9 {
			require.NoError(t, do.Do(t.Context(), event(fmt.Sprintf("%03d", i+100), "a")))
		}
		require.Equal(t, "108\n", read(t, dir, "a"))
		require.Equal(t, "106\n107\n", read(t, dir, "a.~1~"))
		require.Equal(t, "104\n105\n", read(t, dir, "a.~2~"))
		require.Equal(t, []string{"a", "a.~1~", "a.~2~"}, list(t, dir))

		require.NoError(t, do.Do(t.Context(), event(strings.Repeat("1", 30), "a")), "what is larger has a file of its own")
		require.Equal(t, strings.Repeat("1", 30)+"\n", read(t, dir, "a"))
		require.NoError(t, do.Do(t.Context(), event("1", "a")))
		require.Equal(t, "1\n", read(t, dir, "a"))
	}
}

// Whatever path a device chooses, no rotation overwrites it.
func TestRotatedFilesHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	dir, h := files(t)
	do := on(t, actions.File{Path: "${p}", MaxBytes: 4, Keep: 2}, h)
	chosen := []string{"a.1", "a.2", "a.3", "a~1", "a.~1", "a~1~", "a.~~", "a.~x~", "a.~1~b"}
	for _, p := range chosen {
		require.NoError(t, do.Do(t.Context(), event("1", p)), p)
	}
	for i := range 5 {
		require.NoError(t, do.Do(t.Context(), event(fmt.Sprint(100+i), "a")))
	}
	for _, p := range chosen {
		require.Equal(t, "1\n", read(t, dir, p), p)
	}
	require.Equal(t, "104\n", read(t, dir, "a"))
	require.Equal(t, "103\n", read(t, dir, "a.~1~"))
	require.Equal(t, "102\n", read(t, dir, "a.~2~"))
	require.Error(t, do.Do(t.Context(), event("1", "a.~2~")))
	require.Equal(t, "102\n", read(t, dir, "a.~2~"))
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFileRotatesByTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // midnight UTC 2000-01-01
		dir, h := files(t)
		do := on(t, actions.File{Path: "a", RotateSeconds: 3600}, h)
		for i := range 5 {
			require.NoError(t, do.Do(t.Context(), event(fmt.Sprint(i), "a")))
			time.Sleep(40 * time.Minute)
		}
		require.Equal(t, "3\n4\n", read(t, dir, "a"))
		require.Equal(t, "2\n", read(t, dir, "a.~1~"))
		require.Equal(t, "0\n1\n", read(t, dir, "a.~2~"))

		// A hub that starts again goes by the time of the file.
		require.NoError(t, h.Files.Close())
		hour := time.Now().Truncate(time.Hour)
		for i, last := range []time.Time{hour, hour.Add(-time.Second)} {
			require.NoError(t, os.Chtimes(filepath.Join(dir, "a"), last, last))
			f, err := actions.OpenFiles(dir)
			require.NoError(t, err)
			require.NoError(t, on(t, actions.File{Path: "a", RotateSeconds: 3600}, actions.Host{Files: f}).Do(t.Context(), event(fmt.Sprint(5+i), "a")))
			require.NoError(t, f.Close())
		}
		require.Equal(t, "6\n", read(t, dir, "a"))
		require.Equal(t, "3\n4\n5\n", read(t, dir, "a.~1~"))
	})
}

func TestFileEndsABrokenLine(t *testing.T) {
	t.Parallel()
	dir, h := files(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("{\"a\":1}\n{\"b"), 0o600))
	do := on(t, actions.File{Path: "a", MaxBytes: 100}, h)
	require.NoError(t, do.Do(t.Context(), event("2", "a")))
	require.Equal(t, "{\"a\":1}\n{\"b\n2\n", read(t, dir, "a"))
}

func TestFilesBoundsOpenFiles(t *testing.T) {
	t.Parallel()
	dir, h := files(t)
	do := on(t, actions.File{Path: "${p}", Sync: "rotate"}, h)
	const many = 3 * actions.MaxOpen
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range many {
				if err := do.Do(t.Context(), event(fmt.Sprint(w), fmt.Sprintf("f%03d", (i+w*50)%many))); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	open, err := os.ReadDir("/proc/self/fd")
	if err == nil { // where there is such a folder
		here := 0
		for _, fd := range open {
			if target, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); err == nil && strings.HasPrefix(target, dir+"/") {
				here++
			}
		}
		require.LessOrEqual(t, here, actions.MaxOpen)
	}
	for i := range many {
		lines := strings.Fields(read(t, dir, fmt.Sprintf("f%03d", i)))
		slices.Sort(lines)
		require.Equal(t, []string{"0", "1", "2", "3"}, lines)
	}
}

func TestFilesClose(t *testing.T) {
	t.Parallel()
	dir, h := files(t)
	do := on(t, actions.File{Path: "a", Sync: "rotate"}, h)
	require.NoError(t, do.Do(t.Context(), event("1", "a")))
	require.NoError(t, h.Files.Close())
	require.NoError(t, h.Files.Close())
	err := do.Do(t.Context(), event("2", "a"))
	require.EqualError(t, err, "the folder for files is closed")
	require.ErrorIs(t, err, actions.ErrPermanent)
	require.Equal(t, "1\n", read(t, dir, "a"))

	_, err = actions.OpenFiles(filepath.Join(dir, "a", "b"))
	require.Error(t, err)
}
