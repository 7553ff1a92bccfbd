package intellivue

import (
	"context"
	"encoding/binary"
	"math"
	"time"
	"unicode/utf16"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
)

// A Device is a simulated monitor. Its zero value is an MX450 at a serial line,
// with heart rate, oximetry, respiration, cuff, arterial line and core
// temperature, and the waves that the host asks for.
type Device struct {
	CuffEvery time.Duration // 0 is 15 min
	Demo      bool          // it is in demonstration mode
	OldPolls  bool          // it knows single polls only
	Network   bool          // PDUs without frames
	MTU       int           // the longest PDU it sends; 0 is 996
}

const (
	simTick    = 256 * time.Millisecond
	simTimeout = 10 * time.Second
	bootTicks  = 0x00200000 // the monitor has been on for a while
)

// A subscription is an extended poll that the simulator goes on answering.
type subscription struct {
	invoke, number, class, group, sequence uint16
	until                                  time.Time
}

// playing is one Simulate.
type playing struct {
	Device
	patient drivers.Patient
	framer  framer.Framer
	start   time.Time
	ticks   int

	out        []byte
	at         time.Time
	associated bool
	created    bool // and confirmed
	asked      int  // times that it was told
	heardAt    time.Time
	streams    []*subscription
	waves      []uint32

	cuffAt time.Time
	cuff   [3]simNumber
}

// Simulate plays d for the patient at the far end of wire until ctx ends or
// the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.CuffEvery == 0 {
		d.CuffEvery = 15 * time.Minute
	}
	if d.MTU == 0 {
		d.MTU = 996
	}
	now := time.Now()
	p := &playing{Device: d, patient: patient, start: now, at: now}
	p.inflate()
	p.framer = framer.Framer{Max: maxFrame, Frame: (&serial{take: p.hear}).frame}
	if d.Network {
		p.framer = framer.Framer{Max: maxPDU, Frame: datagrams(p.hear)}
	}
	return play.Run(ctx, wire, play.Device{
		Parts:  []play.Part{{Every: simTick, First: simTick, Append: p.tick}},
		Answer: p.answer,
	})
}

func (p *playing) answer(b, heard []byte, at time.Time) []byte {
	p.out, p.at = b, at
	p.framer.Feed(heard)
	return p.out
}

// say sends a PDU.
func (p *playing) say(pdu []byte) {
	if p.Network {
		p.out = append(p.out, pdu...)
	} else {
		p.out = appendFrame(p.out, pdu)
	}
}

// now is the RelativeTime.
func (p *playing) now() uint32 {
	d := p.at.Sub(p.start)
	return bootTicks + uint32(d/time.Second)*ticksPerSecond + uint32(d%time.Second*ticksPerSecond/time.Second)
}

// tick is what happens by itself.
func (p *playing) tick(b []byte, at time.Time) []byte {
	p.out, p.at = b, at
	p.ticks++
	if at.Sub(p.cuffAt) >= p.CuffEvery {
		p.inflate()
	}
	if !p.associated {
		return p.out
	}
	if at.Sub(p.heardAt) >= simTimeout || p.asked > 3 {
		p.end()
		p.say(abort)
		return p.out
	}
	if !p.created && p.ticks%12 == 0 {
		p.create()
	}
	for i := 0; i < len(p.streams); i++ {
		s := p.streams[i]
		if at.After(s.until) {
			p.streams = append(p.streams[:i], p.streams[i+1:]...)
			i--
			continue
		}
		if s.class == classWave || p.ticks%4 == 0 {
			p.stream(s)
		}
	}
	return p.out
}

func (p *playing) end() {
	p.associated, p.created, p.asked, p.streams = false, false, 0, nil
}

// hear takes a PDU of the host.
func (p *playing) hear(pdu []byte) {
	p.heardAt = p.at
	switch pdu[0] {
	case pduAssociate:
		if p.associated {
			p.end()
			p.say(abort)
			return
		}
		wanted, _ := parseAssociation(pdu)
		granted := profile{system: systemServer, period: wanted.period, mtu: uint32(p.MTU), options: wanted.options}
		if p.OldPolls {
			granted.options = 0
		}
		p.associated = true
		p.say(associatePDU(pduAssociated, associatedPresentation, granted))
		p.create()
	case pduRelease:
		p.end()
		p.say(releaseResponse)
	case pduAbort:
		p.end()
	case pduData:
		if m, ok := parseMessage(pdu); ok && p.associated {
			p.request(m)
		}
	}
}

