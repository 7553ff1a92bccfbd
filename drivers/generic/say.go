package generic

import (
	"slices"
	"time"

	"monitorme/drivers/mapping"
	"monitorme/protocol"
)

// say emits what the line said.
func (d *decoder) say(at time.Time) {
	if !d.told {
		d.told = true
		model := d.plan.Model
		if model == "" {
			model = "device that sends lines"
		}
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: model})
	}
	// Where each line is a sample of a wave, numbers are said once a second.
	due := true
	if d.plan.waves {
		d.lines++
		if due = d.lines >= int(d.plan.Rate); due {
			d.lines = 0
		}
	}
	for i := range d.plan.values {
		v, r, s := &d.plan.values[i], &d.now[i], &d.last[i]
		if !r.Here {
			continue
		}
		d.edge(v, s, r.Quality == protocol.QualitySensorOff, at)
		switch {
		case v.Kind == protocol.KindSamples:
			d.sample(v, r, s, at)
		case due || !s.said || s.quality != r.Quality:
			d.emit(protocol.Observation{Channel: v.Channel, Code: v.Code, Unit: v.Unit, Kind: v.Kind, Quality: r.Quality,
				Value: r.Number, Text: r.Word, Delay: d.plan.Delay, DeviceTime: at})
		}
		s.said, s.quality = true, r.Quality
	}
}

// edge emits the event of a sensor that comes off or is on again.
func (d *decoder) edge(v *value, s *state, off bool, at time.Time) {
	if s.off == off {
		return
	}
	s.off = off
	o := v.SensorOff(off)
	o.Delay, o.DeviceTime = d.plan.Delay, at
	d.emit(o)
}

// sample keeps one sample of a wave, and emits a block when it is full or what
// the samples are worth has changed.
func (d *decoder) sample(v *value, r *mapping.Reading, s *state, at time.Time) {
	// A value that is only missing is a hole in the block.
	q := r.Quality
	if q == protocol.QualityMissing {
		q = protocol.QualityGood
	}
	was := s.quality
	if was == protocol.QualityMissing {
		was = protocol.QualityGood
	}
	if len(s.raw) > 0 && was != q {
		d.flush(v, s, was, 1, at)
	}
	s.raw = append(s.raw, v.raw(r))
	if len(s.raw) >= d.plan.block {
		d.flush(v, s, q, 0, at)
	}
}

// raw is the sample as a whole number of 10^-places.
func (v *value) raw(r *mapping.Reading) int32 {
	if !r.Number.Valid || int(r.Number.Exponent) < -v.places {
		return protocol.NoSample
	}
	m, ok := mapping.Raise(r.Number, int8(-v.places))
	if !ok || m <= int64(protocol.NoSample) || m > 1<<31-1 {
		return protocol.NoSample
	}
	return int32(m)
}

// flush emits the block of a wave, whose last sample came later lines ago.
func (d *decoder) flush(v *value, s *state, q protocol.Quality, later int, at time.Time) {
	if q == protocol.QualityGood && !slices.ContainsFunc(s.raw, func(x int32) bool { return x != protocol.NoSample }) {
		q = protocol.QualityMissing
	}
	scale := v.Scale
	scale.Exponent -= int8(v.places)
	back := time.Duration(len(s.raw)-1+later) * 1000 * time.Second / time.Duration(d.plan.rateMilli)
	d.emit(protocol.Observation{Channel: v.Channel, Code: v.Code, Unit: v.Unit, Kind: protocol.KindSamples, Quality: q,
		Delay: d.plan.Delay + back, DeviceTime: at,
		Samples: &protocol.Samples{RateMilliHz: d.plan.rateMilli, Scale: scale, Offset: v.Offset, Raw: slices.Clone(s.raw)}})
	s.raw = s.raw[:0]
}
