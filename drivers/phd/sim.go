package phd

import (
	"context"
	"encoding/binary"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
)

// Kind is what a simulated device measures.
type Kind uint8

const (
	Oximeter     Kind = iota // streams each second, with an extended configuration
	Cuff                     // associates for each measurement, with a standard configuration
	Thermometer              // the same, with an extended one
	GlucoseMeter             // stays associated, and has a memory
)

// A Device plays a device. The zero value is an oximeter with bad habits: now
// and then it loses an answer and gives the association up, or breaks it off.
type Device struct {
	Kind Kind
	// Every is how often it measures; 0 is usual for the kind.
	Every time.Duration
	// Mute keeps a standard configuration back though the manager wants to see it.
	Mute bool
	// Person makes the reports those of a device for several persons.
	Person uint16
}

// What a device waits for.
const (
	simAssociation = 10 * time.Second
	simAnswer      = 3 * time.Second
	simRest        = 2 * time.Second
	simTries       = 3
	simSlow        = -37 * time.Minute // its clock is wrong
	breakOffAt     = 300               // a streaming device gives up after so many reports
	loseAnswerAt   = breakOffAt / 2    // and loses an answer between
)

type simState uint8

const (
	simIdle simState = iota
	simAssociating
	simConfiguring
	simOperating
)

// A simulation is a device that is being played.
type simulation struct {
	Device
	model       model
	patient     drivers.Patient
	hears       framer.Framer
	state       simState
	next        time.Time // what is due in the state
	tries       int
	invoke      uint16
	report      []byte // not confirmed yet
	unconfirmed []byte // what it reports, also of an association before
	reports     int
	total       int
	lost        int // the report whose answer was lost
	now         time.Time
	out         []byte
	started     time.Time
	taken       []stored
	pieces      [][]byte // of the memory, to be sent one after another
}

// A stored is a reading in the memory.
type stored struct {
	at    time.Time
	value []byte
}

// Simulate plays the device for the patient.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	s := &simulation{Device: d, model: models[d.Kind], patient: patient}
	if s.Every == 0 {
		s.Every = s.model.every
	}
	s.hears = framer.Framer{Max: maxAPDU, Frame: s.frame}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
			s.now, s.out = at, b
			s.tick()
			return s.out
		}}},
		Answer: func(b, p []byte, at time.Time) []byte {
			s.now, s.out = at, b
			s.hears.Feed(p)
			return s.out
		},
	})
}

func (s *simulation) send(b []byte) { s.out = append(s.out, b...) }

// clock is the device's own time.
func (s *simulation) clock(at time.Time) []byte { return bcdTime(at.Add(simSlow).UTC()) }

func bcdTime(t time.Time) []byte {
	var b []byte
	for _, v := range []int{t.Year() / 100, t.Year() % 100, int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 10_000_000} {
		b = append(b, byte(v/10<<4|v%10))
	}
	return b
}

// tick does what is due.
func (s *simulation) tick() {
	if s.started.IsZero() {
		s.started = s.now
		s.remember()
	}
	if s.now.Before(s.next) {
		return
	}
	switch s.state {
	case simIdle:
		s.state, s.tries = simAssociating, 1
		s.next = s.now.Add(simAssociation)
		s.send(s.request())
	case simAssociating:
		if s.tries++; s.tries > simTries {
			s.idle(simAssociation)
			return
		}
		s.next = s.now.Add(simAssociation)
		s.send(s.request())
	case simConfiguring:
		s.breakOff(abortConfigTimeout)
	case simOperating:
		switch {
		case s.report != nil:
			s.breakOff(abortResponseTimeout)
		case s.model.episodic && s.reports > 0:
			s.send(short(apduRelease, 0))
			s.idle(s.Every)
		case s.model.streams && s.reports > 0 && s.total%breakOffAt == 0:
			s.breakOff(abortUndefined)
		default:
			s.measure()
		}
	}
}

func (s *simulation) idle(d time.Duration) {
	s.state, s.next, s.reports, s.pieces = simIdle, s.now.Add(d), 0, nil
}

func (s *simulation) breakOff(reason int) {
	s.send(short(apduAbort, reason))
	s.idle(simRest)
}

// request is the association request.
func (s *simulation) request() []byte {
	info := []byte{0x80, 0, 0, 0, 0xA0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0}
	info = append(info, octets(simID)...)
	info = u16(info, int(s.model.id))
	info = append(info, 0, 1, 1, 0, 0, 0, 0, 0) // it sends by itself; no options
	list := listOf(append(u16(nil, protocolID), octets(info)...))
	return append(u16(u16(nil, apduAssociate), 4+len(list)), append([]byte{0x80, 0, 0, 0}, list...)...)
}

var simID = []byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}

// event is a confirmed event report.
func (s *simulation) event(handle uint16, kind int, info []byte) []byte {
	s.invoke++
	b := u16(nil, int(handle))
	b = append(b, 0xFF, 0xFF, 0xFF, 0xFF)
	return dataAPDU(s.invoke, serviceConfirmedEvent, append(u16(b, kind), octets(info)...))
}

