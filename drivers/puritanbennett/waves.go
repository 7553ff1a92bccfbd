package puritanbennett

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// Waves is for a port with the function "Waveforms", which sends flow and
// pressure by itself.
var Waves = drivers.Driver{
	Name:       "puritanbennett-waves",
	Title:      "Puritan Bennett 840 and 980 ventilators, waveform port",
	Models:     []string{"840", "980"},
	Sheet:      "docs/devices/puritanbennett.md",
	Line:       drivers.Line{Baud: 38400},
	Silence:    5 * time.Second,
	Codes:      []protocol.Code{flow, airway},
	NewDecoder: newWaveDecoder,
	Run:        drivers.Listen(newWaveDecoder),
	Simulate:   simulateWaves,
}

var (
	flow   = code("MDC_FLOW_AWAY")
	airway = code("MDC_PRESS_AWAY")
)

const (
	waveRateHz = 50
	wavePeriod = time.Second / waveRateHz
	blockSize  = waveRateHz / 2
	maxLine    = 80
	mostFlow   = 400_000 // 1/1000 l/min; beyond it is noise on the line
	mostPaw    = 150_000 // 1/1000 cmH2O
)

// A waveDecoder reads the lines of the waveform port.
type waveDecoder struct {
	framer    framer.Framer
	emit      drivers.Emit
	breathing bool // inside a breath whose beginning was heard
	flow, paw []int32
}

func newWaveDecoder() drivers.Decoder {
	d := &waveDecoder{}
	d.framer = framer.Framer{Max: maxLine, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *waveDecoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
}

// Stats implements drivers.Decoder.
func (d *waveDecoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame handles the line after the end of another one, up to its own end: so
// the rest of a soiled line is never taken for a line.
func (d *waveDecoder) frame(b []byte) int {
	if b[0] != '\n' {
		return framer.Skip
	}
	end := bytes.IndexByte(b[1:], '\n')
	if end < 0 {
		if len(b) == maxLine { // no line
			d.take(protocol.NoSample, protocol.NoSample)
		}
		return framer.More
	}
	line := strings.TrimRight(string(b[1:1+end]), "\r ")
	switch {
	case strings.TrimRight(line, ",") == "BE":
		d.flush()
		d.breathing = false
	case begins(line):
		d.flush()
		d.breathing = true
	case line == "":
		return framer.Skip
	default:
		f, p, ok := sample(line)
		if d.take(f, p); !ok {
			return framer.Skip
		}
	}
	return 1 + end
}

// begins reports whether a line is the beginning of a breath: "BS, S:4711,".
func begins(line string) bool {
	rest, ok := strings.CutPrefix(line, "BS,")
	rest, numbered := strings.CutPrefix(strings.TrimSpace(rest), "S:")
	n := strings.TrimSuffix(strings.TrimSpace(rest), ",")
	return ok && numbered && n != "" && strings.Trim(n, "0123456789") == ""
}

// sample reads flow and pressure, or gives none for a soiled line.
func sample(line string) (f, p int32, ok bool) {
	first, rest, comma := strings.Cut(line, ",")
	second, _, _ := strings.Cut(rest, ",") // of a third column nobody knows what it is
	f, fOK := thousandths(first, mostFlow)
	p, pOK := thousandths(second, mostPaw)
	if !comma || !fOK || !pOK {
		return protocol.NoSample, protocol.NoSample, false
	}
	return f, p, true
}

func thousandths(s string, most int64) (int32, bool) {
	v, err := protocol.ParseDecimal(strings.TrimSpace(s))
	if err != nil || v.Exponent > 0 || v.Exponent < -3 || strings.ContainsAny(s, "eE") {
		return 0, false
	}
	m := v.Mantissa
	for range 3 + v.Exponent {
		m *= 10
		if m > most || m < -most {
			return 0, false
		}
	}
	return int32(m), m <= most && m >= -most
}

// take keeps a sample of the breath.
func (d *waveDecoder) take(f, p int32) {
	if !d.breathing {
		return
	}
	d.flow, d.paw = append(d.flow, f), append(d.paw, p)
	if len(d.flow) == blockSize {
		d.flush()
	}
}

// flush emits what is kept.
func (d *waveDecoder) flush() {
	if len(d.flow) == 0 {
		return
	}
	delay := time.Duration(len(d.flow)) * wavePeriod
	for _, w := range []struct {
		code protocol.Code
		unit protocol.Unit
		raw  []int32
	}{{flow, "L/min", d.flow}, {airway, "cm[H2O]", d.paw}} {
		d.emit(protocol.Observation{Code: w.code, Kind: protocol.KindSamples, Unit: w.unit, Quality: protocol.QualityGood, Delay: delay,
			Samples: &protocol.Samples{RateMilliHz: waveRateHz * 1000, Scale: protocol.Dec(1, -3), Offset: protocol.Int(0), Raw: w.raw}})
	}
	d.flow, d.paw = nil, nil
}

// simulateWaves plays the waveform port: a breath of inspiration and passive
// expiration at the patient's rate; nothing while nobody is ventilated.
func simulateWaves(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	breath, left := 0, 0
	samples := 0
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: blockSize * wavePeriod, First: blockSize * wavePeriod, Append: func(b []byte, at time.Time) []byte {
		perMinute, ok := patient.Numeric(protocol.RespirationRate, at)
		if !ok || perMinute < 1 {
			left = 0
			return b
		}
		for range blockSize {
			if left == 0 {
				if breath > 0 {
					b = append(b, "BE\n"...)
				}
				breath++
				samples = int(60 * waveRateHz / perMinute)
				left = samples
				b = append(append(append(b, "BS, S:"...), strconv.Itoa(breath%65536)...), ",\n"...)
			}
			f, p := drawn(float64(samples-left) / float64(samples))
			b = fmt.Appendf(b, "%.2f, %.2f\n", f, p)
			left--
		}
		return b
	}}}})
}

// drawn is flow and pressure at a part of a breath, 0 to 1.
func drawn(phase float64) (flow, paw float64) {
	const inspiration, peep, above = 1.0 / 3, 5, 15
	if phase < inspiration {
		x := phase / inspiration
		return 40 * (1 - x/2), peep + above*math.Sqrt(x)
	}
	decay := math.Exp(-6 * (phase - inspiration) / (1 - inspiration))
	return -45 * decay, peep + above*decay
}
