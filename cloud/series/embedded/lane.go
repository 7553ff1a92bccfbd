package embedded

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"monitorme/cloud/series"
	"monitorme/cloud/series/groupcommit"
	"monitorme/cloud/series/packed"
	"monitorme/protocol"
)

// A laneKind is what the two lanes differ in.
type laneKind struct {
	name      string
	prefix    byte          // of its keys in the database
	window    int64         // microseconds of a chunk; divides a day
	sealEvery time.Duration // on the wall clock, plus sealGrace
	spare     int64         // how many times MinFreeBytes must be free
}

var (
	// An hour of readings packs well even for slow series, and is rewritten
	// some six times while it fills.
	readingLane = laneKind{name: "readings", prefix: 'r', window: 3600e6, sealEvery: 10 * time.Minute, spare: 1}
	// A minute of a waveform is tens of kilobytes.
	waveLane = laneKind{name: "waves", prefix: 'w', window: 60e6, sealEvery: time.Minute, spare: 2}
)

const (
	dayMicros = 86400e6
	// sealGrace is how long after a full window its stragglers are waited for.
	sealGrace = 5 * time.Second
	// recBytes is what a reading costs in memory beside its word.
	recBytes = 24
)

// A lane stores one kind of data: a dictionary of series, a journal, and heads.
type lane struct {
	laneKind
	store *Store

	committer *groupcommit.Committer[entry] // its turn guards journal and nextID
	journal   *journal
	damaged   map[string]bool // segments to be kept aside, not removed
	nextID    uint32

	mu        sync.RWMutex // guards what follows, and the contents of states
	byKey     map[series.Key]*state
	byID      map[uint32]*state
	byBox     map[protocol.BoxID][]*state
	attrs     []packed.Attr // append-only
	attrIndex map[packed.Attr]uint32
	days      map[int32]int64 // days that have chunks, and when they were last written, microseconds
	active    []*state        // that have heads
	trouble   error           // of the last commit
	sealErr   error           // of the last seal

	sealing   sync.Mutex // held while sealing: guards what follows
	sealed    []*state   // that have heads being sealed
	files     []string   // journal segments behind those
	headBytes atomic.Int64
}

// A state is one series of a lane.
type state struct {
	id      uint32
	key     series.Key
	known   bool   // its definition is in the journal or the database
	dirty   bool   // its definition differs from the one in the database
	attr    uint32 // of the last reading appended
	longest int64  // microseconds of the longest block ever
	heads   []head // by window
	sealing []head // by window; immutable
}

// A head is the readings of one series and window that are only in memory and
// in the journal, in order of time, each instant once.
type head struct {
	window int64
	recs   []packed.Rec
	words  []string
}

// An entry is one reading on its way in.
type entry struct {
	key  series.Key
	at   int64
	mant int64
	attr packed.Attr
	word string
}

func openLane(s *Store, kind laneKind) (*lane, error) {
	l := &lane{
		laneKind: kind, store: s, nextID: 1, damaged: map[string]bool{},
		byKey: map[series.Key]*state{}, byID: map[uint32]*state{}, byBox: map[protocol.BoxID][]*state{},
		attrIndex: map[packed.Attr]uint32{}, days: map[int32]int64{},
	}
	l.committer = groupcommit.New(l.writeGroup)
	if err := l.loadDictionary(); err != nil {
		return nil, err
	}
	if err := l.loadDays(); err != nil {
		return nil, err
	}
	var err error
	if l.journal, err = openJournal(s.cfg.Dir, kind.name); err != nil {
		return nil, err
	}
	return l, l.replay()
}

// addState puts a series into the dictionary. The caller holds mu, or is
// opening.
func (l *lane) addState(st *state) {
	l.byKey[st.key] = st
	l.byID[st.id] = st
	l.byBox[st.key.Box] = append(l.byBox[st.key.Box], st)
	l.nextID = max(l.nextID, st.id+1)
}

// intern gives the index of an attribute. The caller holds mu for writing, or
// is opening.
func (l *lane) intern(a packed.Attr) uint32 {
	if i, ok := l.attrIndex[a]; ok {
		return i
	}
	i := uint32(len(l.attrs))
	l.attrs = append(l.attrs, a)
	l.attrIndex[a] = i
	return i
}

// windowOf is the number of the window in which an instant lies, and dayOf the
// day of a window, both counted from 1970.
func (l *lane) windowOf(at int64) int64 { return floorDiv(at, l.window) }
func (l *lane) dayOf(w int64) int32     { return int32(floorDiv(w*l.window, dayMicros)) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// apply puts a committed reading into its head. The caller holds mu.
func (l *lane) apply(st *state, r packed.Rec, word string) {
	a := &l.attrs[r.Attr]
	if !st.dirty && st.attr != r.Attr {
		st.dirty = true // the database says what the newest reading is of
	}
	st.attr = r.Attr
	if a.Form&packed.FormBlock != 0 {
		if d := a.Duration(word).Microseconds() + 1; d > st.longest {
			st.longest, st.dirty = d, true
		}
	}
	if len(st.heads) == 0 {
		l.active = append(l.active, st)
	}
	h := st.head(l.windowOf(r.At))
	if !h.insert(r, word) {
		l.store.metrics.duplicates.WithLabelValues(l.name).Inc()
		return
	}
	l.headBytes.Add(recBytes + int64(len(word)))
}

// head finds or makes the head of a window; most often it is the last.
func (st *state) head(w int64) *head {
	if n := len(st.heads); n > 0 && st.heads[n-1].window == w {
		return &st.heads[n-1]
	}
	i, ok := slices.BinarySearchFunc(st.heads, w, func(h head, w int64) int { return cmp.Compare(h.window, w) })
	if !ok {
		st.heads = slices.Insert(st.heads, i, head{window: w})
	}
	return &st.heads[i]
}

// insert keeps the order; false if the instant is there already.
func (h *head) insert(r packed.Rec, word string) bool {
	i := len(h.recs)
	if i > 0 && h.recs[i-1].At >= r.At {
		var ok bool
		if i, ok = search(h.recs, r.At); ok {
			return false
		}
	}
	if word != "" {
		r.Word = uint32(len(h.words))
		h.words = append(h.words, word)
	} else {
		r.Word = 0
	}
	h.recs = slices.Insert(h.recs, i, r)
	return true
}

// search finds the first reading at or after an instant, and whether it is at.
func search(recs []packed.Rec, at int64) (int, bool) {
	return slices.BinarySearchFunc(recs, at, func(r packed.Rec, at int64) int { return cmp.Compare(r.At, at) })
}

func (l *lane) health() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.trouble != nil {
		return fmt.Errorf("%s cannot be written: %w", l.name, l.trouble)
	}
	if l.sealErr != nil {
		return fmt.Errorf("%s cannot be sealed: %w", l.name, l.sealErr)
	}
	return nil
}
