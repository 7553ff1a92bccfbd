package phd

import (
	"bytes"
	"encoding/binary"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/ledger"
	"monitorme/protocol"
)

// maxKept bounds the events that wait until the device's clock is known.
const maxKept = 32

// A decoder finds the APDUs of a device. With a session it is one side of a
// conversation; without one it reads a recording.
type decoder struct {
	framer framer.Framer
	agent  agent
	heard  func(heard) // for a session, after what was emitted; may be nil

	keep  bool // events wait until the clock is known
	kept  []keptEvent
	begun bool // an APDU is not whole
	stale bool // and its rest will not come
}

// A heard is what a session hears of the device.
type heard struct {
	kind       uint16
	request    association // of an association request
	message    message     // of a data APDU
	understood bool
	kept       bool // an event that waits: it is heard again when its values were emitted
}

type keptEvent struct {
	apdu []byte
	at   time.Duration
}

func newDecoder(s *Settings) *decoder {
	d := &decoder{agent: agent{settings: s, said: map[protocol.Code]string{}, standing: newStanding(), retell: map[statusKey]bool{}, segments: map[segmentKey]*segment{}, newest: map[series]time.Duration{}, seen: &ledger.Ledger[readingKey]{}}}
	d.framer = framer.Framer{Max: maxAPDU, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.agent.emit = emit
	d.framer.Feed(p)
	d.agent.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame handles the APDU at the start of b: sheet, section "APDUs".
func (d *decoder) frame(b []byte) int {
	n := begins(b)
	stale := d.stale
	d.stale, d.begun = false, n == framer.More && !stale
	if n == framer.More && stale {
		return framer.Skip
	}
	if n <= 0 {
		return n
	}
	h := heard{kind: binary.BigEndian.Uint16(b), understood: true}
	ok := true
	switch b = b[:n]; h.kind {
	case apduAssociate:
		h.request, ok = parseAssociation(b)
	case apduData:
		if h.message, ok = parseMessage(b); ok {
			ok = h.message.valid()
		}
	}
	if !ok {
		return framer.Skip
	}
	d.take(h, b)
	return n
}

// valid reports whether what m carries is well formed.
func (m *message) valid() bool {
	switch {
	case m.event() && m.kind == eventConfig:
		c := cursor{b: m.info}
		c.u16()
		return configuration{}.parse(&c)
	case m.event() && m.kind == eventSegment:
		_, ok := parseSegmentEvent(m.info)
		return ok
	case m.event():
		r, ok := reportOf(m)
		return !ok || r.each(nil)
	case m.service == answerAction && m.kind == actionSegmentInfo:
		return segmentInfo(m.info, nil)
	case m.service == answerAction && m.kind == actionTransfer:
		return len(m.info) == 4
	}
	return true
}

// take acts on an APDU that is well formed.
func (d *decoder) take(h heard, b []byte) {
	a := &d.agent
	if h.kind != apduData {
		d.release()
	}
	switch h.kind {
	case apduAssociate:
		a.associate(h.request)
	case apduAbort:
		a.aborted(binary.BigEndian.Uint16(b[4:]))
	case apduData:
		if m := &h.message; m.event() && m.kind != eventConfig && d.keep {
			if len(d.kept) < maxKept {
				d.kept = append(d.kept, keptEvent{bytes.Clone(b), a.clocks.now})
				h.kept = true
				break
			}
			d.release()
		}
		h.understood = d.act(&h.message, 0)
		if a.clocks.asked {
			d.release()
		}
	}
	if d.heard != nil {
		d.heard(h)
	}
}

// act emits what a message brings, and says whether it was understood.
func (d *decoder) act(m *message, kept time.Duration) bool {
	a := &d.agent
	switch {
	case m.event() && m.kind == eventConfig:
		return a.configure(m)
	case m.event() && a.config == nil:
		return false
	case m.event() && m.kind == eventSegment:
		return a.recall(m)
	case m.event():
		r, ok := reportOf(m)
		if !ok {
			return false
		}
		a.regain()
		a.scan(m, r, kept)
	case m.service == answerGet:
		a.attributes(m)
	case m.service == answerAction && m.kind == actionSegmentInfo:
		a.learn(m)
	}
	return true
}

// release looks at the events that were kept.
func (d *decoder) release() {
	d.keep = false
	kept := d.kept
	d.kept = nil
	for _, k := range kept {
		m, _ := parseMessage(k.apdu)
		h := heard{kind: apduData, message: m}
		h.understood = d.act(&h.message, d.agent.clocks.now-k.at)
		if d.heard != nil {
			d.heard(h)
		}
	}
}
