package phd

import (
	"encoding/binary"
	"math"
	"time"

	"monitorme/protocol"
)

// A model is what differs between the devices that are played.
type model struct {
	name     string
	id       uint16 // of the configuration
	every    time.Duration
	stay     time.Duration // until it does something else after a report
	streams  bool
	episodic bool // it releases the association after a report
	objects  [][]byte
	observe  func(s *simulation) [][]byte
}

const (
	wavePeriod = 320 // RelativeTime
	waveBlock  = 25
	waveRate   = 25
)

// Values of the metric specification.
const (
	specLive     = 0x0040
	specEpisodic = 0xF040 // also from memory
)

// configured is an object of a configuration.
func configured(class, handle int, typ protocol.Code, attributes ...[]byte) []byte {
	all := append([][]byte{attribute(attrType, u16(u16(nil, int(typ>>16)), int(typ)))}, attributes...)
	return append(u16(u16(nil, class), handle), listOf(all...)...)
}

func metricSpec(v int) []byte { return attribute(attrMetricSpec, u16(nil, v)) }
func unit(u protocol.Unit) []byte {
	return attribute(attrUnit, u16(nil, int(u.Code())))
}

func valueMap(idsAndLengths ...int) []byte {
	var list [][]byte
	for i := 0; i < len(idsAndLengths); i += 2 {
		list = append(list, u16(u16(nil, idsAndLengths[i]), idsAndLengths[i+1]))
	}
	return attribute(attrValueMap, listOf(list...))
}

const meterStore = 5 // handle of the glucose meter's memory

var models = map[Kind]model{
	Oximeter: {name: "Oximeter", id: 0x4001, every: time.Second, stay: time.Second, streams: true, observe: (*simulation).oximetry, objects: [][]byte{
		configured(classNumeric, 1, protocol.SpO2, metricSpec(specLive), unit("%"), valueMap(attrBasic, 2, attrStampAbsolute, 8)),
		configured(classNumeric, 10, protocol.PulseRate, metricSpec(specLive), unit("/min"), valueMap(attrBasic, 2, attrStampAbsolute, 8)),
		configured(classSamples, 20, protocol.Pleth, metricSpec(specLive), attribute(attrUnit, u16(nil, 0x0200)),
			attribute(attrSampleSpec, []byte{0, waveBlock, 8, 8, 0, 0}), attribute(attrScale8, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 255}),
			attribute(attrSamplePeriod, []byte{0, 0, wavePeriod >> 8, wavePeriod & 0xFF}), valueMap(attrSamples, waveBlock+2)),
		configured(classEnumeration, 30, oximeterStatus, metricSpec(specLive), valueMap(attrBits16, 2)),
	}},
	Cuff: {name: "Cuff", id: 0x02BC, every: 2 * time.Minute, stay: time.Second, episodic: true, observe: (*simulation).pressure, objects: [][]byte{
		configured(classNumeric, 1, nibp, metricSpec(specEpisodic), attribute(attrPhysioList, listOf([]byte{0x4A, 5}, []byte{0x4A, 6}, []byte{0x4A, 7})),
			unit("mm[Hg]"), valueMap(attrCompoundBasic, 10, attrStampAbsolute, 8)),
		configured(classNumeric, 2, protocol.MustCode("MDC_PULS_RATE_NON_INV"), metricSpec(specEpisodic), unit("/min"), valueMap(attrBasic, 2, attrStampAbsolute, 8)),
	}},
	Thermometer: {name: "Thermometer", id: 0x4000, every: 2 * time.Minute, stay: time.Second, episodic: true, observe: (*simulation).temperature, objects: [][]byte{
		configured(classNumeric, 1, protocol.BodyTemperature, metricSpec(0x8040), unit("Cel"), valueMap(attrBasic, 2, attrStampAbsolute, 8)),
	}},
	GlucoseMeter: {name: "Meter", id: 0x4002, every: 2 * time.Minute, stay: time.Hour, observe: (*simulation).glucose, objects: [][]byte{
		configured(classNumeric, 1, protocol.Glucose, metricSpec(specEpisodic), unit("mg/dL"), valueMap(attrBasic, 2, attrStampAbsolute, 8)),
		append(u16(u16(nil, classStore), meterStore), listOf()...),
	}},
}

// sfloat is the SFLOAT of a sign with places, NaN if its sensor is off.
func (s *simulation) sfloat(code protocol.Code, places int, at time.Time) []byte {
	v, on := s.patient.Numeric(code, at)
	m := math.Round(v * math.Pow10(places))
	if !on || math.Abs(m) > 2000 {
		return []byte{0x07, 0xFF}
	}
	return u16(nil, -places<<12|int(m)&0xFFF)
}

