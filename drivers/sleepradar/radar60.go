package sleepradar

import (
	"time"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const maxData = 64

var stages60 = [3]string{"deep", "light", "awake"}

// append60 appends a frame: sheet, section "60 GHz".
func append60(b []byte, control, command byte, data ...byte) []byte {
	from := len(b)
	b = append(b, 0x53, 0x59, control, command, byte(len(data)>>8), byte(len(data)))
	b = append(b, data...)
	return append(b, checksum.Sum8(b[from:]), 0x54, 0x43)
}

type radar60 struct {
	core
	step int
	next time.Duration

	frames uint64
	heard  time.Duration
}

func new60() *radar60 {
	d := &radar60{}
	d.pulse = true
	d.framer = framer.Framer{Max: maxData + 9, Frame: d.frame}
	return d
}

func (d *radar60) frame(b []byte) int {
	switch {
	case b[0] != 0x53 || len(b) > 1 && b[1] != 0x59 || len(b) > 4 && b[4] != 0:
		return framer.Skip
	case len(b) < 6:
		return framer.More
	case b[5] > maxData:
		return framer.Skip
	}
	n := 6 + int(b[5])
	if len(b) < n+3 {
		return framer.More
	}
	if b[n+1] != 0x54 || b[n+2] != 0x43 {
		return framer.Skip
	}
	if checksum.Sum8(b[:n]) != b[n] {
		return framer.BadSum
	}
	d.identify("60 GHz sleep radar")
	d.message(b[2], b[3]&0x7F, b[6:n])
	return n + 3
}

// message takes a report, or the answer to a question, which looks the same.
func (d *radar60) message(control, command byte, data []byte) {
	if len(data) == 0 {
		return
	}
	v := data[0]
	switch key := uint16(control)<<8 | uint16(command); {
	case key == 0x8001 && len(data) == 1 && v <= 1:
		d.nobody = v == 0
		d.person()
		d.word(presence, inRoom, there(v == 1))
	case key == 0x8003 && len(data) == 1 && v <= 100:
		d.emit(protocol.Observation{Code: movement, Unit: "1", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(v))})
	case key == 0x8101 && len(data) == 1:
		d.noBreath = v == 4
		d.person()
	case key == 0x8102 && len(data) == 1:
		d.rate(protocol.RespirationRate, v, 1, 35, protocol.QualityGood)
	case key == 0x8105 && len(data) == 5:
		d.wave(breathing, data)
	case key == 0x8401 && len(data) == 1 && v <= 2:
		d.outOfBed = v != 1
		d.person()
		if v == 2 {
			d.word(presence, inBed, "")
		} else {
			d.word(presence, inBed, there(v == 1))
		}
	case key == 0x8402 && len(data) == 1:
		d.sleep(v, stages60)
	case key == 0x8406 && len(data) == 1 && v <= 100:
		d.emit(protocol.Observation{Code: score, Unit: "1", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(v))})
	case key == 0x8502 && len(data) == 1:
		d.rate(pulse, v, 60, 120, protocol.QualityGood)
	case key == 0x8505 && len(data) == 5:
		d.wave(heartbeat, data)
	}
}

// wave emits the five samples of one second.
func (d *radar60) wave(code protocol.Code, data []byte) {
	raw := make([]int32, len(data))
	q := protocol.QualityGood
	for i, c := range data {
		if raw[i] = int32(c); d.gone {
			raw[i], q = protocol.NoSample, protocol.QualityMissing
		}
	}
	d.emit(protocol.Observation{Code: code, Unit: "1", Kind: protocol.KindSamples, Quality: q, Delay: 800 * time.Millisecond,
		Samples: &protocol.Samples{RateMilliHz: 5000, Scale: protocol.Int(1), Offset: protocol.Int(-128), Raw: raw}})
}

// switchOn are the four kinds of monitoring that are switched on at first.
var switchOn = [...]byte{0x80, 0x81, 0x84, 0x85}

// questions are asked in turn, one each second.
var questions = [...][2]byte{{0x80, 1}, {0x81, 2}, {0x84, 1}, {0x81, 2}, {0x85, 2}, {0x81, 2}, {0x84, 2}, {0x81, 2}}

// Ask implements drivers.Asker: switch on at first and after a silence, then
// ask for what may not be reported because it does not change.
func (d *radar60) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if n := d.framer.Stats().Frames; n != d.frames {
		d.frames, d.heard = n, now
	}
	if now < d.next {
		return b, d.next - now
	}
	d.next = now + time.Second
	if now-d.heard > 15*time.Second {
		d.step, d.heard = 0, now
	}
	if d.step < len(switchOn) {
		b = append60(b, switchOn[d.step], 0, 1)
	} else {
		q := questions[(d.step-len(switchOn))%len(questions)]
		b = append60(b, q[0], q[1]|0x80, 0x0F)
	}
	d.step++
	return b, time.Second
}
