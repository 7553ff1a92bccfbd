package intellivue

import (
	"slices"
	"time"
)

// What the host waits for and how long: docs/devices/intellivue.md, section "Session".
const (
	spacing       = 50 * time.Millisecond // at most 4 frames in 128 ms are allowed
	answerWithin  = 5 * time.Second       // an association request
	createWithin  = 10 * time.Second      // the MDS create event
	afterAbort    = 2 * time.Second
	afterRefusal  = 10 * time.Second
	keepEvery     = 3 * time.Second // the monitor gives a silent host up after 10 s
	systemEvery   = 30 * time.Second
	singleEvery   = time.Second
	pollFor       = 5 * time.Minute
	renewEvery    = 2 * time.Minute
	resultsWithin = 10 * time.Second
	minPollPeriod = 1 * ticksPerSecond
	maxTransfer   = 1400
	maxWaiting    = 16 // requests; more are never due at once
)

type state uint8

const (
	stateClosed state = iota
	stateAsking
	stateCreating
	stateRunning
)

// A session is the host's side of an association. It is pure: it is told of
// PDUs and of the time, and gives PDUs to send.
type session struct {
	wanted  profile
	ask     []byte
	state   state
	until   time.Time // when the state is given up
	granted profile
	single  bool // no extended polls
	asked   int  // wave lists tried

	invoke  uint16
	getting uint16 // invoke id of the last get
	polling uint16 // invoke id of the last extended poll of numerics

	waiting  [][]byte
	sendNext time.Time

	keepNext, systemNext, pollNext, singleNext time.Time
	lastResult                                 time.Time
	renewed                                    int // times that polls were asked for since the last result
}

func newSession(waves bool) *session {
	options := uint32(optionNumerics)
	if waves {
		options |= optionWaves
	}
	wanted := profile{system: systemClient, period: minPollPeriod, mtu: maxTransfer, options: options}
	return &session{wanted: wanted, granted: wanted, ask: associatePDU(pduAssociate, associatePresentation, wanted)}
}

// heard takes in what the monitor has said.
func (s *session) heard(pdu []byte, now time.Time) {
	switch pdu[0] {
	case pduAssociated:
		p, ok := parseAssociation(pdu)
		if !ok { // what was not understood was granted; else the monitor says so
			p = s.wanted
		}
		s.granted, s.single = p, p.options&optionNumerics == 0
		s.enter(stateCreating, now.Add(createWithin))
	case pduRefused:
		s.enter(stateClosed, now.Add(afterRefusal))
	case pduAbort, pduReleased:
		s.enter(stateClosed, now.Add(afterAbort))
	case pduData:
		if m, ok := parseMessage(pdu); ok {
			s.message(m, now)
		}
	}
}

func (s *session) enter(to state, until time.Time) {
	s.state, s.until, s.waiting = to, until, nil
}

func (s *session) message(m message, now time.Time) {
	r, isPoll := m.pollOf()
	switch {
	case s.state == stateClosed:
	case s.creates(m): // also when the answer to the request was lost
		s.send(created(m.invoke))
		if s.state != stateRunning {
			s.begin(now)
		}
	case s.state != stateRunning:
	case m.op == opError && m.invoke == s.polling:
		s.single = true
	case isPoll && r.class == classNumeric:
		s.lastResult, s.renewed = now, 0
	case m.op == opResult && m.invoke == s.getting && m.command == commandGet:
		s.choose(m)
	}
}

// creates reports whether the monitor says that it is there.
func (s *session) creates(m message) bool {
	if m.op != opInvoke || m.command != commandConfirmedEvent {
		return false
	}
	c := cursor{b: m.body}
	c.bytes(10)
	return c.u16() == eventMDSCreated
}

// begin asks for all that is wanted of a new association.
func (s *session) begin(now time.Time) {
	s.state = stateRunning
	s.lastResult, s.renewed, s.asked = now, 0, 0
	s.keepNext, s.singleNext, s.systemNext, s.pollNext = now.Add(keepEvery), now, now.Add(systemEvery), now
	for _, group := range []uint16{groupProduct, groupIdentity, groupSystem} {
		s.send(action(s.next(), numberSystem, classMDS, group, 0))
	}
	if s.wavesGranted() {
		s.getting = s.next()
		s.send(getWaves(s.getting))
	}
}

func (s *session) wavesGranted() bool {
	return !s.single && s.wanted.options&s.granted.options&optionWaves != 0
}

// The waves that are asked for when the monitor has none chosen: the first
// list has the compound ECG, which not all monitors have.
var waveLists = [][]uint32{
	{0x00020100, 0x00024BB4, 0x00025000, 0x00024A14, 0x00024A10, 0x00024A44, 0x00024A1C, 0x000250AC, 0x00025808},
	{0x00020102, 0x00020143, 0x00024BB4, 0x00025000, 0x00024A14, 0x00024A10, 0x00024A44, 0x00024A1C, 0x000250AC, 0x00025808},
}

