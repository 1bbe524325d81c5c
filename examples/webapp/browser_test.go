package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/userpool"
	"github.com/thinghub/thinghub/shadow"
)

// patience is how long anything here waits before it fails the test.
const patience = 30 * time.Second

var screenshots = flag.String("screenshots", "", "`folder` that screenshots of the page are written to; none without it")

// A rig is an app that is served, with its device.
type rig struct {
	*app
	url  string
	said *lines

	mu       sync.Mutex
	presence []presence // of people
	more     chan struct{}
}

// presence is an event: somebody has connected, or is gone.
type presence struct {
	ClientID  string `json:"clientId"`
	EventType string `json:"eventType"`
	Principal string `json:"principalIdentifier"`
	Version   uint64 `json:"versionNumber"` // one more for each connection
}

func startApp(t *testing.T, change func(*options)) *rig {
	t.Helper()
	said := &lines{}
	o := options{
		tick: 20 * time.Millisecond, renew: 5 * time.Minute, say: said.say,
		hash: userpool.HashParams{Memory: 64, Time: 1}, logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	a, err := newApp(t.Context(), o)
	require.NoError(t, err)
	r := &rig{app: a, said: said, more: make(chan struct{}, 1)}
	_, err = a.hub.Subscribe(t.Context(), "$aws/events/presence/#", func(m *thinghub.Message) {
		var e presence
		if json.Unmarshal(m.Payload, &e) == nil && e.ClientID != thing {
			r.mu.Lock()
			r.presence = append(r.presence, e)
			r.mu.Unlock()
			wake(r.more)
		}
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.device(ctx) }()
	srv := httptest.NewServer(a.handler())
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended, "the device")
		require.NoError(t, a.hub.Close())
		srv.Close()
	})
	r.url = srv.URL
	return r
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // whoever listens is to look anyway
	}
}

// event waits for an event, unless there was one already. Who was in a tab that is gone
// may be there a little longer than who comes with the next one.
func (r *rig) event(t *testing.T, what string, match func(e presence) bool) presence {
	t.Helper()
	for late := time.After(patience); ; {
		r.mu.Lock()
		i := slices.IndexFunc(r.presence, match)
		var found presence
		if i >= 0 {
			found = r.presence[i]
		}
		r.mu.Unlock()
		if i >= 0 {
			return found
		}
		select {
		case <-r.more:
		case <-late:
			require.FailNow(t, "the hub does not tell of "+what, "%+v", r.presence)
		}
	}
}

// connected waits for a connection after another one.
func (r *rig) connected(t *testing.T, after uint64) presence {
	t.Helper()
	return r.event(t, "a connection", func(e presence) bool { return e.EventType == "connected" && e.Version > after })
}

// gone waits for the end of a connection.
func (r *rig) gone(t *testing.T, c presence) {
	t.Helper()
	r.event(t, "the end of a connection", func(e presence) bool { return e.EventType == "disconnected" && e.Version == c.Version })
}

// state is the shadow as the hub has it.
func (r *rig) state(t *testing.T) shadow.State[greenhouse] {
	t.Helper()
	s, err := shadow.Of[greenhouse](r.hub.Shadows(), shadow.Key{Thing: thing}).Get(t.Context())
	require.NoError(t, err)
	return s
}

// await waits until the shadow is as it should be.
func (r *rig) await(t *testing.T, ok func(s shadow.State[greenhouse]) bool) {
	t.Helper()
	changed := make(chan struct{}, 1)
	stop, err := r.hub.Subscribe(t.Context(), "$aws/things/"+thing+"/shadow/update/documents", func(*thinghub.Message) { wake(changed) })
	require.NoError(t, err)
	defer stop()
	late := time.After(patience)
	for !ok(r.state(t)) {
		select {
		case <-changed:
		case <-late:
			require.FailNow(t, "the shadow is not as it should be", "%+v", r.state(t))
		}
	}
}

// lines is what a program says.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

