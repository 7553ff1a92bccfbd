package hl7

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/hl7v2"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// signs are what the simulator measures, with the way from the monitor to each.
var signs = []struct {
	code protocol.Code
	unit string // MDC
	vmd  string // and channel
	cuff bool
}{
	{protocol.HeartRate, "264864^MDC_DIM_BEAT_PER_MIN^MDC", "1.1.1", false},
	{protocol.SpO2, "262688^MDC_DIM_PERCENT^MDC", "1.2.1", false},
	{protocol.PulseRate, "264864^MDC_DIM_BEAT_PER_MIN^MDC", "1.2.1", false},
	{protocol.PerfusionIndex, "262688^MDC_DIM_PERCENT^MDC", "1.2.1", false},
	{protocol.MustCode("MDC_TTHOR_RESP_RATE"), "264928^MDC_DIM_RESP_PER_MIN^MDC", "1.3.1", false},
	{protocol.MustCode("MDC_TEMP"), "268192^MDC_DIM_DEGC^MDC", "1.4.1", false},
	{protocol.NIBPSystolic, "266016^MDC_DIM_MMHG^MDC", "1.5.1", true},
	{protocol.NIBPDiastolic, "266016^MDC_DIM_MMHG^MDC", "1.5.1", true},
	{protocol.NIBPMean, "266016^MDC_DIM_MMHG^MDC", "1.5.1", true},
}

const (
	ecgRate   = 250
	ecgMicro  = 5     // microvolts of a count
	resendIn  = 10    // seconds after which a message without an answer is sent again
	noSample  = 32767 // stands where there is none
	alarmHigh = 150   // heart rate at which it rings
	alarmLow  = 85    // SpO2 likewise
	cuffEvery = 60    // seconds
	bed       = "SIM^^1"
)

// Device is a simulated monitor.
type Device struct {
	Location string // PV1-3, SIM^^1 if empty
	Patient  string // PID-3, SIM0001 if empty
	Enhanced bool   // it asks for accept acknowledgements (MSH-15 AL, MSH-16 NE)
	NoWaves  bool
}

// Simulate plays a monitor that sends its results every second, as IHE PCD-01
// and PCD-04, and nothing more until they are acknowledged.
func (m Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if m.Location == "" {
		m.Location = bed
	}
	if m.Patient == "" {
		m.Patient = "SIM0001"
	}
	p := &playing{Device: m, patient: patient}
	p.framer = hl7v2.Framer{Message: p.hear}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: time.Second, Append: p.second}},
		Answer: func(b, heard []byte, _ time.Time) []byte {
			p.out = b
			p.framer.Feed(heard)
			return p.out
		},
	})
}

type message struct {
	id   string
	text []byte // framed; nil is none
}

// playing is a simulated monitor at work.
type playing struct {
	Device
	patient drivers.Patient
	framer  hl7v2.Framer
	id      int
	waiting message   // what was sent last, until its answer comes
	since   int       // seconds that it waits
	queue   []message // messages that wait for their turn; at most maxQueue
	out     []byte

	cuffAt  time.Time
	cuff    map[protocol.Code]string
	ringing map[protocol.Code]int // seconds
	ecg     []float64
}

const maxQueue = 8

// second measures, and sends if nothing waits for an answer.
func (p *playing) second(b []byte, at time.Time) []byte {
	p.results(at)
	for _, a := range []struct {
		code  protocol.Code
		event string
		high  bool
		limit float64
		prio  string
	}{{protocol.HeartRate, "196648^MDC_EVT_HI^MDC", true, alarmHigh, "PH"}, {protocol.SpO2, "196670^MDC_EVT_LO^MDC", false, alarmLow, "PM"}} {
		v, ok := p.patient.Numeric(a.code, at)
		if on := ok && (a.high && v > a.limit || !a.high && v < a.limit); on || p.ringing[a.code] > 0 {
			p.ring(a.code, a.event, a.prio, on, at)
		}
	}
	if p.waiting.text == nil {
		return p.send(b)
	}
	if p.since++; p.since%resendIn == 0 {
		b = append(b, p.waiting.text...)
	}
	return b
}

func (p *playing) send(b []byte) []byte {
	if len(p.queue) == 0 {
		return b
	}
	p.waiting, p.since, p.queue = p.queue[0], 0, p.queue[1:]
	return append(b, p.waiting.text...)
}

// hear reads an answer; the next message goes out at once.
func (p *playing) hear(raw []byte) bool {
	var m hl7v2.Message
	if m.Parse(raw) != nil || !m.Is("ACK", "") {
		return false
	}
	for s := range m.Segments() {
		want := "AA"
		if p.Enhanced {
			want = "CA"
		}
		if s.Is("MSA") && s.Field(1).Is(want) && p.waiting.text != nil && s.Field(2).Is(p.waiting.id) {
			p.waiting = message{}
			p.out = p.send(p.out)
		}
	}
	return true
}

const clock = "20060102150405.000-0700"

// header begins a message.
func (p *playing) header(kind, profile string, at time.Time) []byte {
	p.id++
	mode := "|"
	if p.Enhanced {
		mode = "AL|NE"
	}
	b := fmt.Appendf(nil, "\x0bMSH|^~\\&|MONITORME_SIM^02AABBFFFE112233^EUI-64||||%s||%s|%d|P|2.6|||%s||UNICODE UTF-8|||%s\r", at.UTC().Format(clock), kind, p.id, mode, profile)
	return fmt.Appendf(b, "PID|||%s^^^SIM^MR||Simulated^Patient||19700101|U\rPV1||I|%s\r", p.Patient, p.Location)
}

