package intellivue

import (
	"math"

	"monitorme/protocol"
)

// A simNumber is one value of a numeric.
type simNumber struct {
	physio uint16
	value  float64 // NaN: none
}

// A simNumeric is a numeric of the simulated monitor.
type simNumeric struct {
	handle uint16
	label  uint32
	name   string // localised, as on the screen
	unit   uint16
	places int
	access uint16
	ids    []uint16
	codes  []protocol.Code // by which the patient is asked: the first that is there
}

// Access of metrics.
const (
	simContinuous = accessPeriodic
	simEpisodic   = 0x8000 | accessEpisodic | accessContinuous
)

var simNumerics = []simNumeric{
	{0x8201, 0x00024182, "FC", 0x0AA0, 0, simContinuous, []uint16{0x4182}, []protocol.Code{protocol.HeartRate}},
	{0x8202, 0x00024BB8, "SpO2", 0x0220, 0, simContinuous, []uint16{0x4BB8}, []protocol.Code{protocol.SpO2}},
	{0x8203, 0x00024822, "Pouls", 0x0AA0, 0, simContinuous, []uint16{0x4822}, []protocol.Code{protocol.PulseRate}},
	{0x8204, 0x00024BB0, "Perf", 0x0200, 1, simContinuous, []uint16{0x4BB0}, []protocol.Code{protocol.PerfusionIndex}},
	{0x8205, 0x0002500A, "FR", 0x0AE0, 0, simContinuous, []uint16{0x500A}, []protocol.Code{protocol.RespirationRate}},
	{0x8206, 0x00024A04, "PNI", 0x0F20, 0, simEpisodic, []uint16{0x4A05, 0x4A06, 0x4A07}, []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean}},
	{0x8207, 0x00024A14, "PA", 0x0F20, 0, simContinuous, []uint16{0x4A15, 0x4A16, 0x4A17}, []protocol.Code{protocol.ABPSystolic, protocol.ABPDiastolic, protocol.ABPMean}},
	{0x8208, 0x00024B60, "Tcent", 0x17A0, 1, simContinuous, []uint16{0x4B60}, []protocol.Code{protocol.MustCode("MDC_TEMP_CORE")}},
}

const simCuff = 0x8206

// ask is the patient's value, NaN if the sensor is off. A body that knows only
// one temperature has that one at its core.
func (p *playing) ask(code protocol.Code) float64 {
	if v, ok := p.patient.Numeric(code, p.at); ok {
		return v
	}
	if code == protocol.MustCode("MDC_TEMP_CORE") {
		if v, ok := p.patient.Numeric(protocol.BodyTemperature, p.at); ok {
			return v
		}
	}
	return math.NaN()
}

// inflate takes a pressure by the cuff.
func (p *playing) inflate() {
	p.cuffAt = p.at
	for _, n := range simNumerics {
		if n.handle == simCuff {
			for i, id := range n.ids {
				p.cuff[i] = simNumber{id, p.ask(n.codes[i])}
			}
		}
	}
}

// numerics are all of them, with what describes them if that is wanted.
func (p *playing) numerics(described bool) [][]byte {
	var all [][]byte
	for _, n := range simNumerics {
		var list []byte
		count := 1
		if described {
			spec := appendFields(nil, 0, 1024*ticksPerSecond/1000, 1, n.access, 0x0101, 0)
			list = append(list, attribute(attrLabel, appendFields(nil, uint16(n.label>>16), uint16(n.label)))...)
			list = append(list, attribute(0x0927, appendLabel16(nil, n.name))...)
			list = append(list, attribute(attrMetricSpec, spec)...)
			count += 3
		}
		var values []byte
		for i, id := range n.ids {
			v := p.ask(n.codes[i])
			if n.handle == simCuff {
				v = p.cuff[i].value
			}
			state := uint16(0)
			if math.IsNaN(v) {
				state = stateInvalid
			}
			values = appendFloat(appendFields(values, id, state, n.unit), v, n.places)
		}
		if len(n.ids) > 1 {
			values = append(appendFields(nil, uint16(len(n.ids)), uint16(len(values))), values...)
			list = append(list, attribute(attrCompound, values)...)
		} else {
			list = append(list, attribute(attrNumeric, values)...)
		}
		if n.handle == simCuff {
			list = append(list, attribute(attrStampAbsolute, appendAbsolute(nil, p.cuffAt))...)
			count++
		}
		all = append(all, appendObject(n.handle, attributes(count, list)))
	}
	return all
}

// alarmed is the alarm monitor with its two lists.
func (p *playing) alarmed() []byte {
	var patient, technical []byte
	counts := [2]uint16{}
	add := func(list *[]byte, n int, source, code, kind uint16, handle uint16, text string) {
		counts[n]++
		*list = append(*list, appendAlarm(nil, source, code, kind, handle, text)...)
	}
	hr, spo2 := p.ask(protocol.HeartRate), p.ask(protocol.SpO2)
	if math.IsNaN(hr) {
		add(&technical, 1, 0x4182, 0x0112, 0x0001, 0x8201, "ECG LEADS OFF")
	}
	if math.IsNaN(spo2) {
		add(&technical, 1, 0x4BB8, 0x0134, 0x0001, 0x8202, "SpO2 NO SENSOR")
	}
	switch {
	case hr > 120:
		add(&patient, 0, 0x4182, 0x0028, 0x0200, 0x8201, "** HR HIGH")
	case hr < 50:
		add(&patient, 0, 0x4182, 0x003E, 0x0200, 0x8201, "** HR LOW")
	}
	switch {
	case spo2 < 80:
		add(&patient, 0, 0x4BB8, 0x0CAE, 0x0400, 0x8202, "*** DESAT")
	case spo2 < 90:
		add(&patient, 0, 0x4BB8, 0x003E, 0x0200, 0x8202, "** SpO2 LOW")
	}
	return appendObject(0, attributes(2,
		attribute(attrPatientAlarms, append(appendFields(nil, counts[0], uint16(len(patient))), patient...)),
		attribute(attrTechnicalAlarms, append(appendFields(nil, counts[1], uint16(len(technical))), technical...))))
}

// appendAlarm appends an entry of an alarm list, with its text.
func appendAlarm(b []byte, source, code, kind, handle uint16, text string) []byte {
	info := appendLabel16(appendFields(nil, 0, 0x8000, 1, 0, 0x4000), text)
	b = appendFields(b, source, code, kind, 0, classNumeric, simContext, handle, infoWithText, uint16(len(info)))
	return append(b, info...)
}