// A page is a tab of a browser, with cookies and storage of its own.
type page struct {
	t   *testing.T
	ctx context.Context
}

// openBrowser starts a browser without windows. It ends with the test.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	require.NotEmpty(t, path, "this test needs Chromium; scripts/testdeps.sh installs it, as does: apt-get install chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(patience), chromedp.Flag("lang", "en-GB"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which it cannot have then
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	_, err := chromedp.Run(ctx, chromedp.Title()) // which starts it
	require.NoError(t, err, "%s does not start", path)
	return ctx
}

// open opens a page in a tab of its own.
func open(t *testing.T, browser context.Context, url string) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &page{t, ctx}
	console := chromedp.Console(ctx)
	var reading sync.WaitGroup
	var faults lines    // errors of scripts, and what the policy for contents has refused
	reading.Go(func() { // ends with the tab
		for m, err := range console {
			if err != nil {
				return
			}
			switch {
			case m.Source == "network": // a refused request, say
			case strings.Contains(m.Text, "already in CLOSING or CLOSED"): // MQTT.js takes leave of a connection that has ended
			default:
				faults.say("%s", m)
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
		require.Empty(t, faults.all, "on the console of the page")
	})
	p.do(chromedp.EmulateViewport(1040, 720), chromedp.Navigate(url))
	return p
}

// do has the browser do something.
func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		require.NoError(p.t, err, "the page says:\n%s", p.body())
	}
}

// ask has the browser tell something.
func ask[T any](p *page, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	answer, err := chromedp.Run(ctx, action)
	require.NoError(p.t, err)
	return answer
}

// run runs a script on the page.
func (p *page) run(script string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](script))
}

// see waits until an expression is true on the page.
func (p *page) see(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(10*time.Millisecond), chromedp.WithPollingTimeout(0)))
	if err != nil {
		require.NoError(p.t, err, "not seen: %s; the page says:\n%s", expression, p.body())
	}
}

// seeText waits until something visible has a text in it.
func (p *page) seeText(selector, text string) {
	p.t.Helper()
	p.see(fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() && document.querySelector(%q).innerText.includes(%q)`, selector, selector, text))
}

// click and write are what people do with mouse and keyboard, where they can.
func (p *page) click(selector chromedp.CSS) {
	p.t.Helper()
	p.do(chromedp.Click(selector, chromedp.NodeVisible))
}

func (p *page) write(selector chromedp.CSS, text string) {
	p.t.Helper()
	p.run(fmt.Sprintf(`document.querySelector(%q).select()`, selector)) // what is there is written over
	p.do(chromedp.SendKeys(selector, text, chromedp.NodeVisible))
}

func (p *page) signIn(user, password string) {
	p.t.Helper()
	p.write("#sign-in [name=username]", user)
	p.write("#sign-in [name=password]", password)
	p.click("#sign-in > button")
}

// text returns the text of something on the page.
func (p *page) text(selector string) string {
	p.t.Helper()
	return strings.TrimSpace(ask(p, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).innerText`, selector))))
}

// body is what there is to read.
func (p *page) body() string {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// shoot takes a picture, if pictures are wanted.
func (p *page) shoot(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	picture, err := png.Decode(bytes.NewReader(ask(p, chromedp.CaptureScreenshot())))
	require.NoError(p.t, err)
	var small bytes.Buffer
	require.NoError(p.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColours(picture)))
	require.NoError(p.t, os.WriteFile(filepath.Join(*screenshots, name), small.Bytes(), 0o644))
}

// fewColours is a picture in the colours that it has most of, which takes a third of the
// room and looks the same.
func fewColours(picture image.Image) image.Image {
	often, area := map[color.Color]int{}, picture.Bounds()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			often[picture.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(often), func(a, b color.Color) int { return often[b] - often[a] })
	few := image.NewPaletted(area, colours[:min(len(colours), 128)])
	draw.Draw(few, area, picture, area.Min, draw.Src)
	return few
}