// create tells the host that there is a monitor.
func (p *playing) create() {
	p.asked++
	data := append(mdsObject[:], p.system()...)
	body := append(mdsObject[:], 0, 0, 0, 0)
	binary.BigEndian.PutUint32(body[6:], p.now())
	body = append(appendFields(body, eventMDSCreated, uint16(len(data))), data...)
	p.say(appendOp(nil, opInvoke, 1, commandConfirmedEvent, body))
}

// request answers an operation.
func (p *playing) request(m message) {
	if m.op == opResult {
		p.created, p.asked = true, 0
		return
	}
	if m.op != opInvoke || !p.created {
		return
	}
	c := cursor{b: m.body}
	c.bytes(10)
	switch m.command {
	case commandAction:
		kind := c.u16()
		data := cursor{b: c.bytes(int(c.u16()))}
		s := &subscription{invoke: m.invoke, number: data.u16()}
		data.u16()
		s.class, s.group = data.u16(), data.u16()
		if kind == actionPoll {
			p.result(s, actionPoll)
			return
		}
		if p.OldPolls {
			p.say(appendOp(nil, opError, m.invoke, 9, nil))
			return
		}
		data.attributes(func(id uint16, v []byte) {
			if id == attrPollPeriod && len(v) == 4 {
				s.until = p.at.Add(time.Duration(binary.BigEndian.Uint32(v)/ticksPerSecond) * time.Second)
			}
		})
		p.subscribe(s)
	case commandConfirmedSet:
		_, list := c.list()
		if operator, id := list.u16(), list.u16(); operator == 0 && id == attrWaveList {
			value := cursor{b: list.bytes(int(list.u16()))}
			count, items := value.list()
			p.waves = p.waves[:0]
			for range count {
				p.waves = append(p.waves, items.u32())
			}
		}
		p.list(m)
	case commandGet:
		p.list(m)
	}
}

// list answers with the wave list.
func (p *playing) list(m message) {
	value := appendLabels(nil, p.waves)
	p.say(appendOp(nil, opResult, m.invoke, m.command, append(mdsObject[:], attributes(1, attribute(attrWaveList, value))...)))
}

// subscribe begins a stream in the place of another one of its class.
func (p *playing) subscribe(s *subscription) {
	for i, other := range p.streams {
		if other.class == s.class {
			p.streams = append(p.streams[:i], p.streams[i+1:]...)
			break
		}
	}
	p.streams = append(p.streams, s)
	p.stream(s)
}

func (p *playing) stream(s *subscription) {
	p.result(s, actionExtendedPoll)
	s.sequence++
}

// simContext is the measurement server in which all objects are.
const simContext = 1

// result sends what a poll asks for: in one result, or where that is longer
// than the MTU in linked ones and an empty one at the end.
func (p *playing) result(s *subscription, kind uint16) {
	objects := p.objects(s, kind == actionPoll || s.sequence%60 < 2)
	const around = 8 + 8 + 10 + 20 + 16 // bytes around the objects
	var parts [][][]byte
	size := p.MTU
	for _, o := range objects {
		if size+len(o) > p.MTU-around {
			parts, size = append(parts, nil), 0
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], o)
		size += len(o)
	}
	switch len(parts) {
	case 0:
		p.say(appendOp(nil, opResult, s.invoke, commandAction, p.part(s, kind, nil)))
		return
	case 1:
		p.say(appendOp(nil, opResult, s.invoke, commandAction, p.part(s, kind, parts[0])))
		return
	}
	for i, part := range parts {
		state := byte(2)
		switch i {
		case 0:
			state = 1
		case len(parts) - 1:
			state = 3
		}
		p.say(appendLinked(state, byte(i+1), s.invoke, p.part(s, kind, part)))
	}
	p.say(appendOp(nil, opResult, s.invoke, commandAction, p.part(s, kind, nil)))
}

