package mindray

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/hl7v2"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated monitor. It begins with a burst and hears no question
// before its first echo, ignores lists that are too long, sends several
// messages at once and one in two pieces, freezes SpO2 when the sensor is off,
// says results again and again, and hangs up on a host without echo.
type Device struct {
	Set        Settings      // how the monitor is set
	CuffEvery  time.Duration // 0: the cuff is never inflated
	OldCuff    bool          // it has a result from before
	Local      bool          // its names are not English
	CRLF       bool          // its segments end with CR LF
	NoAll      bool          // it ignores who asks for all
	NoLists    bool          // it ignores who asks for a list
	OnChange   bool          // it says validity when it changes
	NoValidity bool          // it never says validity
}

const (
	firstBurst  = 2 * time.Second // until the first echo
	hangUp      = 10 * time.Second
	stampLayout = "20060102150405"
	noStamp     = "00000000000000"
)

// Who lies there, according to the monitor. None of it may leave the box.
const (
	simPatient = "PID|||14140f00-7bbc-0478-11122d2d02000000||ROE^RICHARD||19560312|M|"
	simVisit   = "PV1||I|^^ICU&7&3232237756&4601&&1|||||||||||||||A|||"
	simNumber  = "OBX||ST|2301^||4711-0815||||||F"
)

// Simulate plays the monitor until ctx ends, the wire fails or the host is silent.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	own, end := context.WithCancel(ctx)
	defer end()
	p := &playing{Device: d, patient: patient, began: time.Now(), end: end, present: map[int]bool{}, frozen: map[int]string{}, states: map[int]int{}}
	p.echoed = p.began
	p.host = hl7v2.Framer{Message: p.hear}
	second := func(first time.Duration, f func(b []byte, at time.Time) []byte) play.Part {
		return play.Part{Every: time.Second, First: first, Append: func(b []byte, at time.Time) []byte { return f(p.flush(b), at) }}
	}
	err := play.Run(own, wire, play.Device{
		Answer: func(b, heard []byte, at time.Time) []byte { p.now = at; p.host.Feed(heard); return b },
		Parts:  []play.Part{second(0, p.burst), second(firstBurst, p.echo), second(300*time.Millisecond, p.data), second(500*time.Millisecond, p.rest)},
	})
	if ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("no echo for %v: the monitor hangs up", hangUp)
	}
	return err
}

type playing struct {
	Device
	patient drivers.Patient
	began   time.Time
	end     context.CancelFunc
	host    hl7v2.Framer
	now     time.Time
	echoed  time.Time

	told    bool   // the burst
	late    []byte // of a message whose other half was sent
	asked   []int
	all     bool
	alarms  bool
	present map[int]bool   // modules that have measured
	frozen  map[int]string // last numbers
	states  map[int]int
	result  []string // of the cuff
	nextGo  time.Time
}

func (p *playing) flush(b []byte) []byte {
	b = append(b, p.late...)
	p.late = p.late[:0]
	return b
}

func (p *playing) rest(b []byte, _ time.Time) []byte { return b }

// message appends a message of the monitor.
func (p *playing) message(b []byte, id int, segments ...string) []byte {
	end := "\r"
	if p.CRLF {
		end = "\r\n"
	}
	b = fmt.Appendf(append(b, hl7v2.Start), "MSH|^~\\&|||||||ORU^R01|%d|P|2.3.1|%s", id, end)
	for _, s := range segments {
		b = append(append(b, s...), end...)
	}
	return append(b, hl7v2.End, '\r')
}

func (p *playing) burst(b []byte, at time.Time) []byte {
	if at.Sub(p.echoed) > hangUp {
		p.end()
	}
	if p.told {
		return b
	}
	p.told = true
	b = p.message(b, 103, simPatient, simVisit, "OBR||||Mindray Monitor|||0|", "OBX||NM|52^||189.0||||||F", "OBX||NM|51^||100.0||||||F", simNumber, "OBX||ST|2308^BedNoStr||7||||||F")
	b = p.message(b, 58, "OBX||CE|2002^|2101|1^||||||F", "OBX||CE|2002^|2103|1^||||||F")
	return p.message(b, 51, "OBX||NM|2002^|101|120||||||F")
}

