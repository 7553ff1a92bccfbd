package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"
)

// runningStore is a store on the local disk.
type runningStore interface {
	series.Store
	Run(context.Context) error
	Health() error
}

// A lateStore is a store that may not open at once: until it does, every call
// says why, and everything else goes on. Boxes keep what they cannot hand over.
type lateStore struct {
	open func() (runningStore, error)

	mu     sync.RWMutex
	store  runningStore
	err    error
	closed bool
}

var errStoreClosed = errors.New("series store is closed")

func newLateStore(open func() (runningStore, error)) *lateStore {
	l := &lateStore{open: open}
	l.try()
	return l
}

func (l *lateStore) try() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store == nil && !l.closed {
		if l.store, l.err = l.open(); l.err != nil {
			l.store = nil
			l.err = fmt.Errorf("open series store: %w", l.err)
		}
	}
}

func (l *lateStore) get() (runningStore, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return nil, errStoreClosed
	case l.store == nil:
		return nil, l.err
	}
	return l.store, nil
}

// Run opens the store if it is not open, and runs it.
func (l *lateStore) Run(ctx context.Context) error {
	l.try()
	store, err := l.get()
	if err != nil {
		return err
	}
	return store.Run(ctx)
}

func (l *lateStore) Health() error {
	store, err := l.get()
	if err != nil {
		return err
	}
	return store.Health()
}

func (l *lateStore) Append(ctx context.Context, box protocol.BoxID, obs []protocol.Observation) error {
	store, err := l.get()
	if err != nil {
		return err
	}
	return store.Append(ctx, box, obs)
}

func (l *lateStore) Keys(ctx context.Context, box protocol.BoxID, from, to time.Time) ([]series.SeriesInfo, error) {
	store, err := l.get()
	if err != nil {
		return nil, err
	}
	return store.Keys(ctx, box, from, to)
}

func (l *lateStore) Points(ctx context.Context, k series.Key, from, to time.Time, yield func(*series.Point) bool) error {
	store, err := l.get()
	if err != nil {
		return err
	}
	return store.Points(ctx, k, from, to, yield)
}

func (l *lateStore) Buckets(ctx context.Context, k series.Key, from, to time.Time, most int) ([]series.Bucket, error) {
	store, err := l.get()
	if err != nil {
		return nil, err
	}
	return store.Buckets(ctx, k, from, to, most)
}

func (l *lateStore) Blocks(ctx context.Context, k series.Key, from, to time.Time, yield func(*series.Block) bool) error {
	store, err := l.get()
	if err != nil {
		return err
	}
	return store.Blocks(ctx, k, from, to, yield)
}

// Close closes the store if it is open. It may be called twice.
func (l *lateStore) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.store == nil {
		return nil
	}
	return l.store.Close()
}
