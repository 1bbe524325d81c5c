package actions

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// File appends a line of JSON to a file for each event. It is an action of this hub's,
// "file". The files lie in the one folder that the hub was given for them.
//
// The line is the outgoing payload without line breaks; one that is no JSON becomes a
// JSON text, and one that is not UTF-8 {"base64":"..."}.
type File struct {
	// Path is where, below the folder, with slashes; folders are made. It may have
	// templates: ${topic()} makes folders of the levels of a topic. A path that leads
	// out of the folder, has empty levels, or a level that ends as the names of rotated
	// files do, fails the event.
	Path string `json:"path"`
	// Envelope wraps the payload: {"time","topic","clientId","traceId","rule","payload"}.
	Envelope bool `json:"envelope,omitempty"`
	// MaxBytes is the size at which a file is rotated: it gets the suffix .~1~, which was
	// .~1~ before gets .~2~, and so on, as numbered backups have. 0: never.
	MaxBytes int `json:"maxBytes,omitempty"`
	// RotateSeconds is the time after which a file is rotated, in whole periods since
	// 1970 in UTC: 3600 makes a file for every hour. 0: never.
	RotateSeconds int `json:"rotateSeconds,omitempty"`
	// Keep is how many rotated files are kept. Default 10.
	Keep int `json:"keep,omitempty"`
	// Sync says when a file is made safe against a loss of power: "none" (the default)
	// leaves it to the system, "rotate" when it is rotated or closed, "always" before
	// an event counts as done. Events that wait share one write.
	Sync string `json:"sync,omitempty"`
}

const (
	maxKeep        = 1000
	defaultKeep    = 10
	maxFileBytes   = min(1<<40, math.MaxInt) // there are systems of 32 bits
	maxRotate      = 366 * 24 * 3600
	fileBatch      = 256
	fileBatchBytes = 1 << 20
	maxPath        = 1024
	maxPathLevel   = 200 // leaves room for a suffix
)

// Kind is "file".
func (File) Kind() string { return "file" }

// Resource is the path.
func (File) Resource(ev Event) string { return ev.Params[0] }

// Do fails: the action works on a host.
func (File) Do(context.Context, Event) error { return Permanent(ErrNoHost) }

// Params are the path.
func (a File) Params() []Param { return []Param{{Name: "path", Text: a.Path}} }

// Check reports what can be seen to be wrong before a message comes.
func (a File) Check() error {
	if a.Path == "" {
		return WrongField("path", "", "a path below the folder for files")
	}
	for _, n := range [...]struct {
		name      string
		is, limit int
	}{{"maxBytes", a.MaxBytes, maxFileBytes}, {"rotateSeconds", a.RotateSeconds, maxRotate}, {"keep", a.Keep, maxKeep}} {
		if n.is < 0 || n.is > n.limit {
			return &FieldError{Field: n.name, Value: fmt.Sprint(n.is), Want: fmt.Sprintf("0 to %d", n.limit)}
		}
	}
	switch a.Sync {
	case "", "none", "rotate", "always":
	default:
		return WrongField("sync", a.Sync, "none, rotate or always")
	}
	if _, all := static(a.Path); all {
		return checkPath(a.Path)
	}
	return nil
}

// checkPath accepts a path that is local in the narrowest sense, on every system.
func checkPath(p string) error {
	want := "a path below the folder for files, with slashes and without empty levels, . and .."
	if len(p) > maxPath || !utf8.ValidString(p) || path.IsAbs(p) || path.Clean(p) != p {
		return WrongField("path", p, want)
	}
	for level := range strings.SplitSeq(p, "/") {
		if level == "" || level == "." || level == ".." || len(level) > maxPathLevel || strings.ContainsFunc(level, func(r rune) bool {
			return r < ' ' || r == 0x7f || strings.ContainsRune(`\:*?"<>|`, r)
		}) {
			return WrongField("path", p, want)
		}
		if isRotated(level) {
			return WrongField("path", p, "a path without levels that end as .~1~ does, as those of rotated files")
		}
	}
	return nil
}

// On needs h.Files.
func (a File) On(h Host) (Action, error) {
	if h.Files == nil {
		return nil, fmt.Errorf("file: %w: a folder for files", ErrNoHost)
	}
	w := &fileWriter{File: a, files: h.Files, rotation: rotation{
		maxBytes: int64(a.MaxBytes), every: time.Duration(a.RotateSeconds) * time.Second,
		keep: a.Keep, syncRotated: a.Sync == "rotate" || a.Sync == "always", syncAlways: a.Sync == "always",
	}}
	if w.rotation.keep == 0 {
		w.rotation.keep = defaultKeep
	}
	return w, nil
}

type fileWriter struct {
	File
	files    *Files
	rotation rotation
}

// Batch takes along what waits.
func (w *fileWriter) Batch() Batch {
	return Batch{Events: fileBatch, Bytes: fileBatchBytes, AcrossTopics: false, Key: func(ev Event) string { return ev.Params[0] }}
}

func (w *fileWriter) Do(ctx context.Context, ev Event) error {
	return w.DoBatch(ctx, []Event{ev})[0]
}

// DoBatch writes the lines of events of one path: all of them or none.
func (w *fileWriter) DoBatch(_ context.Context, evs []Event) []error {
	errs := make([]error, len(evs))
	p := evs[0].Params[0]
	err := Permanent(checkPath(p))
	if err == nil {
		var lines []byte
		for _, ev := range evs {
			lines = append(w.line(lines, ev), '\n')
		}
		err = w.files.write(p, lines, w.rotation)
	}
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// line appends the line of an event.
func (w *fileWriter) line(dst []byte, ev Event) []byte {
	if !w.Envelope {
		return appendValue(dst, ev.Payload)
	}
	m := ev.Message
	dst = append(dst, `{"time":"`...)
	dst = m.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	for _, f := range [...]struct{ name, value string }{
		{`","topic":`, m.Topic}, {`,"clientId":`, m.ClientID}, {`,"traceId":`, m.TraceID.String()}, {`,"rule":`, ev.Rule},
	} {
		dst = appendText(append(dst, f.name...), f.value)
	}
	dst = append(dst, `,"payload":`...)
	return append(appendValue(dst, ev.Payload), '}')
}

// appendValue appends a payload as one line of JSON.
func appendValue(dst, payload []byte) []byte {
	b := bytes.NewBuffer(dst)
	if json.Compact(b, payload) == nil {
		return b.Bytes()
	}
	if utf8.Valid(payload) {
		return appendText(dst, string(payload))
	}
	dst = append(dst, `{"base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	return append(dst, `"}`...)
}

func appendText(dst []byte, s string) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text and a buffer have no error
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

func decodeFile(data []byte) (Action, error) {
	o := ReadObject(data)
	a := File{
		Path: o.Need("path"), Envelope: o.Bool("envelope"), MaxBytes: o.Int("maxBytes", 1, maxFileBytes),
		RotateSeconds: o.Int("rotateSeconds", 1, maxRotate), Keep: o.Int("keep", 1, maxKeep), Sync: o.Enum("sync", "none", "rotate", "always"),
	}
	if err := o.Done(); err != nil {
		return nil, err
	}
	return a, a.Check()
}
