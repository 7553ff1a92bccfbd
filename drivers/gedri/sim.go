package gedri

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated monitor.
type Device struct {
	// Level is its DRI level; 0 is 10. Below 7 it has no extensions 2 and 3,
	// below 10 it tells no alarms.
	Level byte
	// Fast is a line of 115200 baud, without a limit of samples.
	Fast bool
	// Cuff is how often the cuff measures; 0 is 5 min.
	Cuff time.Duration
	// WavesEnd is after how long waves stop until they are asked for again, as
	// after a stall of the line; 0 is never.
	WavesEnd time.Duration
}

const (
	blockTime  = 200 * time.Millisecond
	maxSamples = 600 // a second, at 19200 baud
	cuffTakes  = 15 * time.Second
)

// Simulate plays the monitor for the patient at the far end of wire until ctx
// ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.Level == 0 {
		d.Level = 10
	}
	if d.Cuff == 0 {
		d.Cuff = 5 * time.Minute
	}
	p := &playing{Device: d, patient: patient, had: map[int]bool{}, cuffNext: time.Now().Add(-cuffTakes)}
	deframer := deframer{take: p.asked}
	heard := framer.Framer{Max: maxFrame, Frame: deframer.frame}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: blockTime, Append: p.waves}, {Every: time.Second, Append: p.values}, {Every: 2 * time.Second, Append: p.alarms}},
		Answer: func(b, got []byte, at time.Time) []byte {
			p.out, p.now = b, at
			heard.Feed(got)
			return p.out
		},
	})
}

// playing is one Simulate.
type playing struct {
	Device
	patient drivers.Patient
	out     []byte // while it answers
	now     time.Time

	every, wait int // s between displayed values, 0 for none; until the next
	types       []byte
	wavesSince  time.Time
	gap         bool
	telling     bool // of alarms
	told        []shown
	counts      [5]byte
	had         map[int]bool // groups that have had a value, by slot

	cuff      [4]int16
	cuffOn    bool
	cuffTaken time.Time
	cuffNext  time.Time
}

// asked does what the host asks for.
func (p *playing) asked(r []byte) {
	sub := r[headerSize:]
	switch binary.LittleEndian.Uint16(r[14:]) {
	case mainValues:
		seconds := int16(binary.LittleEndian.Uint16(sub[1:]))
		switch sub[0] {
		case displayed:
			if p.every = 0; seconds > 0 {
				p.every, p.wait = max(int(seconds), interval), 0
			}
		case auxiliary:
			p.out = p.auxiliary(p.out)
		}
	case mainWaves:
		p.types, p.gap, p.wavesSince = nil, true, p.now
		for _, t := range sub[4:28] {
			if t == 0xFF || sub[0] != 0 {
				break
			}
			if p.fits(t) {
				p.types = append(p.types, t)
			}
		}
	case mainAlarms:
		if p.Level < alarming {
			return
		}
		p.telling = sub[0] == 2
		if p.telling {
			p.told = p.shown(p.now)
			p.out = p.alarmRecord(p.out, p.now)
		}
	}
}

// fits tells whether another wave fits on the line.
func (p *playing) fits(kind byte) bool {
	if int(kind) >= len(waveTypes) || waveTypes[kind].rate == 0 {
		return false
	}
	total := waveTypes[kind].rate
	for _, t := range p.types {
		total += waveTypes[t].rate
	}
	return p.Fast || total <= maxSamples
}

// header begins a record; its length is set by send.
func (p *playing) header(kind byte, at time.Time) []byte {
	r := make([]byte, headerSize, maxRecord)
	r[2], r[3], r[14] = p.counts[kind], p.Level, kind
	p.counts[kind]++
	binary.LittleEndian.PutUint32(r[6:], uint32(at.Unix()))
	return r
}

// list enters subrecord n of a type, which begins at the end of r.
func list(r []byte, n int, kind byte) {
	binary.LittleEndian.PutUint16(r[16+3*n:], uint16(len(r)-headerSize))
	r[18+3*n] = kind
	if n < 7 {
		r[21+3*n] = 0xFF
	}
}

func send(b, r []byte) []byte {
	binary.LittleEndian.PutUint16(r, uint16(len(r)))
	return appendFrame(b, r)
}

func (p *playing) auxiliary(b []byte) []byte {
	r := p.header(mainValues, p.now)
	list(r, 0, auxiliary)
	sub := make([]byte, auxSize)
	if !p.cuffTaken.IsZero() {
		binary.LittleEndian.PutUint32(sub, uint32(p.cuffTaken.Unix()))
	}
	return send(b, append(r, sub...))
}

func (p *playing) values(b []byte, at time.Time) []byte {
	if p.wait--; p.every == 0 || p.wait > 0 {
		return b
	}
	p.wait = p.every
	r := p.header(mainValues, at)
	for class := range classes {
		if class >= 2 && p.Level < 7 {
			break
		}
		list(r, class, displayed)
		sub := make([]byte, subSize)
		binary.LittleEndian.PutUint32(sub, uint32(at.Unix()))
		binary.LittleEndian.PutUint16(sub[classAt:], uint16(class)<<8|0xA1)
		for i := range groups {
			if groups[i].class == class {
				p.group(&groups[i], sub, at)
			}
		}
		if class == 0 {
			p.measureCuff(sub, at)
			p.measureOutput(sub, at)
		}
		r = append(r, sub...)
	}
	return send(b, r)
}