func (p *playing) echo(b []byte, _ time.Time) []byte { return p.message(b, 106) }

// hear takes what the host says.
func (p *playing) hear(b []byte) bool {
	var m hl7v2.Message
	if m.Parse(b) != nil {
		return false
	}
	switch {
	case m.ControlID().Is("106"):
		p.echoed = p.now
	case m.Is("QRY", "R02") && m.ControlID().Is("1203") && p.now.Sub(p.began) >= firstBurst:
		p.asked, p.all, p.alarms = p.asked[:0], false, false
		for s := range m.Segments() {
			if s.Is("QRF") && s.Field(1).Is("MON") {
				p.ask(s.Field(5))
			}
		}
	}
	return true
}

func (p *playing) ask(f hl7v2.Value) {
	kind, _ := f.Component(2).Digits()
	all := f.Component(4).Is("1")
	switch {
	case kind != askNumbers:
		p.alarms = true
	case all:
		p.all = !p.NoAll
	case !p.NoLists:
		var ids []int
		for i := 1; !f.Component(5).Sub(i).Empty(); i++ {
			id, _ := f.Component(5).Sub(i).Digits()
			ids = append(ids, id)
		}
		if len(ids) <= maxList {
			p.asked = append(p.asked, ids...)
		}
	}
}

func (p *playing) wants(id int) bool { return p.all || slices.Contains(p.asked, id) }

// data appends what the monitor says in a second, but for half of a message.
func (p *playing) data(b []byte, at time.Time) []byte {
	if p.now.Sub(p.began) < firstBurst {
		return b
	}
	n := len(b)
	for i := 0; i < len(parameters); {
		module := parameters[i].module
		last := i
		for last < len(parameters) && parameters[last].module == module {
			last++
		}
		b = p.module(b, i, last, at)
		i = last
	}
	b = p.cuff(b, at)
	if p.alarms {
		b = p.alarmLists(b, at)
	}
	if half := len(b) - 20; half > n {
		p.late = append(p.late[:0], b[half:]...)
		b = b[:half]
	}
	return b
}

// module appends the numbers of parameters from to to, and then their validity.
func (p *playing) module(b []byte, from, to int, at time.Time) []byte {
	var values, states []string
	for i := from; i < to; i++ {
		q := &parameters[i]
		if !p.wants(q.id) || q.source == cuff {
			continue
		}
		text, on := p.number(i, at)
		p.present[q.module] = p.present[q.module] || on
		if !p.present[q.module] {
			continue
		}
		state := valid
		if !on {
			state = noValue
		}
		values = append(values, fmt.Sprintf("OBX||NM|%d^%s|%d|%s||||||F", q.id, p.name(q), q.module, text))
		if !p.OnChange || p.states[q.id] != state {
			states = append(states, fmt.Sprintf("OBX||CE|2037^|%d|%d^||||||F", q.id, state))
		}
		p.states[q.id] = state
	}
	if len(values) > 0 {
		b = p.message(b, idNumbers, values...)
	}
	if len(states) > 0 && !p.NoValidity {
		b = p.message(b, idValidity, states...)
	}
	return b
}

func (p *playing) name(q *parameter) string {
	if p.Local {
		return "参数" + strconv.Itoa(q.id)
	}
	t, _ := protocol.Lookup(q.code)
	return t.Label
}

// instead are the signs of a body that has not the one a monitor measures.
var instead = map[protocol.Code]protocol.Code{
	breathing: protocol.RespirationRate, temp: protocol.BodyTemperature, mdc("PULS_RATE"): protocol.PulseRate, mdc("PULS_RATE_NON_INV"): protocol.PulseRate,
	mdc("PRESS_BLD_ART_SYS"): protocol.ABPSystolic, mdc("PRESS_BLD_ART_DIA"): protocol.ABPDiastolic, mdc("PRESS_BLD_ART_MEAN"): protocol.ABPMean,
}

func (p *playing) numeric(code protocol.Code, at time.Time) (float64, bool) {
	v, on := p.patient.Numeric(code, at)
	if other, ok := instead[code]; ok && !on {
		return p.patient.Numeric(other, at)
	}
	return v, on
}

