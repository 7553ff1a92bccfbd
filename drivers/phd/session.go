package phd

import (
	"bytes"
	"slices"
	"time"

	"monitorme/drivers"
)

// What the manager waits for and how long: sheet, section "Session".
const (
	configWithin   = 10 * time.Second
	answerWithin   = 3 * time.Second
	clockWithin    = 1500 * time.Millisecond // events wait so long for the clock
	restWithin     = 3 * time.Second         // the rest of an APDU
	transferWithin = 30 * time.Second        // the next piece of a segment
	attributesEach = time.Minute
	doubtEach      = 10 * time.Second
	memoryEach     = 5 * time.Minute
	lookEach       = time.Second // so exact is the time of a reading
	lookKeeping    = 250 * time.Millisecond
	maxWaiting     = 256 // APDUs to send; one read brings no more events
)

type state uint8

const (
	unassociated state = iota
	waitingForConfiguration
	operating
)

// A session is the manager's side of a conversation. It is pure, and the Asker
// of the driver: it is told of bytes and of the time, and says what to send.
type session struct {
	*decoder
	settings *Settings
	state    state
	until    time.Duration // when the configuration is not waited for any more
	now      time.Duration
	waiting  [][]byte

	asks   configurationKey          // of the association
	silent map[configurationKey]bool // standard ones that were asked for and not sent

	invoke     uint16
	pending    job // asked, not answered
	asking     bool
	askedUntil time.Duration
	jobs       []job
	nextGet    time.Duration // when to ask for the attributes
	nextRead   time.Duration // and for the memory
	clockUntil time.Duration
	read       map[segmentKey][]byte // what was told of a segment when it was read last
	byteCount  uint64
	byteAt     time.Duration
	frameCount uint64
	frameAt    time.Duration
	quiet      bool   // for long, since frameAt
	lost       string // why there is no association, to be told
}

// A configurationKey is a configuration of a device.
type configurationKey struct {
	device string
	id     uint16
}

// maxSilent bounds the devices of which it is remembered that they do not send
// their configuration.
const maxSilent = 64

// A job is something to ask the device for.
type job struct {
	kind   jobKind
	handle uint16
	number uint16 // of a segment
}

type jobKind uint8

const (
	getAttributes jobKind = iota
	getSegments
	transferSegment
	enableScanner
)

func newSession(s *Settings) *session {
	n := &session{decoder: newDecoder(s), settings: s, silent: map[configurationKey]bool{}, read: map[segmentKey][]byte{}}
	n.decoder.heard = n.hear
	n.agent.clocks.runs = true
	return n
}

// Ask implements drivers.Asker.
func (s *session) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	s.now, s.agent.clocks.now = now, now
	s.tick()
	for _, w := range s.waiting {
		b = append(b, w...)
	}
	s.waiting = s.waiting[:0]
	if s.keep {
		return b, lookKeeping
	}
	return b, lookEach
}

// Decode implements drivers.Decoder; the time is that of the last Ask.
func (s *session) Decode(p []byte, emit drivers.Emit) {
	s.agent.emit = emit
	if len(s.kept) > 0 && (!s.keep || s.now >= s.clockUntil) {
		s.release()
	}
	if s.lost != "" {
		s.agent.lose(s.lost)
		s.lost = ""
	}
	s.decoder.Decode(p, emit)
}

func (s *session) send(b []byte) {
	if len(s.waiting) < maxWaiting {
		s.waiting = append(s.waiting, b)
	}
}

// leave ends the association.
func (s *session) leave() {
	s.state, s.asking, s.jobs, s.keep = unassociated, false, nil, false
}

// abort breaks the association off.
func (s *session) abort(reason int) {
	s.leave()
	if b := short(apduAbort, reason); len(s.waiting) == 0 || !bytes.Equal(s.waiting[len(s.waiting)-1], b) {
		s.send(b)
	}
}

// hear acts on what the device has said, after it was emitted.
func (s *session) hear(h heard) {
	switch h.kind {
	case apduAssociate:
		s.associate(h.request)
	case apduRelease:
		if s.state == unassociated {
			s.abort(abortUndefined)
			return
		}
		s.leave()
		s.send(short(apduReleased, 0))
	case apduAbort:
		s.leave()
	case apduReleased:
		if s.state != unassociated { // nobody has asked for it
			s.abort(abortUndefined)
		}
	case apduData:
		s.message(h)
	}
}

