// Package glucose is the drivers of glucose meters that are read out over a
// serial line: Contour and others by ASTM E1381/E1394, LifeScan OneTouch, Abbott
// FreeStyle, TaiDoc, SD CodeFree, GlucoMen Areo, and the Dexcom receiver.
// docs/devices/glucose.md describes them.
//
// A meter is a memory. It is read when it is plugged in and then every few
// minutes; each reading is emitted once, at the time at which it was measured,
// which is found from the meter's own clock; without one it is of unknown
// quality, and never shown as of now. Nothing is ever written to a meter's
// memory, clock or settings.
package glucose

import (
	"slices"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/ledger"
	"monitorme/protocol"
)

const sheet = "docs/devices/glucose.md"

const (
	// history is how old a reading may be. What is older was there before the
	// meter came to this bed, and may be another patient's.
	history = 24 * time.Hour
	// every is how often a meter is read.
	every = 5 * time.Minute
	// maxReadings bounds what is collected before it is emitted.
	maxReadings = 1000
)

// A reading is one value in a meter's memory, in mg/dL.
type reading struct {
	at      int64 // the meter's clock in Unix seconds as if it were UTC; 0 is none
	value   protocol.Decimal
	quality protocol.Quality // Good, Questionable, Overflow, Underflow, Missing
}

// A store collects the readings of one read-out and emits those that are new,
// the oldest first.
type store struct {
	emit  drivers.Emit
	code  protocol.Code
	clock int64 // the meter's clock when it was read last; 0 is not known

	// newest is, of a meter whose clock cannot be read, the time of what it
	// measured last; 0 is not known. Its clock stands there or later.
	newest int64

	now      []reading // of this read-out
	told     *ledger.Ledger[entry]
	model    string
	serial   string
	firmware string
}

// latest is 2200-01-01 in Unix seconds.
const latest = 7258118400

// remember has readings that were emitted before not be emitted again.
func (s *store) remember(l *ledger.Ledger[entry]) { s.told = l }

func (s *store) add(r reading) {
	if r.at < 0 || r.at >= latest {
		r.at = 0 // no clock of a meter says that
	}
	if s.now = append(s.now, r); len(s.now) >= maxReadings {
		s.flush()
	}
}

// flush ends a read-out.
func (s *store) flush() {
	slices.SortStableFunc(s.now, func(a, b reading) int { return int(max(min(a.at-b.at, 1), -1)) })
	if s.told == nil {
		s.told = &ledger.Ledger[entry]{}
	}
	for i, r := range s.now {
		n := 1 // the n-th that is the same
		for j := i - 1; j >= 0 && s.now[j].at == r.at; j-- {
			if s.now[j] == r {
				n++
			}
		}
		if e := (entry{s.model + " " + s.serial, r}); !s.told.Has(e, n) && s.tell(r) {
			s.told.Keep(e, n)
		}
	}
	s.now = s.now[:0]
}

// drop forgets a read-out that broke off: the next one has all of it again.
func (s *store) drop() { s.now = s.now[:0] }

// tell emits a reading, unless it is too old to be of this bed.
func (s *store) tell(r reading) bool {
	o := protocol.Observation{Code: s.code, Unit: "mg/dL", Kind: protocol.KindNumeric, Quality: r.quality, Value: r.value}
	if r.at != 0 {
		o.DeviceTime = time.Unix(r.at, 0).UTC()
	}
	age := time.Duration(s.clock-r.at) * time.Second
	switch {
	case r.at == 0 || s.clock == 0 || age < -time.Minute || s.clock-r.at > 1<<32:
		if r.at != 0 && s.newest-r.at > int64(history/time.Second) {
			return false
		}
		o.Quality = protocol.QualityUnknown // of some time ago, nobody knows when
	case age > history:
		return false
	default:
		o.Delay = max(age, 0)
	}
	s.emit(o)
	return true
}

// identify emits an identity when it is new.
func (s *store) identify(code protocol.Code, was *string, text string) {
	if text = strings.TrimSpace(text); text == "" || text == *was {
		return
	}
	*was = text
	s.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: strings.ToValidUTF8(text, "?")})
}

// core is what the decoders share.
type core struct {
	framer framer.Framer
	store
}

// Decode implements drivers.Decoder.
func (d *core) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *core) Stats() drivers.Stats { return d.framer.Stats() }

// milligrams gives a value in mg/dL.
func milligrams(v protocol.Decimal, unit protocol.Unit) (protocol.Decimal, bool) {
	return protocol.Convert(v, unit, "mg/dL")
}

var codes = []protocol.Code{protocol.Glucose, protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware}
