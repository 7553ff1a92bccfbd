package agent

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"monitorme/edge/health"
	"monitorme/edge/queue"
	"monitorme/edge/uplink"
	"monitorme/protocol"
)

// link is the uplink that runs now, and its sign of life.
type link struct {
	check *health.Check
	mu    sync.Mutex
	up    *uplink.Uplink // nil: none runs, because no queue is open
	asked time.Time      // when it last asked for the state of the box
}

func (l *link) set(up *uplink.Uplink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.asked = up, time.Now()
}

// changed has the cloud told of the state of the box at once.
func (l *link) changed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up != nil {
		l.up.StateChanged()
	}
}

// watch checks in for the uplink while it is at work: a connected one asks for
// the state of the box every few seconds. Without a connection it is waiting,
// which its own deadlines end.
func (l *link) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		l.mu.Lock()
		connected := l.up != nil && l.up.Status().Connected
		if !connected {
			l.asked = time.Now()
		}
		works := time.Since(l.asked) < limitUplink/2
		l.mu.Unlock()
		if works {
			l.check.In()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// uplinkConfig completes the uplink's part with what the box knows already.
func (c Config) uplinkConfig() uplink.Config {
	u := c.Uplink
	u.Box, u.Unit = c.Box, c.Unit
	if u.SessionFile == "" {
		u.SessionFile = filepath.Join(c.Queue.Dir, "session")
	}
	return u
}

// runUplink drains q until ctx ends; an error means that the queue failed.
func (b *box) runUplink(ctx context.Context, q *queue.Queue) error {
	up, err := uplink.New(b.cfg.uplinkConfig(), q, func() protocol.BoxState { return b.boxState(q) }, b.log.With("module", "uplink"), b.reg)
	if err != nil {
		return err
	}
	b.link.set(up)
	defer b.link.set(nil)
	return up.Run(ctx)
}

// boxState is what the cloud is told of the box.
func (b *box) boxState(q *queue.Queue) protocol.BoxState {
	b.link.mu.Lock()
	b.link.asked = time.Now()
	b.link.mu.Unlock()
	return protocol.BoxState{
		Box: b.cfg.Box, Boot: b.boot, Epoch: q.Epoch(), Version: cut(b.cfg.Version), Clock: b.clock.Now().Quality,
		Devices: b.states(), Queue: b.queueState(),
	}
}

func (b *box) uplinkStatus() health.Uplink {
	b.link.mu.Lock()
	defer b.link.mu.Unlock()
	if b.link.up == nil {
		return health.Uplink{Text: "waits for the queue"}
	}
	s := b.link.up.Status()
	text := s.Problem
	switch {
	case text != "":
	case s.Connected && !s.LastAck.IsZero():
		text = "the cloud confirmed readings " + time.Since(s.LastAck).Round(time.Second).String() + " ago"
	case s.Connected:
		text = "the cloud has confirmed nothing yet"
	default:
		text = "connecting"
	}
	return health.Uplink{Connected: s.Connected, Text: text}
}