// labels of the groups, by place; all are of the basic class.
var labels = map[int]uint16{4: 2<<8 | 7<<4 | 1, 20: 1, 34: 2, 48: 3, 62: 7, 90: 15, 98: 7, 106: 4, 114: 12, 170: 6, 244: 9, 258: 4}

// likely are signs that a patient may have under another name.
var likely = map[protocol.Code]protocol.Code{
	mdc("TTHOR_RESP_RATE"):   protocol.RespirationRate,
	mdc("TEMP_CORE"):         protocol.BodyTemperature,
	mdc("PRESS_BLD_ART"):     protocol.ABPWave,
	mdc("PRESS_BLD_ART_SYS"): protocol.ABPSystolic, mdc("PRESS_BLD_ART_DIA"): protocol.ABPDiastolic, mdc("PRESS_BLD_ART_MEAN"): protocol.ABPMean,
}

func (p *playing) numeric(c protocol.Code, at time.Time) (float64, bool) {
	v, ok := p.patient.Numeric(c, at)
	if other := likely[c]; !ok && other != 0 {
		return p.patient.Numeric(other, at)
	}
	return v, ok
}

func put(sub []byte, at int, v int16) { binary.LittleEndian.PutUint16(sub[at:], uint16(v)) }

// raw is a number as the monitor sends it.
func raw(v float64, exp int8) int16 {
	if v = math.Round(v * math.Pow10(-int(exp))); v > math.MaxInt16 {
		return above
	}
	return int16(max(v, noNumber+1))
}

func (p *playing) group(g *group, sub []byte, at time.Time) {
	label, status := uint16(0), uint32(0)
	if g.class == 0 {
		label = labels[g.at]
	} else if g.class == 1 && g.name != nil && len(g.fields) == 4 {
		label = 11 // P3, P4 and so on, each its own
		if g.at == 96 {
			label = 12
		}
	} else if g.class == 1 && g.at >= 124 {
		label = uint16(g.at-124)/8 + 17
	}
	if g.at == ecgGroup.at && g.class == 0 {
		status |= 1 << 3 // the source of the rate is the ECG
	}
	some := false
	for i, f := range g.fields {
		code := f.code
		if g.name != nil {
			if c, _ := g.name(status, label, i); c != 0 {
				code = c
			}
		}
		v, ok := p.numeric(code, at)
		n := int16(invalid)
		if ok && code != 0 && code != pulse {
			some = true
			n = p.raw(g, code, v, f.exp, at)
		}
		p.place(g, sub, i, n)
	}
	switch {
	case some:
		status |= hasModule | isActive
		p.had[g.slot] = true
	case p.had[g.slot]: // a number stays where it was, but is not active
		status |= hasModule
		p.place(g, sub, 0, 55)
	}
	if g.at == ecgGroup.at && g.class == 0 && !some {
		status |= 1 << 11
	}
	if len(g.fields) > 0 && g.at != 204 {
		binary.LittleEndian.PutUint32(sub[g.at:], status)
		binary.LittleEndian.PutUint16(sub[g.at+4:], label)
	}
}

func (p *playing) raw(g *group, code protocol.Code, v float64, exp int8, at time.Time) int16 {
	if code != endTidal && code != inspired {
		return raw(v, exp)
	}
	amb, ok := p.numeric(ambient, at)
	if !ok {
		amb = 760
	}
	return raw(v/amb*100, -2)
}

// place puts field i where the monitor has it; some share their place.
func (p *playing) place(g *group, sub []byte, i int, n int16) {
	f := g.fields[i]
	switch {
	case f.at == 10 && i == 5: // the pulse of the ECG group
	case f.at == 10 && g.class == 0:
		put(sub, 10, n)
		put(sub, 230, n)
	case f.at == 228 && i == 1:
		if n < 0 {
			n = 15
		}
		put(sub, 228, n<<5|31)
	case f.at == 228:
	default:
		put(sub, f.at, n)
	}
}

// measureCuff plays a cuff that measures by itself.
func (p *playing) measureCuff(sub []byte, at time.Time) {
	label := uint16(1 << 3)
	if !at.Before(p.cuffNext.Add(cuffTakes)) {
		p.cuffNext, p.cuffTaken, p.cuffOn = p.cuffNext.Add(p.Cuff), at, false
		for i, f := range cuffFields {
			v, ok := p.numeric(f.code, at)
			p.cuff[i] = invalid
			if ok {
				p.cuff[i], p.cuffOn = raw(v, f.exp), true
			}
		}
	} else if !at.Before(p.cuffNext) {
		label |= 1 << 5
	}
	if at.Sub(p.cuffTaken) > time.Minute {
		label |= 1 << 8
	}
	status := uint32(0)
	if _, ok := p.numeric(protocol.NIBPSystolic, at); ok && p.cuffOn {
		status = hasModule | isActive
	}
	binary.LittleEndian.PutUint32(sub[76:], status)
	binary.LittleEndian.PutUint16(sub[80:], label)
	for i, f := range cuffFields {
		put(sub, f.at, p.cuff[i])
	}
}

// measureOutput plays continuous cardiac output.
func (p *playing) measureOutput(sub []byte, at time.Time) {
	put(sub, 210, invalid)
	put(sub, 216, invalid)
	status := uint32(0)
	if v, ok := p.numeric(continuousFields[0].code, at); ok {
		status = hasModule | isActive
		put(sub, 210, raw(v, -3))
	}
	binary.LittleEndian.PutUint32(sub[204:], status)
	binary.LittleEndian.PutUint16(sub[208:], continuous<<2)
}