// appendLinked is appendOp for a part of a result.
func appendLinked(state, count byte, invoke uint16, body []byte) []byte {
	b := []byte{pduData, 0, 0, presentationID}
	b = append(appendFields(b, opLinked, uint16(8+len(body))), state, count)
	return append(appendFields(b, invoke, commandAction, uint16(len(body))), body...)
}

// part is the body of a result with some objects.
func (p *playing) part(s *subscription, kind uint16, objects [][]byte) []byte {
	data := appendFields(nil, s.number)
	if kind == actionExtendedPoll {
		data = appendFields(data, s.sequence)
	}
	data = append(binary.BigEndian.AppendUint32(data, p.now()), notFilledIn[:]...)
	data = appendFields(data, 1, s.class, s.group)
	var all []byte
	for _, o := range objects {
		all = append(all, o...)
	}
	if len(objects) == 0 {
		data = appendFields(data, 0, 0)
	} else {
		data = appendFields(data, 1, uint16(6+len(all)), simContext, uint16(len(objects)), uint16(len(all)))
	}
	data = append(data, all...)
	return append(appendFields(mdsObject[:], kind, uint16(len(data))), data...)
}

// objects are what a poll asks for, each with its handle.
func (p *playing) objects(s *subscription, described bool) [][]byte {
	switch s.class {
	case classNumeric:
		return p.numerics(described)
	case classWave:
		return p.drawn(s.sequence > 0, described)
	case classAlarms:
		if s.group != groupStatic {
			return [][]byte{p.alarmed()}
		}
	case classMDS:
		if s.group == groupProduct {
			return [][]byte{appendObject(0, p.product())}
		}
		return [][]byte{appendObject(0, p.system())}
	}
	return nil
}

// system is what the monitor says of itself.
func (p *playing) system() []byte {
	mode := uint16(modeMonitoring)
	if p.Demo {
		mode |= modeDemo
	}
	return attributes(5,
		attribute(attrModel, appendLabel8(appendLabel8(nil, "Philips"), "MX450")),
		attribute(attrSystemID, []byte{0, 6, 0, 9, 0xFB, 0x12, 0x34, 0x56}),
		attribute(attrTimeAbsolute, appendAbsolute(nil, p.at)),
		attribute(attrTimeRelative, binary.BigEndian.AppendUint32(nil, p.now())),
		attribute(attrMode, appendFields(nil, mode)))
}

func (p *playing) product() []byte {
	specs := appendLabel8(appendFields(nil, specSerial, 0), "DE65528914")
	specs = appendLabel8(appendFields(specs, specSoftware, 0), "M.00.03")
	return attributes(1, attribute(attrProduct, append(appendFields(nil, 2, uint16(len(specs))), specs...)))
}

// attribute is one entry of an AttributeList.
func attribute(id uint16, value []byte) []byte {
	return append(appendFields(nil, id, uint16(len(value))), value...)
}

// attributes is an AttributeList of n entries.
func attributes(n int, all ...[]byte) []byte {
	var b []byte
	for _, a := range all {
		b = append(b, a...)
	}
	return append(appendFields(nil, uint16(n), uint16(len(b))), b...)
}

// appendObject appends an object of a result.
func appendObject(number uint16, list []byte) []byte {
	return append(appendFields(nil, number), list...)
}

func appendLabel8(b []byte, s string) []byte {
	return append(appendFields(b, uint16(len(s))), s...)
}

func appendLabel16(b []byte, s string) []byte {
	units := append(utf16.Encode([]rune(s)), 0)
	return appendFields(appendFields(b, uint16(2*len(units))), units...)
}

func appendAbsolute(b []byte, t time.Time) []byte {
	for _, n := range []int{t.Year() / 100, t.Year() % 100, int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 10_000_000} {
		b = append(b, byte(n/10<<4|n%10))
	}
	return b
}

// float is a FLOAT-Type with exponent -places.
func float(v float64, places int) uint32 {
	return uint32(byte(-places))<<24 | uint32(int32(math.Round(v*math.Pow10(places))))&0xFFFFFF
}

// appendFloat appends a FLOAT-Type.
func appendFloat(b []byte, v float64, places int) []byte {
	if math.IsNaN(v) {
		return binary.BigEndian.AppendUint32(b, floatNaN)
	}
	return binary.BigEndian.AppendUint32(b, float(v, places))
}
