package alert

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/live"
	"monitorme/protocol"
)

// Doer sends requests to the process of the engine: a peer.Client. Do has a
// deadline and may retry; Stream opens a response that goes on.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
	Stream(*http.Request) (*http.Response, error)
}

// Lanes of a Client: the deliveries of one box go through one of them, so that
// they stay in order.
const (
	clientLanes = 8
	laneBuffer  = 1024
)

// A Client has the methods of an Engine that runs in another process. It is
// safe for concurrent use.
//
// Observe, BoxContact and BoxState never wait: they queue, and Run sends. When
// the other process is away longer than the queue lasts, the oldest are
// dropped and counted; the engine there hears nothing of the boxes and raises
// the alarm about that.
type Client struct {
	base    string
	peer    Doer
	log     *slog.Logger
	lanes   [clientLanes]chan *http.Request
	seed    maphash.Seed
	dropped prometheus.Counter
	failing atomic.Pointer[string]
	heard   atomic.Int64 // µs, when Alive last had an answer
	alive   atomic.Pointer[liveness]
	subs    subscribers
}

// NewClient makes a client of the engine at base, such as
// "https://alert.example:8443". It connects in Run, or when first asked.
func NewClient(base string, peer Doer, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	c := &Client{base: strings.TrimSuffix(base, "/"), peer: peer, log: log, seed: maphash.MakeSeed(),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_alert_client_dropped_total",
			Help: "Messages for the alert module dropped because it was away too long."})}
	if err := reg.Register(c.dropped); err != nil {
		return nil, fmt.Errorf("alert client metrics: %w", err)
	}
	for i := range c.lanes {
		c.lanes[i] = make(chan *http.Request, laneBuffer)
	}
	return c, nil
}

// Run sends what is queued, asks every second whether the engine is alive, and
// follows its changes for Subscribe, until ctx ends. It returns nil.
func (c *Client) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, lane := range c.lanes {
		wg.Go(func() { c.send(ctx, lane) })
	}
	wg.Go(func() { c.follow(ctx) })
	wg.Go(func() { c.watch(ctx) })
	wg.Wait()
	c.subs.closeAll()
	return nil
}

// queue gives a request to the lane of a box.
func (c *Client) queue(box protocol.BoxID, req *http.Request, err error) {
	if err != nil {
		c.log.Error("message for the alert module not sent", "box", box, "err", err)
		c.dropped.Inc()
		return
	}
	lane := c.lanes[maphash.String(c.seed, string(box))%clientLanes]
	for {
		select {
		case lane <- req:
			return
		default:
		}
		select {
		case <-lane: // the oldest
			c.dropped.Inc()
		default:
		}
	}
}

func (c *Client) send(ctx context.Context, lane <-chan *http.Request) {
	for {
		select {
		case <-ctx.Done():
			return
		case req := <-lane:
			_, err := c.do(req.WithContext(ctx))
			c.note(err)
			if err != nil {
				c.dropped.Inc()
			}
		}
	}
}

// note logs when what fails changes.
func (c *Client) note(err error) {
	if err == nil {
		if c.failing.Swap(nil) != nil {
			c.log.Info("alert module is back")
		}
		return
	}
	text := err.Error()
	if was := c.failing.Swap(&text); was == nil || *was != text {
		c.log.Error("alert module cannot be reached", "err", err)
	}
}

// do sends one request and gives the body of its answer.
func (c *Client) do(req *http.Request) ([]byte, error) {
	resp, err := c.peer.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("alert module: %w", err)
	case resp.StatusCode == http.StatusNotFound && strings.Contains(string(body), ErrNotFound.Error()):
		return nil, fmt.Errorf("alert module: %w", ErrNotFound)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("alert module: %s: %s", resp.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, name string, body call) (*http.Request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("call alert %s: %w", name, err)
	}
	return http.NewRequestWithContext(ctx, http.MethodPost, c.base+PathPrefix+name, bytes.NewReader(text))
}

func ask[Out any](ctx context.Context, c *Client, name string, body call) (out Out, err error) {
	req, err := c.request(ctx, name, body)
	if err != nil {
		return out, err
	}
	text, err := c.do(req)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, fmt.Errorf("answer of alert %s: %w", name, err)
	}
	return out, nil
}