// associate answers a request. It is answered in each state: a device that was
// switched off and on knows nothing of an association before. Of several that
// have waited in the line, the last is answered.
func (s *session) associate(r association) {
	s.leave()
	s.waiting = s.waiting[:0]
	s.asks = configurationKey{r.systemID, r.config}
	result := r.answer()
	switch {
	case result != resultUnknownConfig:
	case s.silent[s.asks]:
		result = resultAccepted
		s.operate()
	default:
		s.state, s.until = waitingForConfiguration, s.now+configWithin
		s.keep, s.clockUntil = s.agent.config != nil, s.until
	}
	s.waiting = slices.Insert(s.waiting, 0, associated(result, r))
}

// operate begins to take values, and asks what the device is and its time.
func (s *session) operate() {
	s.state = operating
	s.keep, s.clockUntil = true, s.now+clockWithin
	s.nextGet, s.nextRead = s.now, s.now
	clear(s.read)
	if s.settings.Scanners {
		for _, h := range s.agent.config.handles(classScanner, classScannerLast) {
			s.jobs = append(s.jobs, job{kind: enableScanner, handle: h})
		}
	}
	s.next()
}

func (s *session) message(h heard) {
	switch m := &h.message; {
	case s.state == unassociated:
		s.abort(abortUndefined)
	case h.kept:
		if s.state == waitingForConfiguration {
			s.operate() // the device takes its standard configuration for known
		}
	case m.event():
		s.event(m, h.understood)
	case m.service >= answerEvent:
		s.answered(m)
	default: // a question of the device
		s.abort(abortUndefined)
	}
}

// event answers an event.
func (s *session) event(m *message, understood bool) {
	if m.kind == eventConfig {
		delete(s.silent, s.asks)
		s.answer(m, append(bytes.Clone(m.info[:2]), 0, 0))
		s.operate()
		return
	}
	switch {
	case s.state == waitingForConfiguration:
		s.abort(abortUndefined)
	case m.kind == eventSegment:
		s.piece(m, understood)
	case understood:
		s.answer(m, nil)
	case m.service == serviceConfirmedEvent:
		s.send(dataAPDU(m.invoke, answerError, []byte{0, errorNotAllowed, 0, 0}))
	}
}

// errorNotAllowed answers an event that is not known.
const errorNotAllowed = 24

// answer confirms an event.
func (s *session) answer(m *message, info []byte) {
	if m.service != serviceConfirmedEvent {
		return
	}
	b := u16(nil, int(m.handle))
	b = append(b, 0, 0, 0, 0)
	b = u16(b, int(m.kind))
	s.send(dataAPDU(m.invoke, answerEvent, append(b, octets(info)...)))
}

// piece confirms a piece of a segment, or tells the device to stop.
func (s *session) piece(m *message, understood bool) {
	e, _ := parseSegmentEvent(m.info)
	info := bytes.Clone(m.info[:descriptionSize])
	status := pieceNotWanted
	if understood {
		status = pieceConfirmed
	}
	info[10], info[11] = byte(status>>8), byte(status)
	s.answer(m, info)
	if !s.asking || s.pending.kind != transferSegment || s.pending.handle != m.handle || s.pending.number != e.number {
		return
	}
	s.askedUntil = s.now + transferWithin
	if !understood || e.status&pieceLast != 0 {
		s.finish(understood)
	}
}

// answered takes in the answer to a question.
func (s *session) answered(m *message) {
	if !s.asking || m.invoke != s.invoke {
		return // it comes too late
	}
	failed := m.service == answerError || m.service == answerReject
	switch p := s.pending; {
	case p.kind == transferSegment && !failed:
		c := cursor{b: m.info}
		c.u16()
		result := c.u16()
		if result == transferGranted {
			s.askedUntil = s.now + transferWithin // pieces come
			return
		}
		s.finish(result == transferNoSegment || result == transferEmpty)
		return
	case p.kind == getSegments && !failed:
		s.choose(m.handle)
	case p.kind == getAttributes && s.keep:
		s.clockUntil = s.now
	}
	s.finish(!failed)
}

// Results of a transfer that was asked for; others may be better later.
const (
	transferGranted   = 0
	transferNoSegment = 1
	transferEmpty     = 3
)

// choose asks for the segments that have changed.
func (s *session) choose(handle uint16) {
	for _, key := range s.agent.memory() {
		g := s.agent.segments[key]
		if key.handle == handle && g.size > 0 && !bytes.Equal(g.info, s.read[key]) {
			s.jobs = append(s.jobs, job{kind: transferSegment, handle: key.handle, number: key.number})
		}
	}
}