// results is an ORU^R01 with all that is measured.
func (p *playing) results(at time.Time) {
	p.measureCuff(at)
	b := p.header("ORU^R01^ORU_R01", "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO", at)
	stamp := at.UTC().Format(clock)
	b = fmt.Appendf(b, "OBR|1|||182777000^monitoring of patient^SCT|||%s\r", stamp)
	b = append(b, "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r"...)
	for i, s := range signs {
		term, _ := protocol.Lookup(s.code)
		value, when, mark := "", stamp, ""
		if v, ok := p.patient.Numeric(s.code, at); ok {
			value = protocol.DecimalOf(v, term.Places).String()
		}
		if s.cuff {
			value, when, mark = p.cuff[s.code], p.cuffAt.UTC().Format(clock), "|||^APERIODIC"
		}
		flag, status := "", "R"
		if value == "" {
			flag, status = "NAV", "X"
		}
		b = fmt.Appendf(b, "OBX|%d|NM|%d^%s^MDC|%s.%d|%s|%s||%s|||%s|||%s%s\r", i+2, s.code, term.RefID, s.vmd, s.code, value, s.unit, flag, status, when, mark)
	}
	if !p.NoWaves {
		b = p.wave(b, at)
	}
	p.enqueue(b)
}

// enqueue ends a message and lets it wait for its turn; the oldest give way.
func (p *playing) enqueue(b []byte) {
	p.queue = append(p.queue, message{strconv.Itoa(p.id), append(b, hl7v2.End, '\r')})
	p.queue = p.queue[max(0, len(p.queue)-maxQueue):]
}

// measureCuff inflates once a minute.
func (p *playing) measureCuff(at time.Time) {
	if at.Sub(p.cuffAt) < cuffEvery*time.Second {
		return
	}
	p.cuffAt, p.cuff = at, map[protocol.Code]string{}
	for _, s := range signs {
		if v, ok := p.patient.Numeric(s.code, at); ok && s.cuff {
			p.cuff[s.code] = protocol.DecimalOf(v, 0).String()
		}
	}
}

// wave appends the last second of the ECG.
func (p *playing) wave(b []byte, at time.Time) []byte {
	if p.ecg == nil {
		p.ecg = make([]float64, ecgRate)
	}
	from := at.Add(-time.Second)
	on := p.patient.Wave(ecgWave, from, ecgRate, p.ecg)
	b = fmt.Appendf(b, "OBR|2|||100001^CONTINUOUS WAVEFORM^99SIM|||%s|%s\r", from.UTC().Format(clock), at.UTC().Format(clock))
	b = fmt.Appendf(b, "OBX|1|NA|%d^MDC_ECG_ELEC_POTL_II^MDC|1.1.1.%d|", ecgWave, ecgWave)
	for i, v := range p.ecg {
		if i > 0 {
			b = append(b, '^')
		}
		n := noSample
		if on {
			n = int(math.Round(v * 1000 / ecgMicro))
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	b = fmt.Appendf(b, "|266418^MDC_DIM_MILLI_VOLT^MDC|||||R\r")
	b = fmt.Appendf(b, "OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|1.1.1.%d.1|%d|264608^MDC_DIM_PER_SEC^MDC|||||R\r", ecgWave, ecgRate)
	b = fmt.Appendf(b, "OBX|3|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|1.1.1.%d.2|0.00%d|266418^MDC_DIM_MILLI_VOLT^MDC|||||R\r", ecgWave, ecgMicro)
	return fmt.Appendf(b, "OBX|4|NM|262196^MDC_EVT_INOP^MDC|1.1.1.%d.3|%d||||||R\r", ecgWave, noSample)
}

// ring appends an ORU^R40: at the start, every ten seconds, and at the end.
func (p *playing) ring(code protocol.Code, event, priority string, on bool, at time.Time) {
	if p.ringing == nil {
		p.ringing = map[protocol.Code]int{}
	}
	phase, state := "continue", "active"
	switch p.ringing[code]++; {
	case !on:
		phase, state = "end", "inactive"
		delete(p.ringing, code)
	case p.ringing[code] == 1:
		phase = "start"
	case p.ringing[code]%10 != 1:
		return
	}
	v := ""
	if n, ok := p.patient.Numeric(code, at); ok {
		v = protocol.DecimalOf(n, 0).String()
	}
	term, _ := protocol.Lookup(code)
	path, unit := "", ""
	for _, s := range signs {
		if s.code == code {
			path, unit = s.vmd, s.unit
		}
	}
	path = fmt.Sprintf("%s.%d", path, code)
	stamp := at.UTC().Format(clock)
	b := p.header("ORU^R40^ORU_R40", "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO", at)
	b = fmt.Appendf(b, "OBR|1|||196616^MDC_EVT_ALARM^MDC|||%s\r", stamp)
	b = fmt.Appendf(b, "OBX|1|ST|%s|%s.1|%s alarm|||%s~SP|||F|||%s\r", event, path, term.Label, priority, stamp)
	b = fmt.Appendf(b, "OBX|2|NM|%d^%s^MDC|%s.2|%s|%s|||||F\r", code, term.RefID, path, v, unit)
	for i, f := range [][2]string{{"68481^MDC_ATTR_EVENT_PHASE", phase}, {"68482^MDC_ATTR_ALARM_STATE", state}, {"68483^MDC_ATTR_ALARM_INACTIVATION_STATE", "enabled"},
		{"68484^MDC_ATTR_ALARM_PRIORITY", priority}, {"68485^MDC_ATTR_ALERT_TYPE", "SP"}} {
		b = fmt.Appendf(b, "OBX|%d|ST|%s^MDC|%s.%d|%s||||||F\r", i+3, f[0], path, i+3, f[1])
	}
	p.enqueue(b)
}
