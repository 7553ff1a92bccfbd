package hl7

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// Bounds of what is remembered.
const (
	maxSeries  = 512
	maxCache   = 1024
	maxUnread  = 64
	maxSenders = 16
	quietAfter = 60 // messages of our bed in a row, after which no other bed is on the connection
)

// memory is what outlives a connection: whose results these are, and what was
// said last. A device may call anew for each message.
type memory struct {
	mu   sync.Mutex
	seed maphash.Seed

	named    string // the PV1-3 that was heard last
	parts    []string
	location uint64 // hash of the place that the connection is bound to, 0 none
	patient  uint64 // hash of the patient heard last, 0 none
	changed  uint64 // the number of the message in which another was told of last
	foreign  uint64 // messages that were dropped
	own      int    // messages of our bed since
	told     bool   // that there are others

	born     time.Time        // the clock of the paces
	paces    map[uint64]*pace // of senders
	messages uint64           // with results
	recent   [16]uint64       // hashes of the last messages
	next     int

	series  map[seriesKey]*series
	paths   map[protocol.Code]*paths
	ringing map[ringing]string // channels of alarms
	unread  map[string]bool
	ids     map[string]identifier // by OBX-3
	names   map[string]unitRead   // by OBX-6
	model   string
	serial  string
}

type unitRead struct {
	unit  protocol.Unit
	known bool
}

type seriesKey struct {
	code    protocol.Code
	channel string
}

// A series is what was last said of one value.
type series struct {
	said     bool
	value    protocol.Decimal
	number   protocol.Decimal // the last value that was one
	repeats  bool             // its sender says it again and again
	text     string
	quality  protocol.Quality
	measured time.Time // as OBX-14 said, zero if it did not
	seen     time.Time // the time of the last message that said it
	shown    bool      // the last one emitted has a number, and stands until the next measurement
	alarmOff bool
}

// paths are the places in a device at which a code has been heard.
type paths struct {
	last    string
	message uint64 // the number of the message that said it last
	several bool   // for ever
}

func newMemory() *memory {
	return &memory{born: time.Now(), paces: map[uint64]*pace{}, seed: maphash.MakeSeed(), series: map[seriesKey]*series{}, paths: map[protocol.Code]*paths{},
		ringing: map[ringing]string{}, unread: map[string]bool{}, ids: map[string]identifier{}, names: map[string]unitRead{}}
}

// hash never gives 0.
func (m *memory) hash(s string) uint64 { return maphash.String(m.seed, s) | 1 }

// repeated tells whether a message of this bed came before, because its sender
// has not heard the answer.
func (m *memory) repeated(hash uint64) bool { return slices.Contains(m.recent[:], hash) }

func (m *memory) remember(hash uint64) {
	m.recent[m.next%len(m.recent)] = hash
	m.next++
}

// place writes a location in one way, whatever the delimiters: up to four
// components, which are point of care, room, bed and facility.
func place(v hl7v2.Value) []string {
	var parts []string
	for c := range v.Repetition(1).Components() {
		if len(parts) == 4 {
			break
		}
		var subs []string
		for i := 1; i <= 8; i++ {
			subs = append(subs, name(c.Sub(i)))
		}
		parts = append(parts, strings.Join(trimmed(subs), "&"))
	}
	return trimmed(parts)
}

// name is the text of what names a bed or a patient. If some of it cannot be
// read, what was written tells it from others of that kind.
func name(v hl7v2.Value) string {
	s := v.Text()
	if strings.ContainsRune(s, utf8.RuneError) {
		s += string(v.Raw())
	}
	return s
}