// finish ends what was asked for.
func (s *session) finish(done bool) {
	if p := s.pending; done && p.kind == transferSegment {
		key := segmentKey{p.handle, p.number}
		if g := s.agent.segments[key]; g != nil {
			s.read[key] = g.info
		}
	}
	s.asking = false
	s.next()
}

// tick does what is due.
func (s *session) tick() {
	if n := s.Stats().Bytes; n != s.byteCount || !s.begun {
		s.byteCount, s.byteAt = n, s.now
	} else if s.now-s.byteAt >= restWithin {
		s.stale = true
	}
	if n := s.Stats().Frames; n != s.frameCount {
		s.frameCount, s.frameAt, s.quiet = n, s.now, false
	} else if !s.quiet && s.now-s.frameAt >= s.settings.Silence*2/3 { // before the box gives the device up
		s.quiet = true
		s.agent.standAgain()
	}
	switch {
	case s.state == waitingForConfiguration && s.now >= s.until:
		if s.agent.config != nil {
			if len(s.silent) >= maxSilent {
				clear(s.silent)
			}
			s.silent[s.asks] = true
		}
		s.lost = "the device does not send its configuration"
		s.abort(abortConfigTimeout)
	case s.state == operating:
		if s.asking && s.now >= s.askedUntil {
			s.finish(false)
		}
		s.next()
	}
}

// next asks for what is due, if nothing is being asked.
func (s *session) next() {
	if s.state != operating || s.asking {
		return
	}
	doubt := s.agent.clocks.doubts && s.now >= s.nextGet-attributesEach+doubtEach
	switch {
	case s.now >= s.nextGet || doubt:
		s.nextGet, s.agent.clocks.doubts = s.now+attributesEach, false
		s.ask(job{kind: getAttributes})
	case len(s.jobs) > 0:
		j := s.jobs[0]
		s.jobs = s.jobs[1:]
		s.ask(j)
	case s.settings.Memory && s.now >= s.nextRead:
		s.nextRead = s.now + memoryEach
		for _, h := range s.agent.config.handles(classStore, classStore) {
			s.jobs = append(s.jobs, job{kind: getSegments, handle: h})
		}
		if len(s.jobs) > 0 {
			s.next()
		}
	}
}

// ask sends a question. There are no others.
func (s *session) ask(j job) {
	s.invoke++
	s.pending, s.asking, s.askedUntil = j, true, s.now+answerWithin
	b := u16(nil, int(j.handle))
	service := serviceConfirmedAction
	switch j.kind {
	case getAttributes:
		service = serviceGet
		b = append(b, 0, 0, 0, 0) // all
	case getSegments:
		b = append(u16(b, actionSegmentInfo), octets([]byte{0, 1, 0, 2, 0, 0})...) // all
	case transferSegment:
		b = append(u16(b, actionTransfer), octets(u16(nil, int(j.number)))...)
	case enableScanner:
		service = serviceConfirmedSet
		b = append(b, listOf([]byte{0, 0, attrOperational >> 8, attrOperational & 0xFF, 0, 2, 0, 1})...)
	}
	s.send(dataAPDU(s.invoke, service, b))
}

// managerID is the EUI-64 with which the driver answers: one that is
// administered locally.
var managerID = []byte{0x02, 'M', 'O', 'N', 'M', 'E', 0, 1}

// associated answers an association request.
func associated(result int, r association) []byte {
	version := r.protocol & knownVersions
	for v := uint32(1 << 31); v != 0; v >>= 1 {
		if version&v != 0 {
			version = v // the lowest that both know
			break
		}
	}
	if version == 0 {
		version = 1 << 31
	}
	info := u16(u16(nil, int(version>>16)), int(version&0xFFFF))
	info = append(info, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0) // MDER, nomenclature, functional units, manager
	info = append(info, octets(managerID)...)
	info = append(info, make([]byte, 10)...) // configuration, data requests, options
	b := u16(u16(nil, result), protocolID)
	b = append(b, octets(info)...)
	return append(u16(u16(nil, apduAssociated), len(b)), b...)
}

// farewell is what ends the association, nil if there is none.
func (s *session) farewell() []byte {
	if s.state == unassociated {
		return nil
	}
	return short(apduRelease, 0)
}
