package contec

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// lockRun is how many packets in a row are wanted before one is believed:
// there is no checksum.
const lockRun = 5

// block is how many samples of the wave are emitted at once.
const block = 30

// A moment is what one packet says, whatever its format.
type moment struct {
	off, doubt, low bool
	pleth           byte // 0 to 127
	spo2            byte // 7F or 0 if there is none
	rate            byte // FF or 0 if there is none
	index           int64
	hasIndex        bool
}

// A stream makes observations of the moments of an oximeter.
type stream struct {
	emit      drivers.Emit
	perSecond int // packets, and so samples of the wave

	run   int // packets in a row
	turns int // until numbers are due
	wave  [block]int32
	drawn int
	dark  int // samples missing because the sensor is off

	off, low bool // as told
	hadIndex bool
}

// add takes the next moment.
func (s *stream) add(m moment) {
	if s.run++; s.run < lockRun {
		return
	}
	if m.off != s.off {
		s.turns = 0 // tell it at once
	}
	s.wave[s.drawn] = int32(m.pleth)
	if m.off {
		s.wave[s.drawn] = protocol.NoSample
		s.dark++
	}
	if s.drawn++; s.drawn == block {
		s.flush()
	}
	if s.turns == 0 {
		s.numbers(m)
		s.turns = s.perSecond
	}
	s.turns--
}

// broken ends a run of packets; what was collected of the wave is kept.
func (s *stream) broken() int {
	if s.run > 0 {
		s.flush()
		s.run, s.turns = 0, 0
	}
	return framer.Skip
}

func (s *stream) numbers(m moment) {
	s.edge(&s.off, m.off, protocol.EventSensorOff, protocol.Event{Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.SpO2, Text: "finger out or probe faulty"})
	s.edge(&s.low, m.low && !m.off, protocol.EventLow, protocol.Event{Priority: protocol.PriorityMedium, Type: protocol.AlarmPhysiological, Source: protocol.SpO2, Text: "SpO2 low, says the oximeter"})
	s.number(m, protocol.SpO2, "%", protocol.Int(int64(m.spo2)), m.spo2 == 0x7F || m.spo2 == 0, m.spo2 > 100)
	s.number(m, protocol.PulseRate, "/min", protocol.Int(int64(m.rate)), m.rate == 0xFF || m.rate == 0, false)
	if s.hadIndex = s.hadIndex || m.hasIndex && !m.off; s.hadIndex {
		s.number(m, protocol.PerfusionIndex, "%", protocol.Dec(m.index, -2), !m.hasIndex, m.index > 2200)
	}
}

func (s *stream) number(m moment, code protocol.Code, unit protocol.Unit, v protocol.Decimal, missing, impossible bool) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: protocol.QualityGood}
	switch {
	case m.off:
		o.Quality = protocol.QualitySensorOff
	case missing:
		o.Quality = protocol.QualityMissing
	case impossible:
		o.Quality, o.Value = protocol.QualityInvalid, v
	case m.doubt:
		o.Quality, o.Value = protocol.QualityQuestionable, v
	default:
		o.Value = v
	}
	s.emit(o)
}

// edge reports a state that begins or ends.
func (s *stream) edge(was *bool, is bool, code protocol.Code, e protocol.Event) {
	if *was == is {
		return
	}
	*was = is
	e.Phase = protocol.PhaseEnd
	if is {
		e.Phase = protocol.PhaseStart
	}
	s.event(code, e)
}

func (s *stream) event(code protocol.Code, e protocol.Event) {
	s.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// flush emits the samples collected so far.
func (s *stream) flush() {
	if s.drawn == 0 {
		return
	}
	q := protocol.QualityGood
	if s.dark == s.drawn {
		q = protocol.QualitySensorOff
	}
	s.emit(protocol.Observation{Code: protocol.Pleth, Unit: "1", Kind: protocol.KindSamples, Quality: q,
		Delay:   time.Duration(s.drawn-1) * time.Second / time.Duration(s.perSecond),
		Samples: &protocol.Samples{RateMilliHz: uint32(s.perSecond) * 1000, Scale: protocol.Dec(8, -3), Offset: protocol.Int(0), Raw: append([]int32(nil), s.wave[:s.drawn]...)}})
	s.drawn, s.dark = 0, 0
}
