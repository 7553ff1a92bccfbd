package series

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"monitorme/protocol"
)

// A Doer sends a request: an http.Client, or one that also signs, retries and
// breaks the circuit. Every request of a Client may be sent twice.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Client is the Store of another process.
type Client struct {
	base   string
	doer   Doer
	closed atomic.Bool
}

var _ Store = (*Client)(nil)

// NewClient speaks to the Handler at base, for example "https://series:8080".
func NewClient(base *url.URL, doer Doer) *Client {
	return &Client{base: base.JoinPath(pathPrefix).String(), doer: doer}
}

// Append implements Store.
func (c *Client) Append(ctx context.Context, box protocol.BoxID, obs []protocol.Observation) error {
	good, refused := Sift(box, obs)
	if len(good) == 0 && refused != nil {
		return refused
	}
	body := bytes.NewReader(appendObservations(nil, good))
	resp, err := c.do(ctx, http.MethodPost, "append", url.Values{"box": {string(box)}}, body)
	if err == nil {
		err = resp.Body.Close()
	}
	return Sifted(refused, err)
}

// Keys implements Store.
func (c *Client) Keys(ctx context.Context, box protocol.BoxID, from, to time.Time) ([]SeriesInfo, error) {
	q := url.Values{"box": {string(box)}}
	setRange(q, from, to)
	var infos []SeriesInfo
	return infos, c.get(ctx, "keys", q, &infos)
}

// Buckets implements Store.
func (c *Client) Buckets(ctx context.Context, k Key, from, to time.Time, most int) ([]Bucket, error) {
	if _, err := NewBucketer(from, to, most); err != nil {
		return nil, err
	}
	q := keyQuery(k, from, to)
	q.Set("max", strconv.Itoa(most))
	var b []Bucket
	return b, c.get(ctx, "buckets", q, &b)
}

// Points implements Store.
func (c *Client) Points(ctx context.Context, k Key, from, to time.Time, yield func(*Point) bool) error {
	var p Point
	return c.frames(ctx, "points", k, from, to, func(o *protocol.Observation) bool {
		p = Point{At: o.At, Kind: o.Kind, Unit: o.Unit, Quality: o.Quality, Clock: o.Clock, Value: o.Value, Text: o.Text, Event: o.Event}
		return yield(&p)
	})
}

// Blocks implements Store.
func (c *Client) Blocks(ctx context.Context, k Key, from, to time.Time, yield func(*Block) bool) error {
	failed := false
	err := c.frames(ctx, "blocks", k, from, to, func(o *protocol.Observation) bool {
		if o.Samples == nil {
			failed = true
			return false
		}
		return yield(&Block{At: o.At, Quality: o.Quality, Clock: o.Clock, Unit: o.Unit, Samples: *o.Samples})
	})
	if failed {
		return fmt.Errorf("%w: a block without samples", errWire)
	}
	return err
}

// Close lets go of the store; it stays open in its own process.
func (c *Client) Close() error {
	c.closed.Store(true)
	return nil
}

func (c *Client) frames(ctx context.Context, what string, k Key, from, to time.Time, yield func(*protocol.Observation) bool) error {
	resp, err := c.do(ctx, http.MethodGet, what, keyQuery(k, from, to), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := readFrames(resp.Body, yield); err != nil {
		return fmt.Errorf("series %s: %w", what, err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, what string, q url.Values, into any) error {
	resp, err := c.do(ctx, http.MethodGet, what, q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("series %s: %w", what, err)
	}
	return nil
}

// do gives the response if it is 2xx.
func (c *Client) do(ctx context.Context, method, what string, q url.Values, body *bytes.Reader) (*http.Response, error) {
	if c.closed.Load() {
		return nil, ErrClosed
	}
	var rd io.Reader
	if body != nil {
		rd = body
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+what+"?"+q.Encode(), rd)
	if err != nil {
		return nil, err
	}
	resp, err := c.doer.Do(req)
	if err != nil {
		return nil, fmt.Errorf("series %s: %w", what, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, fmt.Errorf("series %s: %w", what, problemOf(resp))
}

func problemOf(resp *http.Response) error {
	var p problem
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(text, &p) != nil || p.Detail == "" {
		p.Detail = fmt.Sprintf("%.200q", text)
	}
	switch {
	case resp.StatusCode == http.StatusUnprocessableEntity && len(p.Indexes) > 0:
		return &RefusedError{Indexes: p.Indexes, Reason: errors.New(p.Reason)}
	case resp.StatusCode == http.StatusInsufficientStorage:
		return fmt.Errorf("%w: %s", ErrNoSpace, p.Detail)
	}
	return fmt.Errorf("%s: %s", resp.Status, p.Detail)
}

func keyQuery(k Key, from, to time.Time) url.Values {
	q := url.Values{"box": {string(k.Box)}, "device": {string(k.Device)}, "channel": {k.Channel}, "code": {strconv.FormatUint(uint64(k.Code), 10)}}
	setRange(q, from, to)
	return q
}

func setRange(q url.Values, from, to time.Time) {
	lo, hi := Micros(from, to)
	q.Set("from", strconv.FormatInt(lo, 10))
	q.Set("to", strconv.FormatInt(hi, 10))
}
