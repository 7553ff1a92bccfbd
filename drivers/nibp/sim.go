package nibp

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// measured asks the patient.
func measured(patient drivers.Patient, at time.Time) (r result, on bool) {
	for code, to := range map[protocol.Code]*int{protocol.NIBPSystolic: &r.sys, protocol.NIBPDiastolic: &r.dia, protocol.NIBPMean: &r.mean, rate: &r.rate} {
		v, has := patient.Numeric(code, at)
		if *to = int(math.Round(min(max(v, 0), 300))); !has && code != rate {
			return result{}, false
		}
	}
	r.rate = min(r.rate, 255)
	return r, true
}

// inflation is the pressure in the cuff t after the beginning of a measurement
// of 20 s, 0 when it is over.
func inflation(t time.Duration) int {
	switch s := t.Seconds(); {
	case s < 0 || s >= 20:
		return 0
	case s < 5:
		return int(36 * s)
	default:
		return int(180 - 11.5*(s-5))
	}
}

// A SunTechDevice is a module that a monitor beside it starts.
type SunTechDevice struct {
	Every time.Duration // from measurement to measurement; 0 is a minute
}

// Simulate plays the module until ctx ends or the wire fails.
func (d SunTechDevice) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.Every == 0 {
		d.Every = time.Minute
	}
	reply := make([]byte, resultReply-1)
	reply[0], reply[1], reply[20] = 0x3E, resultReply, 1 // nothing was measured yet
	var began time.Time
	running := false
	var heard []byte
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{
			{Every: d.Every, First: time.Second, Append: func(b []byte, at time.Time) []byte {
				if _, on := measured(patient, at); on {
					began, running = at, true
				} else {
					reply[20]++ // it fails at once
				}
				return b
			}},
			{Every: time.Second, First: 1500 * time.Millisecond, Append: func(b []byte, at time.Time) []byte {
				if !running || inflation(at.Sub(began)) > 0 {
					return b
				}
				running = false
				r, _ := measured(patient, at)
				clear(reply[2:])
				binary.LittleEndian.PutUint16(reply[2:], uint16(r.sys))
				binary.LittleEndian.PutUint16(reply[4:], uint16(r.dia))
				binary.LittleEndian.PutUint16(reply[18:], uint16(r.mean))
				reply[6], reply[16] = 22, byte(r.rate)
				if r == (result{}) {
					reply[20] = 1
				}
				return b
			}},
		},
		Answer: func(b, p []byte, at time.Time) []byte {
			for _, c := range p {
				if heard = append(heard, c); len(heard) < len(askCuff) {
					continue
				}
				switch string(heard) {
				case askCuff:
					v := 0
					if running {
						v = inflation(at.Sub(began))
					}
					n := len(b)
					b = append(b, 0x3E, cuffReply, byte(v), byte(v>>8))
					b = append(b, checksum.Neg8(b[n:]))
				case askResult:
					b = append(append(b, reply...), checksum.Neg8(reply))
				}
				heard = heard[:0]
			}
			return b
		},
	})
}

// A NIBScanDevice is an ASCII module that measures by itself.
type NIBScanDevice struct {
	Every time.Duration // from measurement to measurement; 0 is a minute
}

// Simulate plays the module until ctx ends or the wire fails.
func (d NIBScanDevice) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.Every == 0 {
		d.Every = time.Minute
	}
	status := "S1;A0;C00;M00;P---------;R---;T0000;;"
	var began time.Time
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{
			{Every: d.Every, First: time.Second, Append: func(b []byte, at time.Time) []byte {
				if _, on := measured(patient, at); !on {
					status = "S1;A0;C00;M06;P---------;R---;T0000;;"
					return append(b, "999\r"...)
				}
				began = at
				return b
			}},
			{Every: time.Second, First: time.Second, Append: func(b []byte, at time.Time) []byte {
				if began.IsZero() {
					return b
				}
				if v := inflation(at.Sub(began) + time.Second); v > 0 {
					return fmt.Appendf(b, "%03d\r", v)
				}
				began = time.Time{}
				r, on := measured(patient, at)
				if status = fmt.Sprintf("S1;A0;C00;M00;P%03d%03d%03d;R%03d;T0000;;", r.sys, r.dia, r.mean, r.rate); !on {
					status = "S1;A0;C00;M06;P---------;R---;T0000;;"
				}
				return append(b, "999\r"...)
			}},
		},
		Answer: func(b, p []byte, _ time.Time) []byte {
			for _, c := range p {
				if c == etx {
					b = fmt.Appendf(b, "\x02%s%02X\x03\r", status, checksum.Sum8([]byte(status)))
				}
			}
			return b
		},
	})
}

// simulateAccutorr plays an Accutorr 3 that measures every other minute.
func simulateAccutorr(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	text := " --, --, --"
	var when time.Time
	measure := func(b []byte, at time.Time) []byte {
		if r, on := measured(patient, at); on {
			text, when = fmt.Sprintf("%3d,%3d,%3d", r.sys, r.mean, r.dia), at
		}
		return b
	}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: 2 * time.Minute, Append: measure}},
		Answer: func(b, p []byte, at time.Time) []byte {
			for _, c := range p {
				if c != 'P' {
					continue
				}
				spo2, on := patient.Numeric(protocol.SpO2, at)
				pulse, _ := patient.Numeric(protocol.PulseRate, at)
				minutes := " --"
				if !when.IsZero() {
					minutes = fmt.Sprintf("%3d", int(at.Sub(when)/time.Minute))
				}
				if on {
					b = fmt.Appendf(b, "P:%3.0f,%3.0f,%s,000,000,000,%s\r\n>", math.Round(spo2), math.Round(pulse), text, minutes)
				} else {
					b = fmt.Appendf(b, "P: --, --,%s,002,000,000,%s\r\n>", text, minutes)
				}
			}
			return b
		},
	})
}