// number is a number as the monitor writes it, and whether it is one of now.
func (p *playing) number(i int, at time.Time) (string, bool) {
	q := &parameters[i]
	code := q.code
	if q.percent != 0 && p.Set.CO2 == "percent" {
		code = q.percent
	}
	v, on := p.numeric(code, at)
	places := p.places(q)
	if !on {
		if last, was := p.frozen[q.id]; was && q.module == 2103 && !p.NoValidity {
			return last, false
		}
		return strconv.FormatFloat(-100, 'f', places, 64), false
	}
	set := ""
	for _, c := range p.Set.choices() {
		if c.of == q.scale || c.of == temperature && q.scale == difference {
			set = c.said
		}
	}
	switch {
	case set == "kPa":
		v *= 0.133322
	case set == "F" && q.scale == difference:
		v *= 1.8
	case set == "F":
		v = v*1.8 + 32
	case set == "mm":
		v *= 10
	case set == "mmHg" && (q.scale == oxygen || q.scale == agents):
		v *= 7.6
	}
	text := strconv.FormatFloat(math.Round(v*math.Pow10(places))/math.Pow10(places), 'f', places, 64)
	p.frozen[q.id] = text
	return text, true
}

func (p *playing) places(q *parameter) int {
	switch {
	case q.scale == segment, q.source == output, q.code == ours("MAC"):
		return 2
	case q.code == protocol.PerfusionIndex:
		return 3
	case q.scale == temperature, q.scale == difference, q.scale == agents, q.scale == oxygen,
		q.scale == pressure && p.Set.Pressure == "kPa", q.scale == carbon && p.Set.CO2 != "" && p.Set.CO2 != "mmHg":
		return 1
	}
	return 0
}

// cuff appends the last result, again and again.
func (p *playing) cuff(b []byte, at time.Time) []byte {
	if !p.wants(parameters[place(170)].id) {
		return b
	}
	switch {
	case p.result == nil && p.OldCuff:
		p.measure(at, at.Add(-time.Hour))
	case p.result == nil:
		p.measure(at, time.Time{})
	case p.CuffEvery > 0 && !at.Before(p.nextGo):
		p.measure(at, at)
	case at.Second()%10 != 0:
		return b
	}
	return p.message(b, idResults, p.result...)
}

func (p *playing) measure(now, stamp time.Time) {
	if p.result == nil {
		p.nextGo = now.Add(p.CuffEvery / 4)
	} else {
		p.nextGo = now.Add(p.CuffEvery)
	}
	p.result = []string{}
	for i := range parameters {
		if q := &parameters[i]; q.source == cuff {
			text, on := p.number(i, now)
			when := stamp.UTC().Format(stampLayout)
			if !on || stamp.IsZero() {
				text, when = "-100", noStamp
			}
			p.result = append(p.result, fmt.Sprintf("OBX||NM|%d^%s|%d|%s||||||F||APERIODIC|%s", q.id, p.name(q), q.module, text, when))
		}
	}
}

// alarmLists appends the alarms there are, or empty messages.
func (p *playing) alarmLists(b []byte, at time.Time) []byte {
	var patient, technical []string
	stamp := at.UTC().Format("200601021504") + "00"
	alarm := func(level int, text string) {
		patient = append(patient, fmt.Sprintf("OBX||CE|%d|1|%s||||||F|||%s|", level, text, stamp))
	}
	hr, hasHR := p.numeric(protocol.HeartRate, at)
	spo2, hasSpO2 := p.numeric(protocol.SpO2, at)
	switch {
	case !hasHR:
		technical = append(technical, "OBX||CE|4||5^ECG Lead Off||||||F|")
	case hr > 150:
		alarm(2, "10001^**HR TOO HIGH")
	case hr < 40:
		alarm(1, "10002^***HR TOO LOW")
	}
	switch {
	case !hasSpO2:
		technical = append(technical, "OBX||CE|4||205^SpO2 Sensor Off||||||F|")
	case spo2 < 85:
		alarm(2, "10034^**SpO2 TOO LOW")
	}
	if len(patient) > 0 {
		patient = append(patient, "OBX||CE|2040^||0^||||||F")
	}
	return p.message(p.message(b, idPhysiological, patient...), idTechnical, technical...)
}