func (s *simulation) oximetry() [][]byte {
	at := s.clock(s.now)
	status := u16(nil, 0)
	if _, on := s.patient.Numeric(protocol.SpO2, s.now); !on {
		status[0] = 0x08
	}
	samples := make([]float64, waveBlock)
	block := u16(nil, waveBlock)
	s.patient.Wave(protocol.Pleth, s.now.Add(-time.Second), waveRate, samples)
	for _, v := range samples {
		block = append(block, byte(math.Round(255*max(0, min(v, 1)))))
	}
	return [][]byte{
		observed(1, s.sfloat(protocol.SpO2, 0, s.now), at), observed(10, s.sfloat(protocol.PulseRate, 0, s.now), at),
		observed(20, block), observed(30, status),
	}
}

func (s *simulation) pressure() [][]byte {
	at := s.clock(s.now)
	three := listOf(s.sfloat(protocol.NIBPSystolic, 0, s.now), s.sfloat(protocol.NIBPDiastolic, 0, s.now), s.sfloat(protocol.NIBPMean, 0, s.now))
	return [][]byte{observed(1, three, at), observed(2, s.sfloat(protocol.MustCode("MDC_PULS_RATE_NON_INV"), 0, s.now), at)}
}

func (s *simulation) temperature() [][]byte {
	return [][]byte{observed(1, s.sfloat(protocol.BodyTemperature, 1, s.now), s.clock(s.now))}
}

func (s *simulation) glucose() [][]byte {
	v := s.sfloat(protocol.Glucose, 0, s.now)
	s.taken = append(s.taken, stored{s.now, v})
	return [][]byte{observed(1, v, s.clock(s.now))}
}

// remember fills the memory with readings of before.
func (s *simulation) remember() {
	for _, ago := range []time.Duration{30 * time.Hour, 6 * time.Hour, 90 * time.Minute} {
		at := s.now.Add(-ago)
		if v := s.sfloat(protocol.Glucose, 0, at); v[0] != 7 {
			s.taken = append(s.taken, stored{at, v})
		}
	}
}

// action answers the two that read the memory, and refuses all others.
func (s *simulation) action(invoke uint16, c cursor) {
	handle, kind := c.u16(), c.u16()
	argument := cursor{b: c.octets()}
	header := u16(u16(nil, int(handle)), int(kind))
	entry := append(u16(nil, 0x8000), listOf(append([]byte{0, classNumeric, 0, 2, 0x71, 0xB8, 0, 1}, listOf([]byte{attrBasic >> 8, attrBasic & 0xFF, 0, 2})...))...)
	switch {
	case handle != meterStore || s.Kind != GlucoseMeter:
		s.send(dataAPDU(invoke, answerError, []byte{0, 1, 0, 0}))
	case kind == actionSegmentInfo:
		info := listOf(append(u16(nil, 0), listOf(
			attribute(attrSegmentMap, entry),
			attribute(attrSegmentUsage, binary.BigEndian.AppendUint32(nil, uint32(len(s.taken)))))...))
		s.send(dataAPDU(invoke, answerAction, append(header, octets(info)...)))
	case kind == actionTransfer:
		s.send(dataAPDU(invoke, answerAction, append(header, octets(u16(u16(nil, int(argument.u16())), 0))...)))
		s.transfer()
	default:
		s.send(dataAPDU(invoke, answerError, []byte{0, 9, 0, 0}))
	}
}

// transfer sends the memory in pieces of two entries.
func (s *simulation) transfer() {
	be := binary.BigEndian
	for i := 0; i < len(s.taken); i += 2 {
		part := s.taken[i:min(i+2, len(s.taken))]
		status := 0
		if i == 0 {
			status |= 0x8000
		}
		if i+2 >= len(s.taken) {
			status |= pieceLast
		}
		var entries []byte
		for _, t := range part {
			entries = append(append(entries, s.clock(t.at)...), t.value...)
		}
		info := be.AppendUint32(be.AppendUint32(u16(nil, 0), uint32(i)), uint32(len(part)))
		s.pieces = append(s.pieces, append(u16(info, status), octets(entries)...))
	}
	s.pieces = append([][]byte{nil}, s.pieces...)
	s.nextPiece()
}

// nextPiece goes on after a piece that was confirmed.
func (s *simulation) nextPiece() {
	if s.pieces = s.pieces[1:]; len(s.pieces) == 0 {
		s.report, s.next = nil, s.now.Truncate(time.Second).Add(s.Every)
		return
	}
	s.report = s.event(meterStore, eventSegment, s.pieces[0])
	s.send(s.report)
	s.next = s.now.Add(simAnswer)
}