// choose names waves if none is exported, or no ECG after the first list was set.
func (s *session) choose(m message) {
	labels, ok := parseLabels(m)
	ecg := slices.ContainsFunc(labels, func(l uint32) bool { return l >= 0x00020100 && l < 0x00020200 })
	if !ok || s.asked == len(waveLists) || len(labels) > 0 && (s.asked == 0 || ecg) {
		if s.asked > 0 {
			s.pollNext = time.Time{} // the stream was asked for before there were waves
		}
		return
	}
	s.send(setWaves(s.next(), waveLists[s.asked]))
	s.asked++
	s.getting = s.next()
	s.send(getWaves(s.getting))
}

// Numbers of polls.
const (
	numberNumerics = 0x0101
	numberWaves    = 0x0102
	numberAlarms   = 0x0103
	numberSystem   = 0x0104
	numberKeep     = 0x0801
)

func (s *session) next() uint16 {
	s.invoke++
	if s.invoke == 0 {
		s.invoke = 1
	}
	return s.invoke
}

func (s *session) send(pdu []byte) {
	if len(s.waiting) < maxWaiting {
		s.waiting = append(s.waiting, pdu)
	}
}

// tick does what is due.
func (s *session) tick(now time.Time) {
	if s.state != stateRunning {
		if now.Before(s.until) {
			return
		}
		if s.state == stateCreating {
			s.enter(stateClosed, now.Add(afterAbort))
			s.send(abort)
			return
		}
		s.enter(stateAsking, now.Add(answerWithin))
		s.send(s.ask)
		return
	}
	if now.Sub(s.lastResult) >= resultsWithin {
		if s.renewed > 0 { // asked again, and still nothing
			s.enter(stateClosed, now.Add(afterAbort))
			s.send(abort)
			return
		}
		s.renewed++
		s.lastResult, s.pollNext = now, now
	}
	if due(&s.pollNext, now, renewEvery) && !s.single {
		s.poll()
	}
	if due(&s.systemNext, now, systemEvery) {
		s.send(action(s.next(), numberSystem, classMDS, groupSystem, 0))
	}
	if s.single {
		if due(&s.singleNext, now, singleEvery) {
			s.send(action(s.next(), numberNumerics, classNumeric, groupAll, 0))
			s.send(action(s.next(), numberAlarms, classAlarms, groupAlarms, 0))
		}
	} else if due(&s.keepNext, now, keepEvery) {
		s.send(action(s.next(), numberKeep, classAlarms, groupStatic, 0))
	}
}

// due reports whether t has come, and sets it on.
func due(t *time.Time, now time.Time, every time.Duration) bool {
	if now.Before(*t) {
		return false
	}
	*t = now.Add(every)
	return true
}

// again asks for the streams at once.
func (s *session) again(now time.Time) { s.pollNext = now }

// poll asks for streams. A new one takes the place of an old one, and begins
// with what describes the objects: so what noise has taken away comes again.
func (s *session) poll() {
	period := uint32(pollFor / time.Second * ticksPerSecond)
	s.polling = s.next()
	s.send(action(s.polling, numberNumerics, classNumeric, groupAll, period))
	s.send(action(s.next(), numberAlarms, classAlarms, groupAlarms, period))
	if s.wavesGranted() {
		s.send(action(s.next(), numberWaves, classWave, groupAll, period))
	}
}

// toSend takes the next PDU that may be sent, nil if there is none or it must wait.
func (s *session) toSend(now time.Time) []byte {
	if len(s.waiting) == 0 || now.Before(s.sendNext) {
		return nil
	}
	pdu := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.sendNext = now.Add(spacing)
	return pdu
}

// wake is when tick or toSend is to be called again.
func (s *session) wake() time.Time {
	t := s.until
	if s.state == stateRunning {
		t = s.lastResult.Add(resultsWithin)
		for _, u := range []time.Time{s.pollNext, s.systemNext} {
			if u.Before(t) {
				t = u
			}
		}
		u := s.keepNext
		if s.single {
			u = s.singleNext
		}
		if u.Before(t) {
			t = u
		}
	}
	if len(s.waiting) > 0 && s.sendNext.Before(t) {
		t = s.sendNext
	}
	return t
}

// farewell is what ends the association, nil if there is none. A release is
// heeded only once the MDS create event was confirmed.
func (s *session) farewell() []byte {
	switch s.state {
	case stateRunning:
		return releaseRequest
	case stateCreating:
		return abort
	}
	return nil
}
