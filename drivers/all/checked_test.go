package all

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// uncovered is, in percent, how much of what a Checked driver hears its check
// does not cover, beyond line ends and bytes between frames.
var uncovered = map[string]int{
	"medibus": 60, // the realtime channel, whose bytes stand among the others and are no frames
	"zeo":     30, // times and sequence numbers of the head
}

// Two frames of a Checked driver claim an unknown port, and an answer alone
// proves who it is. So each frame that is counted must have had a check: one
// that is spoilt anywhere is not counted any more.
func TestFramesOfCheckedDriversHaveACheck(t *testing.T) {
	noise := make([]byte, 1<<16)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, d := range Drivers {
		if !d.Checked || d.Configure != nil || d.Simulate == nil {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			wire := drivertest.Heard(t, d, drivertest.NewPatient(), drivertest.Act{For: span(d)/2 + time.Millisecond})
			wire = toLastFrame(d, wire[:min(len(wire), 4000)])
			whole := frames(d, wire)
			if whole < 2 {
				t.Fatalf("%d frames heard", whole)
			}
			const tries = 400
			unnoticed := 0
			for range tries {
				i := r.IntN(len(wire))
				spoilt := bytes.Clone(wire)
				spoilt[i] ^= byte(1 + r.IntN(255))
				if frames(d, spoilt) >= whole {
					unnoticed++
				}
			}
			if most := max(uncovered[d.Name], 10); unnoticed*100 > most*tries {
				t.Errorf("of %d spoilt bytes %d cost no frame, want at most %d %%", tries, unnoticed, most)
			}
			for c := range 256 { // a control byte is no frame, nor is a line that hangs
				if n := frames(d, bytes.Repeat([]byte{byte(c)}, 500)); n > 0 {
					t.Errorf("%02X again and again makes %d frames", c, n)
				}
			}
			if n := frames(d, noise); n > 4 {
				t.Errorf("%d frames in 64 KiB of noise", n)
			}
		})
	}
}

func frames(d drivers.Driver, wire []byte) uint64 {
	dec := d.NewDecoder()
	dec.Decode(wire, func(protocol.Observation) {})
	return dec.Stats().Frames
}

// toLastFrame cuts off what comes after the last whole frame.
func toLastFrame(d drivers.Driver, wire []byte) []byte {
	dec := d.NewDecoder()
	end, n := 0, uint64(0)
	for i := range wire {
		dec.Decode(wire[i:i+1], func(protocol.Observation) {})
		if f := dec.Stats().Frames; f > n {
			end, n = i+1, f
		}
	}
	return wire[:end]
}
