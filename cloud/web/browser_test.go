package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a page may take on a busy machine.
const patience = 45 * time.Second

// A page is one browser window on a fake ward.
type page struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	complains []string
	allowed   []string // parts of complaints that belong to the test
}

func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no browser: CI must have chromium, a skipped test would look like a passed one")
	}
	t.Skip("no browser: install chromium (apt-get install chromium)")
	return ""
}

// openPage opens the app in a window of its own. At the end of the test the
// window must have logged no error.
func openPage(t *testing.T, f *fakeWard, path string, width, height int, more ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	if testing.Short() {
		t.Skip("browser tests take long: not with -short")
	}
	exe := browser(t)
	built := httptest.NewRecorder()
	Handler().ServeHTTP(built, httptest.NewRequest("GET", "/", nil))
	if built.Code != 200 {
		t.Skip("the web app is not built: run make web")
	}
	home := browserHome(t)
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(exe), chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-extensions", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("mute-audio", true), chromedp.WSURLReadTimeout(patience),
		chromedp.UserDataDir(home), chromedp.WindowSize(width, height), chromedp.Env("HOME=" + home),
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(opts, more...)...)
	ctx, cancel := chromedp.NewContext(alloc)
	p := &page{t: t, ctx: ctx}
	var listening sync.WaitGroup
	t.Cleanup(func() {
		if t.Failed() {
			p.shot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("the browser did not close in order: %v", err)
		}
		cancel()
		stop()
		listening.Wait()
		for _, c := range p.complaints() {
			t.Errorf("the page complained: %s", c)
		}
	})
	if err := chromedp.Do(ctx); err != nil { // starts the browser; a deadline here would be that of its whole life
		t.Fatalf("start %s: %v", exe, err)
	}
	messages := chromedp.Console(ctx)
	listening.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.IsException() {
				p.mu.Lock()
				p.complains = append(p.complains, fmt.Sprintf("%s %s (%s)", m.Type, m.Text, m.URL))
				p.mu.Unlock()
			}
		}
	})
	p.do(chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate(f.server.URL+path))
	return p
}

// browserHome is a directory for the browser's profile. Its processes may
// write there for a moment after it has stopped.
func browserHome(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "monitorme-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Logf("%s could not be removed", dir)
	})
	return dir
}

// complaints are what the page logged and the test did not allow.
func (p *page) complaints() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complains {
		if !slices.ContainsFunc(p.allowed, func(a string) bool { return strings.Contains(c, a) }) {
			out = append(out, c)
		}
	}
	return out
}

// allow says that a complaint of the browser belongs to the test: it reports
// each answer with an error status.
func (p *page) allow(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, parts...)
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// eval gives the value of a JavaScript expression.
func eval[T any](p *page, js string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		p.t.Fatalf("browser: %v, in %s", err, js)
	}
	return v
}

// until waits until a JavaScript expression is true.
func (p *page) until(what, js string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if eval[bool](p, "Boolean("+js+")") {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("after %s still not: %s\n%s\nthe page says: %s", patience, what, js, eval[string](p, "document.body.innerText.slice(0, 2000)"))
		}
	}
}

func (p *page) text(selector string) string {
	p.t.Helper()
	return eval[string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

func (p *page) click(selector string) {
	p.t.Helper()
	p.until("there is "+selector, fmt.Sprintf("document.querySelector(%q)", selector))
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

func (p *page) keys(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// shot keeps a picture in build/screenshots.
func (p *page) shot(name string) {
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Logf("no screenshot: %v", err)
		return
	}
	dir := filepath.Join("..", "..", "build", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Log(err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Log(err)
	}
}

// station opens the station of a signed-in nurse, without the sound step.
func station(t *testing.T, f *fakeWard, width, height int, more ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	f.with(func() { f.signedIn = true })
	p := openPage(t, f, "/unit/ward-1", width, height, more...)
	p.click(".skip-sound")
	p.until("20 beds are shown", "document.querySelectorAll('.tile').length === 20")
	p.until("values are live", "document.querySelector('.connection.live')")
	return p
}

const (
	arrowRight = kb.ArrowRight
	arrowLeft  = kb.ArrowLeft
)

type step = chromedp.Action[chromedp.Void]

func focus(selector string) []step { return []step{chromedp.Focus(chromedp.CSS(selector))} }

func scroll(selector string) []step { return []step{chromedp.ScrollIntoView(chromedp.CSS(selector))} }

// evalPromise waits for a JavaScript promise.
func evalPromise[T any](p *page, js string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, func(e *runtime.EvaluateParams) { e.AwaitPromise = new(true) }))
	if err != nil {
		p.t.Fatalf("browser: %v, in %s", err, js)
	}
	return v
}

// reducedMotion is a person who asked for little motion.
var reducedMotion = chromedp.Flag("force-prefers-reduced-motion", true)
