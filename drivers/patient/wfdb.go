package patient

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// missing is the value of format 16, and after decoding of every format, that
// means "no sample".
const missing int16 = math.MinInt16

// A signal is one channel of a WFDB record, as its header and files have it.
type signal struct {
	name     string
	unit     string
	file     string
	format   int // 16 or 212
	perFrame int
	skip     int64 // bytes before the first sample in file
	gain     float64
	baseline float64
	rate     float64 // samples per second

	initial, checksum int // as the header says; checked if sums is true
	sums              bool

	raw []int16
}

// value is the physical value of sample i, NaN where there is none.
func (s *signal) value(i int) float64 {
	if i < 0 || i >= len(s.raw) || s.raw[i] == missing {
		return math.NaN()
	}
	return (float64(s.raw[i]) - s.baseline) / s.gain
}

// A record is one WFDB record.
type record struct {
	name    string
	path    string // of the header
	rate    float64
	frames  int
	signals []*signal
	loaded  bool
}

// parseHeader reads a WFDB header; path is for messages and to find the files.
func parseHeader(path string, text string) (*record, error) {
	rec := &record{path: path}
	want := -1
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		var err error
		switch {
		case want < 0:
			want, err = rec.parseFirst(fields)
		case len(rec.signals) < want:
			var s *signal
			if s, err = parseSignal(fields, rec.rate); err == nil {
				rec.signals = append(rec.signals, s)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
		}
	}
	if want < 0 {
		return nil, fmt.Errorf("%s: no record line", path)
	}
	if len(rec.signals) < want {
		return nil, fmt.Errorf("%s: %d signal lines, the first line says %d", path, len(rec.signals), want)
	}
	return rec, nil
}

// parseFirst reads "name signals rate frames …".
func (r *record) parseFirst(f []string) (signals int, err error) {
	if len(f) < 2 {
		return 0, fmt.Errorf("record line has %d fields, want name, signals, rate, samples", len(f))
	}
	if strings.Contains(f[0], "/") {
		return 0, fmt.Errorf("record %q has segments; only records in one piece are played", f[0])
	}
	r.name, r.rate = f[0], 250
	if signals, err = strconv.Atoi(f[1]); err != nil || signals < 1 || signals > 64 {
		return 0, fmt.Errorf("%q signals, want 1 to 64", f[1])
	}
	if len(f) > 2 {
		rate, _, _ := strings.Cut(f[2], "/")
		if r.rate, err = strconv.ParseFloat(rate, 64); err != nil || !(r.rate > 0 && r.rate <= 100_000) {
			return 0, fmt.Errorf("rate %q, want a number above 0, at most 100000", f[2])
		}
	}
	if len(f) > 3 {
		if r.frames, err = strconv.Atoi(f[3]); err != nil || r.frames < 0 || r.frames > 1<<30 {
			return 0, fmt.Errorf("number of samples %q, want a whole number", f[3])
		}
	}
	return signals, nil
}

// parseSignal reads "file format[xN][:skew][+offset] gain[(baseline)][/unit]
// resolution zero initial checksum blocksize name".
func parseSignal(f []string, frameRate float64) (*signal, error) {
	if len(f) < 2 {
		return nil, fmt.Errorf("signal line has %d fields, want at least file and format", len(f))
	}
	s := &signal{file: f[0], perFrame: 1, gain: 200, unit: "mV"}
	if s.file != filepath.Base(s.file) {
		return nil, fmt.Errorf("file %q lies in another folder", s.file)
	}
	if err := s.parseFormat(f[1]); err != nil {
		return nil, err
	}
	s.rate = frameRate * float64(s.perFrame)
	var ints [4]int // resolution, zero, initial, checksum
	for i := range ints {
		if len(f) > 3+i {
			v, err := strconv.Atoi(f[3+i])
			if err != nil {
				return nil, fmt.Errorf("%q is not a whole number", f[3+i])
			}
			ints[i] = v
		}
	}
	s.baseline, s.initial, s.checksum, s.sums = float64(ints[1]), ints[2], ints[3], len(f) > 6
	if len(f) > 2 {
		if err := s.parseGain(f[2]); err != nil {
			return nil, err
		}
	}
	if len(f) > 8 {
		s.name = strings.Join(f[8:], " ")
	}
	return s, nil
}

