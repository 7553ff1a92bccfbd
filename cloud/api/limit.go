package api

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// loginLimits bounds attempts to sign in: 5 at once and then 5 a minute for an
// account from one address, 30 at once and then one every 2 s for an address.
// An account is never limited as a whole: nobody can lock a nurse out from
// elsewhere.
type loginLimits struct {
	mu   sync.Mutex
	keys map[string]*loginLimit
}

type loginLimit struct {
	*rate.Limiter
	used time.Time
}

// maxLoginKeys bounds the memory of the limits.
const maxLoginKeys = 10_000

func newLoginLimits() *loginLimits { return &loginLimits{keys: map[string]*loginLimit{}} }

// wait takes one attempt, or tells how long to wait for it.
func (l *loginLimits) wait(now time.Time, user, address string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	address = network(address)
	pair := l.limit(now, user+"\x00"+address, rate.Every(12*time.Second), 5)
	whole := l.limit(now, address, rate.Every(2*time.Second), 30)
	a, b := pair.ReserveN(now, 1), whole.ReserveN(now, 1)
	if wait := max(a.DelayFrom(now), b.DelayFrom(now)); wait > 0 {
		a.CancelAt(now)
		b.CancelAt(now)
		return wait
	}
	return 0
}

func (l *loginLimits) limit(now time.Time, key string, r rate.Limit, burst int) *rate.Limiter {
	k := l.keys[key]
	if k == nil {
		if len(l.keys) >= maxLoginKeys {
			l.evict(now)
		}
		k = &loginLimit{Limiter: rate.NewLimiter(r, burst)}
		l.keys[key] = k
	}
	k.used = now
	return k.Limiter
}

// evict forgets limits that are full again, and if all are in use the half
// that is oldest by chance.
func (l *loginLimits) evict(now time.Time) {
	for k, v := range l.keys {
		if now.Sub(v.used) > time.Minute {
			delete(l.keys, k)
		}
	}
	for k := range l.keys {
		if len(l.keys) < maxLoginKeys/2 {
			return
		}
		delete(l.keys, k)
	}
}

// network is the address, for IPv6 its /64: one customer has all of that.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
