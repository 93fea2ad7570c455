package e2e

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// TestDocsInABrowser opens the page that lets people try the API. It must work
// without the internet: nothing may come from another host.
func TestDocsInABrowser(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("chromium"); err != nil {
		testenv.Skip(t, "chromium", err.Error())
	}
	s := shoptest.Serve(t, shoptest.NewSite(t))
	heard := &events{}
	ctx := browser(t, heard)
	require.NoError(t, chromedp.Do(ctx,
		chromedp.EmulateViewport(1280, 1600),
		chromedp.Navigate(s.Shop+"/docs"),
		chromedp.WaitVisible(chromedp.CSS(`.opblock-summary-path[data-path="/api/v1/orders"]`)),
	))
	shown, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll(".opblock").length`))
	require.NoError(t, err)
	require.Greater(t, shown, 25, "operations on the page")
	picture(t, ctx, "docs.png")

	// Somebody tries one, as it is offered: the answer is that of the shop.
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Click(chromedp.CSS(`.opblock-get:has([data-path="/api/v1/products/{handle}"]) .opblock-summary`)),
		chromedp.Click(chromedp.CSS(`.opblock.is-open .try-out__btn`)),
		chromedp.WaitVisible(chromedp.CSS(`.opblock.is-open input[placeholder="handle"][value="fiddle-leaf-fig"]`)),
		chromedp.Click(chromedp.CSS(`.opblock.is-open .execute`)),
		chromedp.WaitVisible(chromedp.CSS(`.opblock.is-open .live-responses-table .response-col_status`)),
	))
	answer, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(`.opblock.is-open .live-responses-table`)))
	require.NoError(t, err)
	require.Contains(t, answer, "200")
	require.Contains(t, answer, "fiddle-leaf-fig--small")
	picture(t, ctx, "docs-try.png")

	// An order is offered with a body that can be sent.
	const placing = `.opblock-post:has([data-path="/api/v1/orders"]) `
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Click(chromedp.CSS(placing+`.opblock-summary`)),
		chromedp.Click(chromedp.CSS(placing+`.try-out__btn`)),
		chromedp.WaitVisible(chromedp.CSS(placing+`textarea.body-param__text`)),
	))
	body, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('`+placing+`textarea.body-param__text').value`))
	require.NoError(t, err)
	require.Contains(t, body, `"token": "tok_visa"`)
	require.NotContains(t, body, `"string"`)
	picture(t, ctx, "docs-order.png")

	heard.mu.Lock()
	defer heard.mu.Unlock()
	require.Empty(t, heard.complaints)
	require.NotEmpty(t, heard.requests)
	own, err := url.Parse(s.Shop)
	require.NoError(t, err)
	for _, r := range heard.requests {
		u, err := url.Parse(r)
		require.NoError(t, err)
		if u.Scheme != "data" && u.Scheme != "blob" {
			require.Equal(t, own.Host, u.Host, "a request to another host: %s", r)
		}
	}
}

// browser starts a headless browser and a tab; both end with the test.
func browser(t *testing.T, heard *events) context.Context {
	t.Helper()
	bounded, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-dev-shm-usage", true))
	started, stop := chromedp.NewExecAllocator(bounded, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(started, chromedp.WithListener(heard.hear))
	t.Cleanup(closeTab)
	return ctx
}

// events is what happened on the page.
type events struct {
	mu         sync.Mutex
	requests   []string // addresses
	complaints []string // errors and warnings of the console, also about the page's policy
}

func (e *events) hear(event any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch ev := event.(type) {
	case *network.EventRequestWillBeSent:
		e.requests = append(e.requests, ev.Request.URL)
	case *network.EventLoadingFailed:
		e.complaints = append(e.complaints, "failed to load: "+ev.ErrorText)
	case *runtime.EventExceptionThrown:
		e.complaints = append(e.complaints, exceptionText(ev.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			for _, arg := range ev.Args {
				e.complaints = append(e.complaints, string(arg.Value)+arg.Description)
			}
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			e.complaints = append(e.complaints, ev.Entry.Text+" "+ev.Entry.URL)
		}
	}
}

func exceptionText(e *runtime.ExceptionDetails) string {
	if e.Exception != nil {
		return e.Text + " " + e.Exception.Description
	}
	return e.Text
}

// picture keeps a screenshot in the folder BANYAN_TEST_SCREENSHOTS, if that is set.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("BANYAN_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), png, 0o644))
}
