package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"monitorme/protocol"
)

// A Feed passes what ingest observes to hubs in other processes: a response
// that goes on, of frames with a length in front. A reader that falls behind
// is cut off and comes back.
type Feed struct {
	mu      sync.Mutex
	readers map[chan []byte]bool
}

// NewFeed makes a feed without readers.
func NewFeed() *Feed { return &Feed{readers: map[chan []byte]bool{}} }

const (
	feedBatch = 1
	feedState = 2
	feedPing  = 3

	feedBuffer   = 4096
	feedPingTime = 2 * time.Second
	maxFrame     = protocol.MaxDecodedBytes
)

// Observe passes a delivery on.
func (f *Feed) Observe(d *Delivery) {
	if !f.watched() {
		return
	}
	payload, err := protocol.AppendBatch(nil, &d.Batch)
	if err != nil { // it was decoded from the same format
		return
	}
	f.send(frame(feedBatch, d.Unit, d.Lane, d.Received, payload))
}

// ObserveState passes a box's state on.
func (f *Feed) ObserveState(s protocol.BoxState, received time.Time) {
	if !f.watched() {
		return
	}
	payload, err := protocol.AppendState(nil, &s)
	if err != nil {
		return
	}
	f.send(frame(feedState, "", protocol.LaneState, received, payload))
}

func (f *Feed) watched() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers) > 0
}

func (f *Feed) send(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		select {
		case r <- b:
		default:
			delete(f.readers, r)
			close(r)
		}
	}
}

// frame is: length (4), kind (1), received µs (8), then unit, lane and payload
// each with a length (4).
func frame(kind byte, unit protocol.UnitID, lane protocol.Lane, received time.Time, payload []byte) []byte {
	b := make([]byte, 5, 32+len(payload))
	b[4] = kind
	b = binary.BigEndian.AppendUint64(b, uint64(received.UnixMicro()))
	for _, part := range [][]byte{[]byte(unit), []byte(lane), payload} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// ServeHTTP streams the feed until the reader goes or falls behind.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := make(chan []byte, feedBuffer)
	f.mu.Lock()
	f.readers[c] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.readers, c)
		f.mu.Unlock()
	}()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	ping := time.NewTicker(feedPingTime)
	defer ping.Stop()
	b := frame(feedPing, "", "", time.Now(), nil)
	for {
		if err := errors.Join(out.SetWriteDeadline(time.Now().Add(5*time.Second)), write(w, out, b)); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case next, ok := <-c:
			if !ok {
				return
			}
			b = next
		case now := <-ping.C:
			b = frame(feedPing, "", "", now, nil)
		}
	}
}

func write(w io.Writer, out *http.ResponseController, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return err
	}
	return out.Flush()
}

// Follow fills the hub from the feed of an ingest in another process until ctx
// ends, connecting again when it is lost. open starts a request that is never
// retried, as peer.Client.Stream does.
func (h *Hub) Follow(ctx context.Context, address string, open func(*http.Request) (*http.Response, error), log *slog.Logger) error {
	address = strings.TrimSuffix(address, "/") + "/internal/v1/live/feed"
	for {
		err := h.follow(ctx, address, open)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn("live feed lost; connecting again", "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (h *Hub) follow(ctx context.Context, address string, open func(*http.Request) (*http.Response, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(5*feedPingTime, cancel)
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := open(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var head [4]byte
	for {
		if _, err := io.ReadFull(resp.Body, head[:]); err != nil {
			return fmt.Errorf("read feed: %w", err)
		}
		silence.Reset(5 * feedPingTime)
		n := binary.BigEndian.Uint32(head[:])
		if n < 9 || n > maxFrame {
			return fmt.Errorf("read feed: frame of %d bytes, want 9 to %d", n, maxFrame)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(resp.Body, b); err != nil {
			return fmt.Errorf("read feed: %w", err)
		}
		if err := h.take(b); err != nil {
			return fmt.Errorf("read feed: %w", err)
		}
	}
}

func (h *Hub) take(b []byte) error {
	kind, received := b[0], time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:]))).UTC()
	b = b[9:]
	var parts [3][]byte
	for i := range parts {
		if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
			return errors.New("frame cut short")
		}
		n := int(binary.BigEndian.Uint32(b))
		parts[i], b = b[4:4+n], b[4+n:]
	}
	switch kind {
	case feedBatch:
		batch, err := protocol.DecodeBatch(slices.Clone(parts[2]))
		if err != nil {
			return err
		}
		h.Observe(&Delivery{Unit: protocol.UnitID(parts[0]), Lane: protocol.Lane(parts[1]), Received: received, Batch: *batch})
	case feedState:
		state, err := protocol.DecodeState(parts[2])
		if err != nil {
			return err
		}
		h.ObserveState(*state, received)
	case feedPing:
	default:
		return fmt.Errorf("frame of kind %d", kind)
	}
	return nil
}
