package all

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func frames(d drivers.Driver, wire []byte) drivers.Stats {
	dec := d.NewDecoder()
	dec.Decode(wire, func(protocol.Observation) {})
	return dec.Stats()
}

func TestTmp(t *testing.T) {
	for _, d := range Drivers {
		if d.Configure != nil || d.Simulate == nil {
			continue
		}
		wire := drivertest.Heard(t, d, drivertest.NewPatient(), drivertest.Act{For: span(d) / 2})
		if len(wire) > 6000 {
			wire = wire[:6000]
		}
		base := frames(d, wire)
		same, tried := 0, 0
		var where []string
		for i := 0; i < len(wire); i += max(1, len(wire)/700) {
			w := append([]byte(nil), wire...)
			w[i] ^= byte(1 + rand.IntN(255))
			tried++
			if s := frames(d, w); s.Frames >= base.Frames {
				same++
				if len(where) < 6 {
					where = append(where, fmt.Sprintf("%02X>%02X", wire[i], w[i]))
				}
			}
		}
		single := 0
		for c := range 256 {
			b := make([]byte, 500)
			for i := range b {
				b[i] = byte(c)
			}
			if frames(d, b).Frames > 0 {
				single++
			}
		}
		noise := make([]byte, 1<<20)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		fmt.Printf("%-22s checked=%-5v asks=%-5v bytes=%5d frames=%4d skipped=%4d unnoticed=%3d/%3d single=%d noise=%d %v\n", d.Name, d.Checked, d.Asks, len(wire), base.Frames, base.Skipped, same, tried, single, frames(d, noise).Frames, where)
	}
	_ = time.Second
}
