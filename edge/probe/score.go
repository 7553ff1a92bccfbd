package probe

import (
	"fmt"
	"slices"

	"monitorme/drivers"
	"monitorme/protocol"
)

// What a claim takes.
const (
	runChecked    = 2  // frames in a row that were held against a checksum
	someChecked   = 4  // or as many anywhere, if they are half of all bytes
	runUnchecked  = 5  // frames in a row of formats without one, with plausible values
	runNumberless = 10 // the same without any value, as when a sensor is off
)

const (
	answerBytes = 4096
	maxValues   = 8
)

// Match is the driver that claimed the port, and why.
type Match struct {
	Driver drivers.Driver
	Line   drivers.Line // of the driver's family where it fits what was heard
	Why    string       // for people
	Stats  drivers.Stats
	// What the device says of itself; "" if nothing yet.
	Model, Serial, Firmware string
	// Values are the newest of the first series heard, at most 8. They may be a
	// patient's.
	Values []protocol.Observation
	Also   []string // drivers that fit too and were not preferred
}

// A candidate is a driver whose decoder hears what comes.
type candidate struct {
	driver                  drivers.Driver
	hinted                  bool // its USB ids are those of the adapter
	likely                  bool // it was here before
	usual                   bool // this is its first line
	decoder                 drivers.Decoder
	broken                  bool
	stats                   drivers.Stats
	last                    drivers.Stats // when the last frame was counted
	lead                    uint64        // bytes skipped before the first frame
	run                     int           // frames without a gap
	longest                 int
	good                    int // numbers that can be a living patient's
	bad                     int // numbers that cannot
	model, serial, firmware string
	values                  []protocol.Observation
}

// feed gives the decoder one byte, so that it is seen whether frames follow
// each other without a gap. A decoder that fails inside is out of the race: it
// meets the bytes of all devices, and must not keep another from being found.
func (c *candidate) feed(b []byte) {
	if c.broken {
		return
	}
	defer func() { c.broken = recover() != nil }()
	c.decoder.Decode(b, c.take)
	s := c.decoder.Stats()
	if n := s.Frames - c.stats.Frames; n > 0 {
		if c.stats.Frames == 0 {
			c.lead = s.Skipped
		}
		// A line's end between long frames is no gap.
		if gap, span := s.Skipped-c.last.Skipped, s.Bytes-c.last.Bytes; gap*8 > span {
			c.run = 0
		}
		c.run += int(n)
		c.longest = max(c.longest, c.run)
		c.last = s
	}
	c.stats = s
}

// take looks at an observation.
func (c *candidate) take(o protocol.Observation) {
	switch {
	case o.Code == protocol.IdentityModel:
		c.model = o.Text
		return
	case o.Code == protocol.IdentitySerial:
		c.serial = o.Text
		return
	case o.Code == protocol.IdentityFirmware:
		c.firmware = o.Text
		return
	case o.Kind == protocol.KindNumeric && o.Quality.HasNumber():
		if t, _ := protocol.Lookup(protocol.Canonical(o.Code)); t.Plausible(o.Value, o.Unit) {
			c.good++
		} else {
			c.bad++
		}
	case o.Kind == protocol.KindNumeric && o.Quality == protocol.QualityInvalid:
		c.bad++
		return
	case o.Kind != protocol.KindEnumeration:
		return
	}
	i := slices.IndexFunc(c.values, func(v protocol.Observation) bool { return v.Code == o.Code && v.Channel == o.Channel })
	switch {
	case i >= 0:
		c.values[i] = o
	case len(c.values) < maxValues:
		c.values = append(c.values, o)
	}
}

// covered is the part of the bytes since the first valid frame that stood in
// valid frames, in percent.
func (c *candidate) covered() int {
	if c.stats.Frames == 0 || c.stats.Bytes <= c.lead {
		return 0
	}
	return int(100 * (c.stats.Bytes - min(c.stats.Skipped, c.stats.Bytes)) / (c.stats.Bytes - c.lead))
}

// claims tells whether the evidence is enough.
func (c *candidate) claims() bool {
	switch {
	case c.broken:
		return false
	case c.driver.Asks && !c.driver.Checked:
		return false // it would write; only a checksum or an answer is proof enough for that
	case c.driver.Checked:
		return c.longest >= runChecked || c.stats.Frames >= someChecked && c.covered() >= 50
	case c.bad*8 > c.good: // a real device may show one impossible number, too
		return false
	case c.good > 0:
		return c.longest >= runUnchecked
	}
	return c.longest >= runNumberless
}