// measure sends a report, the last one again if nobody has confirmed it.
func (s *simulation) measure() {
	if s.unconfirmed == nil {
		s.total++
		s.unconfirmed = s.scan()
	}
	s.report = s.event(0, s.eventKind(), s.unconfirmed)
	s.send(s.report)
	s.next = s.now.Add(simAnswer)
}

func (s *simulation) eventKind() int {
	if s.Person != 0 {
		return eventFixed + 2
	}
	return eventFixed
}

func (s *simulation) scan() []byte {
	observations := s.model.observe(s)
	list := listOf(observations...)
	if s.Person != 0 {
		list = listOf(append(u16(nil, int(s.Person)), list...))
	}
	return append([]byte{0xF0, 0, byte(s.total >> 8), byte(s.total)}, list...)
}

// observed is one object's part of a fixed report.
func observed(handle int, values ...[]byte) []byte {
	var data []byte
	for _, v := range values {
		data = append(data, v...)
	}
	return append(u16(nil, handle), octets(data)...)
}

// frame handles an APDU of the manager.
func (s *simulation) frame(b []byte) int {
	if b[0] < 0xE3 || b[0] > 0xE7 {
		return framer.Skip
	}
	if len(b) < 4 {
		return framer.More
	}
	n := 4 + int(binary.BigEndian.Uint16(b[2:]))
	if n > maxAPDU {
		return framer.Skip
	}
	if len(b) < n {
		return framer.More
	}
	s.hear(binary.BigEndian.Uint16(b), b[:n])
	return n
}

func (s *simulation) hear(kind uint16, b []byte) {
	switch kind {
	case apduAssociated:
		s.associated(int(binary.BigEndian.Uint16(b[4:])))
	case apduRelease:
		s.send(short(apduReleased, 0))
		s.idle(simRest)
	case apduReleased, apduAbort:
		if s.state != simIdle {
			s.idle(max(simRest, s.pause()))
		}
	case apduData:
		if len(b) < dataHeader {
			return
		}
		c := cursor{b: b[6:]}
		invoke, service := c.u16(), c.u16()
		c.u16()
		switch service {
		case answerEvent, answerError:
			s.confirmed(invoke, c)
		case serviceGet:
			s.send(dataAPDU(invoke, answerGet, append([]byte{0, 0}, s.attributes()...)))
		case serviceConfirmedAction:
			s.action(invoke, c)
		}
	}
}

// pause is how long the device rests after a release.
func (s *simulation) pause() time.Duration {
	if s.model.episodic {
		return s.Every
	}
	return simRest
}

func (s *simulation) associated(result int) {
	switch {
	case s.state != simAssociating:
		s.breakOff(abortUndefined)
	case result == resultAccepted:
		s.operate()
	case result == resultUnknownConfig:
		s.state, s.next = simConfiguring, s.now.Add(simAssociation)
		if !s.Mute {
			s.report = s.event(0, eventConfig, append(u16(nil, int(s.model.id)), listOf(s.model.objects...)...))
			s.send(s.report)
		}
	default:
		s.idle(simAssociation)
	}
}

func (s *simulation) operate() {
	s.state, s.next, s.report = simOperating, s.now, nil
}

// confirmed takes the answer to an event in.
func (s *simulation) confirmed(invoke uint16, c cursor) {
	if invoke != s.invoke || s.report == nil {
		return
	}
	switch {
	case s.state == simConfiguring:
		c.bytes(12)
		if accepted := c.u16() == 0; accepted && !c.short {
			s.operate()
		}
	case s.state != simOperating:
	case s.model.streams && s.total%breakOffAt == loseAnswerAt && s.lost != s.total:
		s.lost = s.total // this answer
	case len(s.pieces) > 0:
		s.nextPiece()
	default:
		s.report, s.unconfirmed = nil, nil
		s.reports++
		s.next = s.now.Truncate(time.Second).Add(min(s.Every, s.model.stay))
	}
}

// attributes are those of the device as a whole.
func (s *simulation) attributes() []byte {
	since := uint32(s.now.Sub(s.started) / (tick * time.Microsecond))
	spec := func(kind int, text string) []byte { return append(u16(u16(nil, kind), 0), octets([]byte(text))...) }
	all := [][]byte{
		attribute(attrModel, append(octets([]byte("Simulated")), octets([]byte(s.model.name))...)),
		attribute(attrSystemID, octets(simID)),
		attribute(attrProduct, listOf(spec(specSerial, "SIM-0001"), spec(specFirmware, "1.2"))),
		attribute(attrTimeAbsolute, s.clock(s.now)),
		attribute(attrTimeRelative, binary.BigEndian.AppendUint32(nil, since)),
	}
	if level, ok := s.patient.Numeric(batteryLevel, s.now); ok {
		all = append(all, attribute(attrBattery, u16(nil, int(level))))
	}
	return listOf(all...)
}

func attribute(id int, value []byte) []byte { return append(u16(nil, id), octets(value)...) }
