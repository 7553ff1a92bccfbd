// Package healthypi is the driver of ProtoCentral HealthyPi boards, versions 3
// and 4. docs/devices/healthypi.md describes them and says what is made of
// them. It sends nothing.
package healthypi

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

var (
	rate    = protocol.MustCode("MDC_TTHOR_RESP_RATE")
	skin    = protocol.MustCode("MDC_TEMP_SKIN")
	ecg     = protocol.MustCode("MONITORME_WAVE_ECG_OWN_SCALE")
	breaths = protocol.MustCode("MONITORME_WAVE_BREATHING")
)

// Driver is for both versions.
var Driver = drivers.Driver{
	Name:    "healthypi",
	Title:   "ProtoCentral HealthyPi boards",
	Models:  []string{"HealthyPi v3", "HealthyPi v4"},
	Sheet:   "docs/devices/healthypi.md",
	Line:    drivers.Line{Baud: 115200},
	Silence: 5 * time.Second,
	Codes: []protocol.Code{protocol.HeartRate, rate, protocol.SpO2, skin, ecg, breaths,
		protocol.IdentityModel, protocol.EventLeadsOff},
	NewDecoder: newDecoder,
	Run:        drivers.Listen(newDecoder),
	Simulate:   simulate,
}

const (
	packetLen = 27
	run       = 5   // packets in a row are believed: there is no checksum
	perSecond = 125 // packets
	blockLen  = 25  // a fifth of a second
	leadsOff  = 0x1F
)

var head = [...]byte{0x0A, 0xFA, 20, 0, 2}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	told   bool
	locked bool
	off    bool
	turns  int // packets since numbers were emitted
	drawn  int
	waves  [2][blockLen]int32 // ECG, breathing
}

func newDecoder() drivers.Decoder {
	d := &decoder{turns: perSecond}
	d.framer = framer.Framer{Max: run * packetLen, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// begins tells whether a packet stands at the start of b.
func begins(b []byte) int {
	for i := range min(len(b), len(head)) {
		if b[i] != head[i] {
			return framer.Skip
		}
	}
	if len(b) < packetLen {
		return framer.More
	}
	if b[packetLen-2] != 0 || b[packetLen-1] != 0x0B {
		return framer.Skip
	}
	return packetLen
}

func (d *decoder) frame(b []byte) int {
	if n := begins(b); d.locked && n == framer.Skip {
		d.flush()
		d.locked = false
	} else if d.locked && n == framer.More {
		return n
	}
	for i := 0; i < run && !d.locked; i++ {
		rest := b[min(i*packetLen, len(b)):]
		if len(rest) == 0 {
			return framer.More
		}
		if n := begins(rest); n <= 0 {
			return n
		}
	}
	d.locked = true
	d.packet(b[len(head):packetLen])
	return packetLen
}

func (d *decoder) packet(p []byte) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "ProtoCentral HealthyPi"})
	}
	off := p[19]&leadsOff != 0
	if off != d.off {
		d.flush()
		d.off, d.turns = off, perSecond
		e := &protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.HeartRate, Text: "ECG leads off"}
		if off {
			e.Phase = protocol.PhaseStart
		}
		d.emit(protocol.Observation{Code: protocol.EventLeadsOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: e})
	}
	d.waves[0][d.drawn] = int32(int16(binary.LittleEndian.Uint16(p)))
	d.waves[1][d.drawn] = int32(int16(binary.LittleEndian.Uint16(p[2:])))
	if off {
		d.waves[0][d.drawn], d.waves[1][d.drawn] = protocol.NoSample, protocol.NoSample
	}
	if d.drawn++; d.drawn == blockLen {
		d.flush()
	}
	if d.turns++; d.turns >= perSecond {
		d.turns = 0
		d.numbers(p)
	}
}

// numbers emits the values; the two that the board calls blood pressure are
// constants of its firmware and none.
func (d *decoder) numbers(p []byte) {
	electrodes := protocol.QualityGood
	if d.off {
		electrodes = protocol.QualitySensorOff
	}
	d.number(protocol.HeartRate, "/min", protocol.Int(int64(p[16])), electrodes)
	d.number(rate, "/min", protocol.Int(int64(p[14])), electrodes)
	d.number(protocol.SpO2, "%", protocol.Int(int64(p[15])), protocol.QualityGood)
	warmth := protocol.Dec(int64(binary.LittleEndian.Uint16(p[12:])), -2)
	q := protocol.QualityGood
	if warmth.Mantissa < 1000 || warmth.Mantissa > 4500 {
		q = protocol.QualityInvalid
	}
	d.number(skin, "Cel", warmth, q)
}

// number emits a number; 0 is none.
func (d *decoder) number(code protocol.Code, unit protocol.Unit, v protocol.Decimal, q protocol.Quality) {
	if v.Mantissa == 0 && q != protocol.QualitySensorOff {
		q = protocol.QualityMissing
	}
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: q}
	if q.HasNumber() || q == protocol.QualityInvalid {
		o.Value = v
	}
	d.emit(o)
}

// flush emits the samples collected so far.
func (d *decoder) flush() {
	n := d.drawn
	if d.drawn = 0; n == 0 {
		return
	}
	q := protocol.QualityGood
	if d.off {
		q = protocol.QualitySensorOff
	}
	for i, code := range [...]protocol.Code{ecg, breaths} {
		d.emit(protocol.Observation{Code: code, Unit: "1", Kind: protocol.KindSamples, Quality: q, Delay: time.Duration(n-1) * time.Second / perSecond,
			Samples: &protocol.Samples{RateMilliHz: perSecond * 1000, Scale: protocol.Int(1), Offset: protocol.Int(0), Raw: slices.Clone(d.waves[i][:n])}})
	}
}

// appendPacket appends a packet; HR, RR, SpO2 and temperature of 0 are none.
func appendPacket(b []byte, ecg, resp int16, warmth uint16, rr, spo2, hr, status byte) []byte {
	le := binary.LittleEndian
	b = append(b, head[:]...)
	b = le.AppendUint16(b, uint16(ecg))
	b = le.AppendUint16(b, uint16(resp))
	b = le.AppendUint32(b, 250000)
	b = le.AppendUint32(b, 251000)
	b = le.AppendUint16(b, warmth)
	return append(b, rr, spo2, hr, 80, 120, status, 0, 0x0B)
}

func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second / perSecond, Append: func(b []byte, at time.Time) []byte {
		value := func(code protocol.Code, factor float64) uint16 {
			v, _ := patient.Numeric(code, at)
			return uint16(math.Round(min(max(v*factor, 0), 65535)))
		}
		var e, r [1]float64
		status := byte(0)
		if !patient.Wave(protocol.MustCode("MDC_ECG_ELEC_POTL"), at, perSecond, e[:]) {
			status = 5
		}
		patient.Wave(breaths, at, perSecond, r[:])
		hr, rr := byte(value(protocol.HeartRate, 1)), byte(value(rate, 1))
		if hr == 0 {
			status = 5
		}
		if status != 0 {
			e[0], r[0], hr, rr = 0, 0, 0, 0
		}
		return appendPacket(b, int16(e[0]*1000), int16(r[0]*100), value(skin, 100), rr, byte(value(protocol.SpO2, 1)), hr, status)
	}}}})
}