// trimmed is without white space around and without empty ends.
func trimmed(parts []string) []string {
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// at tells whether a location is the one of the settings.
func (p *plan) at(parts []string) bool {
	for i := range max(len(parts), len(p.location)) {
		want, got := "", ""
		if i < len(p.location) {
			want = p.location[i]
		}
		if i < len(parts) {
			got = parts[i]
		}
		if start, any := strings.CutSuffix(want, "*"); any && strings.HasPrefix(got, start) {
			continue
		}
		if want != got {
			return false
		}
	}
	return len(parts) > 0
}

// ours tells whether results of that location and patient are of this bed, and
// binds what is not bound yet: to the location, or, if messages name none, to
// the patient. A patient who changes at a location is the bed's new patient; one
// who changes without a location may be anybody.
func (d *decoder) ours(location, patient hl7v2.Value) bool {
	m := d.memory
	parts := m.parts
	if string(location.Raw()) != m.named || !d.usual {
		if parts = place(location); d.usual {
			m.named, m.parts = string(location.Raw()), parts
		}
	}
	var here, who uint64
	if len(parts) > 0 {
		here = m.hash(strings.Join(parts, "^"))
	}
	if id := patient.Component(1); !id.Empty() && !id.Null() {
		who = m.hash(name(id))
	}
	switch {
	case d.plan.SingleBed:
	case d.plan.location != nil:
		if !d.plan.at(parts) {
			return false
		}
	case m.location != 0:
		if here != m.location {
			return false
		}
	case m.patient != 0:
		if who != m.patient {
			return false
		}
		m.location = here
	default:
		m.location = here
	}
	if who != 0 && m.patient != 0 && who != m.patient && (m.changed == 0 || d.count-m.changed >= quietAfter) {
		m.changed = d.count
		d.event(eventOtherPatient, protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmAdvisory,
			Text: "the monitor has been given another patient: check who is at this bed"})
		d.takeBack()
	}
	if who != 0 {
		m.patient = who
	}
	return true
}

// takeBack ends what would be shown for hours, of the patient before. That it
// was said stays known: a monitor that repeats it says nothing new.
func (d *decoder) takeBack() {
	keys := slices.SortedFunc(maps.Keys(d.memory.series), func(a, b seriesKey) int {
		return cmp.Or(cmp.Compare(a.code, b.code), cmp.Compare(a.channel, b.channel))
	})
	for _, k := range keys {
		if s := d.memory.series[k]; s.shown {
			s.shown = false
			term, _ := protocol.Lookup(k.code)
			d.emit(protocol.Observation{Channel: k.channel, Code: k.code, Unit: term.Unit, Kind: protocol.KindNumeric, Quality: protocol.QualityMissing})
		}
	}
}

// tally notes whose results a message had, and says so when others come or
// stay away. Where a gateway serves many beds and the settings name ours, the
// others are no fault.
func (d *decoder) tally(ours, others bool) {
	m := d.memory
	if others {
		m.foreign++
		m.own = 0
	} else if ours {
		m.own++
	}
	expected := d.plan.location != nil
	e := protocol.Event{Type: protocol.AlarmTechnical}
	switch {
	case others && !m.told:
		e.Phase, e.Priority = protocol.PhaseStart, protocol.PriorityMedium
		e.Text = "results of another bed or patient arrive here and are not taken: name the bed in settings.location, or set single_bed if there is only one"
		if expected {
			e.Phase, e.Priority, e.Type = protocol.PhaseOnce, protocol.PriorityNone, protocol.AlarmAdvisory
			e.Text = "results of other beds arrive here too and are not taken"
		}
	case others && m.foreign%1000 == 0:
		e.Phase, e.Text = protocol.PhaseContinue, fmt.Sprintf("%d messages with results of another bed or patient were not taken", m.foreign)
		if e.Priority = protocol.PriorityMedium; expected {
			e.Phase, e.Priority, e.Type = protocol.PhaseOnce, protocol.PriorityNone, protocol.AlarmAdvisory
		}
	case m.told && !expected && m.own == quietAfter:
		e.Phase, e.Text = protocol.PhaseEnd, "no results of another bed or patient arrive any more"
	default:
		return
	}
	m.told = e.Phase != protocol.PhaseEnd
	d.event(eventOtherBed, e)
}
