package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Files is the folder that [File] actions write to. Nothing they do reaches out of it,
// not even through symbolic links. All methods may be called concurrently; one process
// at a time should use a folder.
type Files struct {
	root *os.Root

	mu     sync.Mutex
	open   map[string]*logFile
	uses   int64 // counts up, for the least recently used
	closed bool
}

// maxOpen is how many files are kept open.
const maxOpen = 64

// errFilesClosed is what writes after Close get.
var errFilesClosed = errors.New("the folder for files is closed")

// OpenFiles opens a folder, which is made if it is not there.
func OpenFiles(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("actions: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("actions: %w", err)
	}
	return &Files{root: root, open: map[string]*logFile{}}, nil
}

// Close closes all files, those that are to be made safe after doing so. Calling it
// again is fine.
func (f *Files) Close() error {
	f.mu.Lock()
	open := f.open
	f.open, f.closed = nil, true
	f.mu.Unlock()
	var errs []error
	for _, l := range open {
		l.mu.Lock()
		errs = append(errs, l.close())
		l.mu.Unlock()
	}
	return errors.Join(append(errs, f.root.Close())...)
}

// A rotation says how a file is kept.
type rotation struct {
	maxBytes    int64
	every       time.Duration
	keep        int
	syncRotated bool
	syncAlways  bool
}

// period is which of the periods a time belongs to.
func (r rotation) period(t time.Time) int64 { return t.Unix() / int64(r.every/time.Second) }

// A logFile is one file that was written to.
type logFile struct {
	path string
	used int64 // under Files.mu

	mu     sync.Mutex
	f      *os.File // nil if it is not open
	size   int64
	last   time.Time // when it was written to last
	sync   bool      // when it is closed
	gone   bool      // no longer in Files.open
	folder string
}

// write appends whole lines to a file.
func (f *Files) write(name string, lines []byte, r rotation) error {
	for {
		l, err := f.get(name)
		if err != nil {
			return err
		}
		l.mu.Lock()
		if l.gone {
			l.mu.Unlock() // it was closed to make room: take a new one
			continue
		}
		err = f.append(l, lines, r)
		l.mu.Unlock()
		return err
	}
}

// get returns the entry of a file, and closes another one if there are too many.
func (f *Files) get(name string) (*logFile, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, Permanent(errFilesClosed)
	}
	l := f.open[name]
	var least *logFile
	if l == nil {
		if len(f.open) >= maxOpen {
			for _, o := range f.open {
				if least == nil || o.used < least.used {
					least = o
				}
			}
			delete(f.open, least.path)
		}
		l = &logFile{path: name, folder: path.Dir(name)}
		f.open[name] = l
	}
	f.uses++
	l.used = f.uses
	f.mu.Unlock()
	if least != nil {
		least.mu.Lock()
		least.gone = true
		err := least.close()
		least.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (f *Files) append(l *logFile, lines []byte, r rotation) error {
	now := time.Now()
	if l.f == nil {
		if err := f.reopen(l); err != nil {
			return err
		}
	}
	full := r.maxBytes > 0 && l.size+int64(len(lines)) > r.maxBytes
	old := r.every > 0 && r.period(l.last) != r.period(now)
	if l.size > 0 && (full || old) {
		l.sync = r.syncRotated
		if err := f.rotate(l, r.keep); err != nil {
			return err
		}
		if err := f.reopen(l); err != nil {
			return err
		}
	}
	l.sync = r.syncRotated
	n, err := l.f.Write(lines)
	if err == nil && r.syncAlways {
		err = l.f.Sync()
	}
	if err != nil {
		// Half a line would spoil the next one.
		if n > 0 && l.f.Truncate(l.size) != nil {
			l.size += int64(n)
		}
		return fmt.Errorf("write %s: %w", l.path, err)
	}
	l.size += int64(n)
	l.last = now
	return nil
}

// reopen opens the file at its end.
func (f *Files) reopen(l *logFile) error {
	if l.folder != "." {
		if err := f.root.MkdirAll(l.folder, 0o750); err != nil {
			return err
		}
	}
	file, err := f.root.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = Permanent(fmt.Errorf("%s is not a file", l.path))
	}
	var added int
	if err == nil {
		added, err = endLine(file, info.Size())
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	l.f, l.size, l.last = file, info.Size()+int64(added), info.ModTime()
	return nil
}

// endLine ends a line that a crash left without its end. It returns how many bytes that
// took.
func endLine(file *os.File, size int64) (int, error) {
	if size == 0 {
		return 0, nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], size-1); err != nil || last[0] == '\n' {
		return 0, err
	}
	return file.Write([]byte{'\n'})
}

// rotate closes the file and gives it and its predecessors the next suffix.
func (f *Files) rotate(l *logFile, keep int) error {
	if err := l.close(); err != nil {
		return err
	}
	if err := f.root.Remove(suffixed(l.path, keep)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i := keep - 1; i >= 1; i-- {
		if err := f.root.Rename(suffixed(l.path, i), suffixed(l.path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.root.Rename(l.path, suffixed(l.path, 1))
}

// suffixed is the name of a rotated file, in the form of numbered backups. No path of an
// action has it, see isRotated: templates let devices choose paths, and a file of theirs
// must not be in the way of a rotation.
func suffixed(name string, i int) string { return name + ".~" + strconv.Itoa(i) + "~" }

// isRotated reports that a level of a path ends as the name of a rotated file does.
func isRotated(level string) bool {
	rest, ok := strings.CutSuffix(level, "~")
	if !ok {
		return false
	}
	rest = strings.TrimRight(rest, "0123456789")
	return strings.HasSuffix(rest, ".~") && len(rest) < len(level)-1
}

func (l *logFile) close() error {
	if l.f == nil {
		return nil
	}
	file := l.f
	l.f = nil
	var err error
	if l.sync {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