func (s *signal) parseFormat(text string) (err error) {
	bad := fmt.Errorf("format %q, want 16 or 212, with xN and +offset if needed", text)
	rest, offset, hasOffset := strings.Cut(text, "+")
	rest, skew, _ := strings.Cut(rest, ":")
	format, perFrame, hasN := strings.Cut(rest, "x")
	if s.format, err = strconv.Atoi(format); err != nil || s.format != 16 && s.format != 212 {
		return bad
	}
	if hasN {
		if s.perFrame, err = strconv.Atoi(perFrame); err != nil || s.perFrame < 1 || s.perFrame > 1000 {
			return bad
		}
	}
	if hasOffset {
		if s.skip, err = strconv.ParseInt(offset, 10, 64); err != nil || s.skip < 0 {
			return bad
		}
	}
	if skew != "" && skew != "0" {
		return fmt.Errorf("format %q: a skew between signals is not supported", text)
	}
	return nil
}

func (s *signal) parseGain(text string) (err error) {
	number, unit, hasUnit := strings.Cut(text, "/")
	if hasUnit {
		s.unit = unit
	}
	gain, rest, hasBase := strings.Cut(number, "(")
	if s.gain, err = strconv.ParseFloat(gain, 64); err != nil || math.IsNaN(s.gain) || math.IsInf(s.gain, 0) {
		return fmt.Errorf("gain %q, want a number", text)
	}
	if s.gain == 0 {
		s.gain = 200 // what WFDB means by "not calibrated"
	}
	if hasBase {
		if s.baseline, err = strconv.ParseFloat(strings.TrimSuffix(rest, ")"), 64); err != nil || math.IsNaN(s.baseline) || math.IsInf(s.baseline, 0) {
			return fmt.Errorf("baseline in %q, want a whole number", text)
		}
	}
	return nil
}

// load reads the samples of every signal. Signals of one file lie in it frame
// by frame.
func (r *record) load() error {
	if r.loaded {
		return nil
	}
	for i := 0; i < len(r.signals); {
		j, frame := i, 0
		for ; j < len(r.signals) && r.signals[j].file == r.signals[i].file; j++ {
			frame += r.signals[j].perFrame
		}
		if err := r.loadFile(r.signals[i:j], frame); err != nil {
			return err
		}
		i = j
	}
	r.loaded = true
	return nil
}

func (r *record) loadFile(group []*signal, frame int) error {
	path := filepath.Join(filepath.Dir(r.path), group[0].file)
	for _, s := range group[1:] {
		if s.format != group[0].format {
			return fmt.Errorf("%s: signals of %s have formats %d and %d", r.path, group[0].file, group[0].format, s.format)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	defer f.Close()
	const most = 1 << 30
	data, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	data = data[min(group[0].skip, int64(len(data))):]
	samples := decode(group[0].format, data)
	frames := len(samples) / frame
	if r.frames > 0 {
		if frames < r.frames {
			return fmt.Errorf("%s: %s has %d samples of each signal, the header says %d", r.path, group[0].file, frames, r.frames)
		}
		frames = r.frames
	}
	at := 0
	for _, s := range group {
		s.raw = make([]int16, 0, frames*s.perFrame)
		for k := range frames {
			s.raw = append(s.raw, samples[k*frame+at:k*frame+at+s.perFrame]...)
		}
		at += s.perFrame
		if err := s.check(); err != nil {
			return fmt.Errorf("%s: %s: %w", r.path, path, err)
		}
	}
	return nil
}

// decode gives the samples of a file of format 16 or 212.
func decode(format int, data []byte) []int16 {
	if format == 16 {
		out := make([]int16, len(data)/2)
		for i := range out {
			out[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
		}
		return out
	}
	out := make([]int16, 0, len(data)*2/3)
	add := func(v uint16) {
		x := int16(v<<4) >> 4 // twelve bits with a sign
		if x == -2048 {
			x = missing
		}
		out = append(out, x)
	}
	for ; len(data) >= 2; data = data[min(3, len(data)):] {
		add(uint16(data[0]) | uint16(data[1]&0x0f)<<8)
		if len(data) > 2 {
			add(uint16(data[2]) | uint16(data[1]&0xf0)<<4)
		}
	}
	return out
}

// check compares the samples with what the header says of them.
func (s *signal) check() error {
	if !s.sums || len(s.raw) == 0 {
		return nil
	}
	sum := int16(0)
	for _, v := range s.raw {
		if v == missing && s.format == 212 {
			v = -2048
		}
		sum += v
	}
	if sum != int16(s.checksum) {
		return fmt.Errorf("signal %s: sum of the samples is %d, the header says %d", s.name, sum, s.checksum)
	}
	if first := int(s.raw[0]); first != s.initial && s.raw[0] != missing {
		return fmt.Errorf("signal %s: first sample is %d, the header says %d", s.name, first, s.initial)
	}
	return nil
}