// before orders claims: negative if c is to be preferred.
func (c *candidate) before(o *candidate) int {
	rank := func(c *candidate) [7]int {
		b := func(v bool) int {
			if v {
				return 1
			}
			return 0
		}
		// Coverage in steps: a few bytes at the beginning prove nothing.
		return [7]int{b(c.driver.Checked), c.covered() / 10, b(!c.driver.Asks), b(c.hinted), b(c.likely), b(c.usual), c.good}
	}
	x, y := rank(c), rank(o)
	for i := range x {
		if x[i] != y[i] {
			return y[i] - x[i]
		}
	}
	// Of two that understand the same the one that would notice silence first.
	switch a, b := c.driver.Silence, o.driver.Silence; {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// A field is all candidates at one line.
type field struct {
	candidates []*candidate
	question   *drivers.Question // nil: only listened
	heard      []byte            // since the question
}

func newField(list []drivers.Driver, cfg Config, at drivers.Line) *field {
	f := &field{}
	for _, d := range list {
		f.candidates = append(f.candidates, &candidate{driver: d, decoder: d.NewDecoder(), hinted: hinted(d, cfg.USB), likely: d.Name == cfg.Likely.Driver, usual: hearing(d.Line) == hearing(at)})
	}
	return f
}

func (f *field) feed(p []byte) {
	if f.question != nil {
		f.heard = append(f.heard, p[:min(len(p), answerBytes-len(f.heard))]...)
	}
	for _, c := range f.candidates {
		for i := range p {
			c.feed(p[i : i+1 : i+1])
		}
	}
}

// best is the candidate that wins now, nil if none claims the port.
func (f *field) best() *candidate {
	var best *candidate
	for _, c := range f.candidates {
		if !f.claims(c) {
			continue
		}
		if best == nil || c.before(best) < 0 {
			best = c
		}
	}
	return best
}

func (f *field) claims(c *candidate) bool {
	switch {
	case f.question == nil:
		return c.claims()
	case c.broken:
		return false
	case f.question.Answered == nil:
		return c.driver.Checked && c.stats.Frames > 0
	}
	return f.question.Answered(f.heard)
}

// hopeful tells whether a driver understands nearly all since its first valid
// frame, and may make a claim when more come.
func (f *field) hopeful() bool {
	return slices.ContainsFunc(f.candidates, func(c *candidate) bool { return !c.broken && c.covered() >= 80 })
}

// nearest is the candidate that explains most: the winner, else one whose
// checksums hold, else that with most frames, else most failed checks.
func (f *field) nearest() (string, drivers.Stats) {
	near := f.best()
	if near == nil {
		rank := func(c *candidate) [3]uint64 {
			checked := uint64(0)
			if c.driver.Checked {
				checked = c.stats.Frames
			}
			return [3]uint64{checked, c.stats.Frames, c.stats.BadSums}
		}
		for _, c := range f.candidates {
			r, n := rank(c), [3]uint64{}
			if near != nil {
				n = rank(near)
			}
			if !c.broken && slices.Compare(r[:], n[:]) > 0 {
				near = c
			}
		}
	}
	if near == nil {
		return "", drivers.Stats{}
	}
	return near.driver.Name, near.stats
}

func (f *field) broken() (names []string) {
	for _, c := range f.candidates {
		if c.broken {
			names = append(names, c.driver.Name)
		}
	}
	return names
}

// match says why c won.
func (f *field) match(c *candidate, h Heard) *Match {
	m := &Match{Driver: c.driver, Line: lineOf(c.driver, h), Stats: c.stats,
		Model: c.model, Serial: c.serial, Firmware: c.firmware, Values: c.values}
	switch kind := "without a checksum, values plausible"; {
	case f.question != nil:
		m.Why = "it answered a harmless question as only this device does"
	case c.driver.Checked:
		kind = "whose checksum holds"
		fallthrough
	default:
		m.Why = fmt.Sprintf("%d frames %s, %d in a row, %d damaged, %d %% of %d bytes", c.stats.Frames, kind, c.longest, c.stats.BadSums, c.covered(), h.Bytes)
	}
	if c.hinted {
		m.Why += "; its USB ids fit"
	}
	for _, o := range f.candidates {
		if o != c && f.claims(o) {
			m.Also = append(m.Also, o.driver.Name)
		}
	}
	return m
}
