package zephyr

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// patience is how long a belt goes on without any message of the host.
const patience = 10 * time.Second

// playing is one simulated belt.
type playing struct {
	patient drivers.Patient
	on      map[byte]bool // messages that are switched on
	heardAt time.Time
	numbers map[byte]byte // of messages, by id
	beat    float64       // beats so far
	sign    int
	rr      int
	stamps  [15]uint16
}

// simulateHarness plays a BioHarness for the patient at the far end of wire
// until ctx ends or the wire fails.
func simulateHarness(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	p := &playing{patient: patient, on: map[byte]bool{}, numbers: map[byte]byte{}, sign: 1}
	var out []byte
	var now time.Time
	heard := framer.Framer{Max: maxData + overhead, Frame: func(b []byte) int {
		if b[0] != stx || len(b) >= 3 && b[2] > 8 {
			return framer.Skip
		}
		if len(b) < 3 || len(b) < int(b[2])+overhead {
			return framer.More
		}
		n := int(b[2])
		if b[n+4] != etx || checksum.CRC8Maxim(b[3:n+3]) != b[n+3] {
			return framer.Skip
		}
		p.heardAt = now
		if message := map[byte]byte{setGeneral: general, setBreathing: breathing, setECG: ecg, setIntervals: intervals, setSummary: summary}[b[1]]; message != 0 {
			p.on[message] = n > 0 && b[3] != 0
		}
		out = append(out, stx, b[1], 0, 0, ackEnd)
		return n + overhead
	}}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{
			{Every: 252 * time.Millisecond, Append: p.ecg},
			{Every: 1008 * time.Millisecond, Append: p.breathing},
			{Every: 1008 * time.Millisecond, Append: p.intervals},
			{Every: time.Second, Append: p.summary},
		},
		Answer: func(b, got []byte, at time.Time) []byte {
			out, now = b, at
			heard.Feed(got)
			return out
		},
	})
}

// begin gives a payload of message id with its start, or nil if it is off.
func (p *playing) begin(id byte, at time.Time) []byte {
	if !p.on[id] || at.Sub(p.heardAt) > patience {
		return nil
	}
	data := make([]byte, sizes[id])
	data[0] = p.numbers[id]
	p.numbers[id]++
	t := at.UTC()
	binary.LittleEndian.PutUint16(data[1:], uint16(t.Year()))
	data[3], data[4] = byte(t.Month()), byte(t.Day())
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	binary.LittleEndian.PutUint32(data[5:], uint32(t.Sub(midnight).Milliseconds()))
	return data
}

func send(b []byte, id byte, data []byte) []byte {
	b = append(append(b, stx, id, byte(len(data))), data...)
	return append(b, checksum.CRC8Maxim(data), etx)
}

// value is a number of the patient in steps of 10^exp, or otherwise.
func (p *playing) value(c protocol.Code, exp int8, otherwise uint16, at time.Time) uint16 {
	v, ok := p.patient.Numeric(c, at)
	switch {
	case !ok:
		return otherwise
	case otherwise == none: // without a sign
		v = max(v, 0)
	}
	return uint16(int32(math.Round(v * math.Pow10(-int(exp)))))
}

// summary sends message 2B. Off the body the rates go on for what they are
// worth, with no confidence.
func (p *playing) summary(b []byte, at time.Time) []byte {
	data := p.begin(summary, at)
	if data == nil {
		return b
	}
	put := func(at int, v uint16) { binary.LittleEndian.PutUint16(data[at:], v) }
	_, on := p.patient.Numeric(protocol.HeartRate, at)
	data[9], data[29], data[34] = 2, 90, 95
	if !on {
		data[29], data[34] = 0, 0
	}
	put(10, p.value(protocol.HeartRate, 0, 61, at))
	put(12, p.value(protocol.RespirationRate, -1, 102, at))
	put(14, p.value(skin, -1, 0x8000, at))
	put(16, p.value(posture, 0, 0x8000, at))
	put(18, p.value(activity, -2, none, at))
	put(20, p.value(peak, -2, none, at))
	data[24] = byte(p.value(battery, 0, 0x7F, at))
	if put(22, p.value(voltage, -3, 0, at)); on && u16(data, 22) == 0 {
		put(22, 3900)
		data[24] = 80
	}
	put(25, p.value(amplitude, 0, none, at))
	put(27, none)
	put(35, p.value(variation, 0, none, at))
	put(38, none)
	return send(b, summary, data)
}

// pack writes samples around 0 in ten bits each.
func pack(data []byte, samples []float64) {
	for i, s := range samples {
		v := uint32(min(max(math.Round(s)+512, 0), 1023))
		bit := i * 10
		data[bit/8] |= byte(v << (bit % 8))
		if bit/8+1 < len(data) {
			data[bit/8+1] |= byte(v << (bit % 8) >> 8)
		}
	}
}

func (p *playing) wave(b []byte, id byte, code protocol.Code, n int, span time.Duration, scale float64, at time.Time) []byte {
	samples := make([]float64, n)
	if !p.patient.Wave(code, at.Add(-span), float64(n)/span.Seconds(), samples) {
		return b
	}
	data := p.begin(id, at)
	if data == nil {
		return b
	}
	for i := range samples {
		samples[i] *= scale
	}
	pack(data[9:], samples)
	return send(b, id, data)
}

func (p *playing) ecg(b []byte, at time.Time) []byte {
	return p.wave(b, ecg, protocol.ECGLeadII, 63, 252*time.Millisecond, 40, at)
}

func (p *playing) breathing(b []byte, at time.Time) []byte {
	return p.wave(b, breathing, protocol.RespirationWave, 18, 1008*time.Millisecond, 100, at)
}

// intervals sends message 24.
func (p *playing) intervals(b []byte, at time.Time) []byte {
	rr, ok := p.patient.Numeric(interval, at)
	if rate, has := p.patient.Numeric(protocol.HeartRate, at); !ok && has && rate > 0 {
		rr, ok = 60_000/rate, true
	}
	data := p.begin(intervals, at)
	if data == nil || !ok {
		return b
	}
	for i := range 18 {
		if p.beat += 56 / rr; p.beat >= 1 {
			p.beat--
			p.sign, p.rr = -p.sign, int(math.Round(rr))
		}
		binary.LittleEndian.PutUint16(data[9+2*i:], uint16(int16(p.sign*p.rr)))
	}
	return send(b, intervals, data)
}

// simulateHxM plays an HxM.
func simulateHxM(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	p := &playing{patient: patient}
	var count byte
	var clock float64 // ms of the last beat
	start := time.Now()
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
		data := make([]byte, sizes[hxm])
		binary.LittleEndian.PutUint16(data, 9500)
		copy(data[2:], "1A")
		if v, ok := patient.Numeric(battery, at); ok {
			data[8] = byte(math.Round(v))
		} else {
			data[8] = noTrust
		}
		if rate, ok := patient.Numeric(protocol.HeartRate, at); ok && rate > 0 {
			data[9] = byte(min(math.Round(rate), 240))
			rr := 60_000 / rate
			if v, ok := patient.Numeric(interval, at); ok {
				rr = v
			}
			for now := float64(at.Sub(start).Milliseconds()); clock+rr <= now; {
				clock += math.Round(rr)
				count++
				copy(p.stamps[1:], p.stamps[:14])
				p.stamps[0] = uint16(int64(clock))
			}
		}
		data[10] = count
		for i, s := range p.stamps {
			binary.LittleEndian.PutUint16(data[11+2*i:], s)
		}
		return send(b, hxm, data)
	}}}})
}