// Observe is Engine.Observe, queued.
func (c *Client) Observe(d live.Delivery) {
	payload, err := protocol.AppendBatch(nil, &d.Batch)
	var req *http.Request
	if err == nil {
		req, err = http.NewRequest(http.MethodPost, observeURL(c.base, &d), bytes.NewReader(payload))
	}
	c.queue(d.Box, req, err)
}

// BoxContact is Engine.BoxContact, queued.
func (c *Client) BoxContact(box protocol.BoxID, at time.Time) {
	req, err := c.request(context.Background(), "contact", call{Box: box, At: at})
	c.queue(box, req, err)
}

// BoxState is Engine.BoxState, queued.
func (c *Client) BoxState(s protocol.BoxState, received time.Time) {
	req, err := c.request(context.Background(), "state", call{State: &s, At: received})
	c.queue(s.Box, req, err)
}

// Expect is Engine.Expect.
func (c *Client) Expect(ctx context.Context, placed []protocol.BoxID, at time.Time) error {
	_, err := ask[any](ctx, c, "expect", call{Boxes: placed, At: at})
	return err
}

// Stop is Engine.Stop.
func (c *Client) Stop(ctx context.Context, box protocol.BoxID, user string, at time.Time) error {
	_, err := ask[any](ctx, c, "stop", call{Box: box, User: user, At: at})
	return err
}

// Patient is Engine.Patient.
func (c *Client) Patient(ctx context.Context, box protocol.BoxID, age int) error {
	_, err := ask[any](ctx, c, "patient", call{Box: box, Age: age})
	return err
}

// Active is Engine.Active.
func (c *Client) Active(ctx context.Context, f Filter) ([]Record, error) {
	return ask[[]Record](ctx, c, "active", call{Filter: f})
}

// History is Engine.History.
func (c *Client) History(ctx context.Context, f Filter, from, to time.Time) ([]Record, error) {
	return ask[[]Record](ctx, c, "history", call{Filter: f, From: from, To: to})
}

// Get is Engine.Get.
func (c *Client) Get(ctx context.Context, id string) (Record, error) {
	return ask[Record](ctx, c, "get", call{ID: id})
}

// Acknowledge is Engine.Acknowledge.
func (c *Client) Acknowledge(ctx context.Context, id, user string, at time.Time) (Record, error) {
	return ask[Record](ctx, c, "acknowledge", call{ID: id, User: user, At: at})
}

// Alive is Engine.Alive as it was last answered; while Run has had no answer
// for 5 s it is false.
func (c *Client) Alive() (ok bool, detail string) {
	l := c.alive.Load()
	if l == nil {
		return false, "the alert module has not answered yet"
	}
	if age := time.Since(time.UnixMicro(c.heard.Load())); age > stall {
		return false, fmt.Sprintf("the alert module has not answered for %s", age.Round(time.Second))
	}
	return l.OK, l.Detail
}

// Subscribe is Engine.Subscribe. The subscription is also cut off when the
// connection to the engine was lost, because changes may have been missed.
func (c *Client) Subscribe(buffer int) *Subscription { return c.subs.subscribe(buffer) }

func (c *Client) watch(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, stall)
		l, err := ask[liveness](one, c, "alive", call{})
		cancel()
		if err == nil {
			c.heard.Store(time.Now().UnixMicro())
			c.alive.Store(&l)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// follow keeps the stream open.
func (c *Client) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.stream(ctx)
		c.subs.cutAll()
		if ctx.Err() == nil {
			c.note(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (c *Client) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+PathPrefix+"stream", nil)
	if err != nil {
		return fmt.Errorf("alert stream: %w", err)
	}
	resp, err := c.peer.Stream(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dead := time.AfterFunc(3*streamBeat, cancel)
	defer dead.Stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxCall)
	for lines.Scan() {
		dead.Reset(3 * streamBeat)
		if len(lines.Bytes()) == 0 {
			continue
		}
		var r Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("alert stream: %w", err)
		}
		c.subs.publish(r)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("alert stream: %w", err)
	}
	return errors.New("alert stream: ended")
}
