package glucose

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

// measureEvery is how often a simulated meter measures.
const measureEvery = 2 * time.Minute

// A taken is a measurement in a simulated meter.
type taken struct {
	at    time.Time
	value int // mg/dL
}

// A meter is what simulated meters share: a memory.
type meter struct {
	patient drivers.Patient
	memory  []taken // the oldest first
}

// measure is a play.Part of every simulated meter.
func (m *meter) measure(b []byte, at time.Time) []byte {
	if v, on := m.patient.Numeric(protocol.Glucose, at); on {
		m.memory = append(m.memory, taken{at.UTC().Truncate(time.Second), int(math.Round(min(max(v, 0), 999)))})
		m.memory = m.memory[max(0, len(m.memory)-50):]
	}
	return b
}

func (m *meter) part() play.Part {
	return play.Part{Every: measureEvery, First: time.Second, Append: m.measure}
}

// simulateASTM plays a Contour that is plugged in: after each measurement it
// sends all it has.
func simulateASTM(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	m := &meter{patient: patient}
	var frames [][]byte
	next := -1 // frame to be sent; -1 is silence
	tries := 0
	begin := func(b []byte, at time.Time) []byte {
		frames, next, tries = astmFrames(m, at), 0, 0
		return append(b, enq)
	}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{m.part(), {Every: measureEvery, First: 2 * time.Second, Append: begin}},
		Answer: func(b, p []byte, at time.Time) []byte {
			for _, c := range p {
				switch {
				case c == eot && next < 0:
					b = begin(b, at)
				case c == ack && next >= 0 && next < len(frames):
					b = append(b, frames[next]...)
					next, tries = next+1, 0
				case c == ack && next == len(frames):
					b, next = append(b, eot), -1
				case c == nak && next > 0 && tries < 6:
					b = append(b, frames[next-1]...)
					tries++
				}
			}
			return b
		},
	})
}

func astmFrames(m *meter, at time.Time) (frames [][]byte) {
	const minutes = "200601021504"
	records := []string{fmt.Sprintf(`H|\^&||none|Bayer7160^01.20\01.00\02.10^7160-0123456^7168-|A=1^C=01^G=1^I=0200^R=0^S=1^U=0^V=10600|%d|||||||1|%s`, len(m.memory), at.UTC().Format(minutes)), "P|1"}
	for i := range m.memory {
		r := m.memory[len(m.memory)-1-i]
		marker := ""
		switch {
		case r.value > 600:
			r.value, marker = 601, ">"
		case r.value < 10:
			r.value, marker = 9, "<"
		}
		records = append(records, fmt.Sprintf("R|%d|^^^Glucose|%d|mg/dL^P||%s||%s", i+1, r.value, marker, r.at.Format(minutes)))
	}
	records = append(records, fmt.Sprintf("L|%d||N", 1))
	for i, r := range records {
		f := fmt.Appendf([]byte{stx}, "%d%s\r", (i+1)%8, r)
		end := byte(etb)
		if i == len(records)-1 {
			end = etx
		}
		f = append(f, end)
		sum := checksum.ASTM(f[1:])
		frames = append(frames, append(f, sum[0], sum[1], '\r', '\n'))
	}
	return frames
}
