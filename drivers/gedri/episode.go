package gedri

import (
	"encoding/binary"
	"time"

	"monitorme/protocol"
)

// An episode is a measurement that is made now and then and repeated in every
// record until the next: it is emitted once.
type episode struct {
	known, busy, old bool
	values           [4]int16
}

// A result is what a record says of an episode.
type result struct {
	values [4]int16
	fields []field
	usable bool
	busy   bool // a measurement is running
	old    bool // older than 60 s
	always bool // it is measured continuously
	taken  *time.Time
}

const continuous = 2 // the mode of cardiac output that is no episode

// oldest is how long ago an episode may have been.
const oldest = 24 * time.Hour

// episodes handles cuff pressure, cardiac output and wedge pressure.
func (d *decoder) episodes(sub []byte, at time.Time) {
	r := d.result(sub, 76, cuffFields)
	label := binary.LittleEndian.Uint16(sub[80:])
	r.usable = r.usable && label&(1<<7) == 0 // calibrating
	r.busy, r.old, r.taken = label&(1<<5) != 0, label&(1<<8) != 0, &d.taken.cuff
	d.episode(&d.cuff, r, at)

	label = binary.LittleEndian.Uint16(sub[208:])
	fields := outputFields
	if label>>2&7 == continuous {
		fields = continuousFields
	}
	r = d.result(sub, 204, fields)
	r.old, r.taken, r.always = label&1 != 0, &d.taken.output, label>>2&7 == continuous
	d.episode(&d.output, r, at)
	r = d.result(sub, 204, wedgeFields)
	r.old, r.taken = label&2 != 0, &d.taken.wedge
	d.episode(&d.wedge, r, at)
}

var (
	cuffFields       = []field{f(82, protocol.NIBPSystolic, -2), f(84, protocol.NIBPDiastolic, -2), f(86, protocol.NIBPMean, -2), f(88, cuffPulse, 0)}
	outputFields     = []field{f(210, cardiacOut, -3)}
	continuousFields = []field{f(210, mdc("OUTPUT_CARD_CTS"), -3)}
	wedgeFields      = []field{f(216, mdc("PRESS_BLD_ART_PULM_WEDGE"), -2)}
)

func (d *decoder) result(sub []byte, at int, fields []field) (r result) {
	status := binary.LittleEndian.Uint32(sub[at:])
	r.fields = fields
	for i := range fields {
		r.values[i] = number16(sub, fields[i].at)
		r.usable = r.usable || r.values[i] > noNumber
	}
	r.usable = r.usable && status&hasModule != 0 && status&isActive != 0
	return r
}

// episode emits a result that is new: the first, another one, or one of which
// the monitor says that it has just been measured.
func (d *decoder) episode(e *episode, r result, at time.Time) {
	switch {
	case r.busy:
		e.busy = true
		return
	case !r.usable:
		if e.known {
			for _, f := range r.fields {
				d.number(site{f.code, ""}, protocol.Observation{Quality: protocol.QualityMissing, DeviceTime: at})
			}
		}
		*e = episode{}
		return
	}
	isNew := !e.known || e.values != r.values || !r.old && (e.old || e.busy || r.always)
	*e = episode{known: true, old: r.old, values: r.values}
	if !isNew {
		return
	}
	o := protocol.Observation{DeviceTime: at}
	all := protocol.QualityGood
	if r.old {
		age := at.Sub(*r.taken)
		if !r.taken.IsZero() && age >= 0 && age <= oldest {
			o.DeviceTime, o.Delay = *r.taken, age
		} else {
			all, o.DeviceTime = protocol.QualityUnknown, time.Time{}
		}
	}
	*r.taken = time.Time{} // it speaks of no later measurement
	for i, f := range r.fields {
		if r.values[i] > noNumber {
			o.Quality, o.Value = all, protocol.Dec(int64(r.values[i]), f.exp)
			d.number(site{f.code, ""}, o)
		}
	}
}
