package shadow_test

import (
	"bytes"
	"log/slog"
	"sync"
	"unsafe"
)

// unsafeString views b as a string, as the gateway does with what it reads.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// A logBuffer keeps what is logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
