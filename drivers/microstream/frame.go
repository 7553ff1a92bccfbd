package microstream

import (
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	start  = 0x85
	escape = 0x80
)

// maxLen is more than the longest message of which anything is read.
const maxLen = 120

// appendFrame appends a frame: sheet, section "Frame".
func appendFrame(b []byte, code byte, data ...byte) []byte {
	b = append(b, start)
	from := len(b)
	b = appendEscaped(b, byte(1+len(data)))
	b = appendEscaped(b, code)
	for _, c := range data {
		b = appendEscaped(b, c)
	}
	var sum byte
	for _, c := range b[from:] {
		sum ^= c
	}
	return appendEscaped(b, sum)
}

func appendEscaped(b []byte, c byte) []byte {
	if c == start || c == escape {
		return append(b, escape, c&0x0F)
	}
	return append(b, c)
}

// unframe takes the frame at the start of b apart: LEN, CODE, DATA and CHK go to
// out. It gives how many bytes the frame takes, or what the framer wants to know.
func unframe(b []byte, out *[maxLen + 2]byte) (message []byte, n int) {
	if b[0] != start {
		return nil, framer.Skip
	}
	var sum byte // of the bytes as sent
	want := 1
	i := 1
	for k := 0; k < want; k++ {
		if i >= len(b) {
			return nil, framer.More
		}
		c, raw := b[i], b[i]
		if i++; c == start {
			return nil, framer.Skip
		}
		if c == escape {
			if i >= len(b) {
				return nil, framer.More
			}
			switch b[i] {
			case start & 0x0F:
				c = start
			case 0:
			default:
				return nil, framer.Skip
			}
			raw ^= b[i]
			i++
		}
		out[k] = c
		if k == 0 {
			if c < 1 || c > maxLen {
				return nil, framer.Skip
			}
			want = int(c) + 2
		}
		if k < want-1 {
			sum ^= raw
		}
	}
	if out[want-1] != sum {
		return nil, framer.BadSum
	}
	return out[1 : want-1], i
}

// core is what both decoders have.
type core struct {
	framer framer.Framer
	emit   drivers.Emit
	plain  [maxLen + 2]byte

	model string // told

	wave    [samplesPerBlock]int32
	drawn   int
	quality protocol.Quality // of the samples in wave
	number  byte             // of the last message of the wave
}

const samplesPerBlock = 10

// Decode implements drivers.Decoder.
func (d *core) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *core) Stats() drivers.Stats { return d.framer.Stats() }

func (d *core) word(code protocol.Code, text string) {
	if text == "" {
		return
	}
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

func (d *core) identify(model string) {
	if d.model != model {
		d.model = model
		d.word(protocol.IdentityModel, model)
	}
}

func (d *core) numeric(o protocol.Observation) {
	o.Kind = protocol.KindNumeric
	if o.Quality >= protocol.QualityMissing && o.Quality <= protocol.QualityOngoing {
		o.Value = protocol.Decimal{}
	}
	d.emit(o)
}

// A flag is a bit that is an event while it is set.
type flag struct {
	bit      byte
	code     protocol.Code
	source   protocol.Code
	kind     protocol.AlarmType
	priority protocol.Priority
	text     string
}

// edges emits the events of the bits that have changed.
func (d *core) edges(flags []flag, was *byte, is byte, at time.Time) {
	changed := *was ^ is
	*was = is
	if changed == 0 {
		return
	}
	for _, f := range flags {
		if changed&f.bit == 0 {
			continue
		}
		e := &protocol.Event{Phase: protocol.PhaseEnd, Priority: f.priority, Type: f.kind, Source: f.source, Text: f.text}
		if is&f.bit != 0 {
			e.Phase = protocol.PhaseStart
		}
		d.emit(protocol.Observation{Code: f.code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, DeviceTime: at, Event: e})
	}
}

// sample takes one message of the wave: its number, whole mmHg and 1/256 mmHg.
func (d *core) sample(m []byte, period time.Duration, q protocol.Quality, missing bool) {
	if d.drawn > 0 && (m[0] != d.number+1 || q != d.quality) {
		d.flush(period, period) // the one that has come is not of this block
	}
	d.number, d.quality = m[0], q
	v := int32(m[1])<<8 | int32(m[2])
	if missing {
		v = protocol.NoSample
	}
	d.wave[d.drawn] = v
	// Blocks end at every tenth number, so that a lost message shifts no other.
	if d.drawn++; m[0]%samplesPerBlock == samplesPerBlock-1 || m[0] == 255 {
		d.flush(period, 0)
	}
}

// flush emits the block; its last sample came later ago.
func (d *core) flush(period, later time.Duration) {
	if d.drawn == 0 {
		return
	}
	q := d.quality
	if q.HasNumber() && !slices.ContainsFunc(d.wave[:d.drawn], func(v int32) bool { return v != protocol.NoSample }) {
		q = protocol.QualityMissing
	}
	d.emit(protocol.Observation{Code: waveCO2, Unit: "mm[Hg]", Kind: protocol.KindSamples, Quality: q,
		Delay: time.Duration(d.drawn-1)*period + later,
		Samples: &protocol.Samples{RateMilliHz: uint32(1000 * time.Second / period), Scale: protocol.Dec(390625, -8), Offset: protocol.Int(0),
			Raw: slices.Clone(d.wave[:d.drawn])}})
	d.drawn = 0
}
