package nonin

import (
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

const ack = 0x06

// A Device is a simulated oximeter.
type Device struct {
	// Format is 1, 2, 7, 8 or 13.
	Format int
	// Firmware is its revision; 0 is 19.
	Firmware byte
	// Every is how often a spot check is made in format 13; 0 is 20 s.
	Every time.Duration
}

// frozen is how long the display values stay after the finger has left.
const frozen = 10 * time.Second

// Simulate plays the oximeter for the patient at the far end of wire until ctx
// ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.Firmware == 0 {
		d.Firmware = 19
	}
	if d.Every == 0 {
		d.Every = 20 * time.Second
	}
	p := &playing{Device: d, patient: patient, start: time.Now(), rate: noRate, spo2: noSpO2}
	switch d.Format {
	case 2, 7: // three frames every 40 ms are 75 a second, exactly
		return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: 40 * time.Millisecond, Append: p.frames}}})
	case 1, 8:
		return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second, Append: p.message}}})
	case 13:
		return play.Run(ctx, wire, play.Device{
			Parts: []play.Part{
				{Every: d.Every, First: time.Second, Append: p.measure},
				{Every: 3 * time.Second, First: 4 * time.Second, Append: p.sendAgain},
			},
			Answer: p.acknowledged,
		})
	}
	return fmt.Errorf("data format %d: want 1, 2, 7, 8 or 13", d.Format)
}

// playing is one Simulate.
type playing struct {
	Device
	patient drivers.Patient
	start   time.Time

	rate, spo2 int       // as displayed
	left       time.Time // when the finger left; zero while it is on
	phase      float64   // of the pulse, in beats
	glow       int       // frames that the perfusion bits still shine

	unacked [][]byte // spot checks in memory
}

// look asks the patient; on is false while the finger is out.
func (p *playing) look(at time.Time) (on bool) {
	spo2, on := p.patient.Numeric(protocol.SpO2, at)
	rate, has := p.patient.Numeric(protocol.PulseRate, at)
	if on && has {
		p.left = time.Time{}
		p.spo2 = int(math.Round(min(max(spo2, 0), 100)))
		p.rate = int(math.Round(min(max(rate, 18), 321)))
		return true
	}
	if p.left.IsZero() {
		p.left = at
	}
	if at.Sub(p.left) >= frozen {
		p.rate, p.spo2 = noRate, noSpO2
	}
	return false
}

// frames appends three frames of format 2 or 7.
func (p *playing) frames(b []byte, at time.Time) []byte {
	on := p.look(at)
	var wave [3]float64
	if !p.patient.Wave(protocol.Pleth, at, 75, wave[:]) {
		clear(wave[:])
	}
	n := int64(at.Sub(p.start)/(40*time.Millisecond)) * 3
	for i, v := range wave {
		b = p.frame(b, n+int64(i), min(max(v, 0), 1), on)
	}
	return b
}

func (p *playing) frame(b []byte, n int64, pleth float64, on bool) []byte {
	status := byte(0x80)
	if n%packetFrames == 0 {
		status |= statusSync
	}
	if on {
		if p.phase += float64(p.rate) / 60 / 75; p.phase >= 1 {
			p.phase--
			p.glow = 12
		}
		if p.glow > 0 {
			p.glow--
			status |= 1 << 1 // green
		}
	} else {
		status |= statusAlarm | statusOutOfTrack
	}
	float := p.float(int(n%packetFrames)+1, n, on)
	at := len(b)
	if p.Format == 7 {
		v := uint16(math.Round(pleth * 65535))
		b = append(b, status, byte(v>>8), byte(v), float)
	} else {
		b = append(b, 0x01, status, byte(math.Round(pleth*250)), float)
	}
	return append(b, checksum.Sum8(b[at:]))
}

// float is the byte of numbers of frame k, 1 to 25.
func (p *playing) float(k int, n int64, on bool) byte {
	rate, spo2 := p.rate, p.spo2 // the plain values; they vanish at once
	if !on {
		rate, spo2 = noRate, noSpO2
	}
	timer := n / packetFrames
	switch k {
	case 1, 14:
		return byte(rate >> 7 & 3)
	case 2, 15:
		return byte(rate & 0x7F)
	case 3, 10, 11, 16:
		return byte(spo2)
	case 4:
		return p.Firmware
	case 6:
		return byte(timer >> 7 & 0x7F)
	case 7:
		return byte(timer & 0x7F)
	case 9, 17:
		return byte(p.spo2)
	case 20, 22:
		return byte(p.rate >> 7 & 3)
	case 21, 23:
		return byte(p.rate & 0x7F)
	}
	return 0
}

// message appends a message of format 8 or 1.
func (p *playing) message(b []byte, at time.Time) []byte {
	first, last := byte(0x80), byte(0)
	if !p.look(at) {
		first |= 1<<6 | 1<<5
		last |= 1 << 3
	}
	b = append(b, first|byte(p.rate>>7&3), byte(p.rate&0x7F), byte(p.spo2))
	if p.Format == 8 {
		b = append(b, last)
	}
	return b
}

// measure makes a spot check and sends it. Without a finger the meter says
// that there was no measurement.
func (p *playing) measure(b []byte, at time.Time) []byte {
	msb := byte(2) // SmartPoint
	p.rate, p.spo2 = noRate, noSpO2
	if !p.look(at) {
		p.rate, p.spo2 = noRate, noSpO2
		msb = 1
	}
	t := at.UTC()
	data := []byte{bcd(t.Year() / 100), bcd(t.Year() % 100), bcd(int(t.Month())), bcd(t.Day()), bcd(t.Hour()), bcd(t.Minute()), bcd(t.Second()), bcd(t.Nanosecond() / 10_000_000),
		msb, 0, byte(p.rate >> 8), byte(p.rate), 0, byte(p.spo2)}
	if len(p.unacked) == 20 { // the memory is full: the oldest goes
		p.unacked = p.unacked[1:]
	}
	p.unacked = append(p.unacked, data)
	if len(p.unacked) > 1 {
		return b
	}
	return appendSpot(b, data)
}

// sendAgain sends the oldest spot check that was not acknowledged, marked as
// from memory.
func (p *playing) sendAgain(b []byte, _ time.Time) []byte {
	if len(p.unacked) == 0 {
		return b
	}
	p.unacked[0][9] |= 1 << 4
	return appendSpot(b, p.unacked[0])
}

func (p *playing) acknowledged(b, heard []byte, _ time.Time) []byte {
	for _, c := range heard {
		if c != ack || len(p.unacked) == 0 {
			continue
		}
		if p.unacked = p.unacked[1:]; len(p.unacked) > 0 {
			p.unacked[0][9] |= 1 << 4
			b = appendSpot(b, p.unacked[0])
		}
	}
	return b
}

func appendSpot(b, data []byte) []byte {
	b = append(b, 0x00, 0x02, 0x00, 0x0D, 0x00, byte(len(data)))
	b = append(b, data...)
	return append(b, checksum.Sum8(data), 0x03)
}

func bcd(v int) byte { return byte(v/10<<4 | v%10) }
