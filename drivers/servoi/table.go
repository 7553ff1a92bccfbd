package servoi

import (
	"bytes"
	"strconv"

	"monitorme/protocol"
)

func mdc(name string) protocol.Code  { return protocol.MustCode("MDC_" + name) }
func ours(name string) protocol.Code { return protocol.MustCode("MONITORME_" + name) }

// A meaning is what a channel is kept as.
type meaning struct {
	channel int
	code    protocol.Code
}

// The channels that are wanted, each kind in this order. What the ventilator
// offers of them makes its tables; at most 4 curves, 50 breaths, 75 settings.
var (
	curves = []meaning{{100, mdc("FLOW_AWAY")}, {113, mdc("PRESS_AWAY")}, {114, ours("WAVE_VOLUME")}, {119, mdc("AWAY_CO2")}}
	breath = []meaning{
		{200, protocol.RespirationRate}, {201, mdc("VOL_AWAY_TIDAL_EXP")}, {202, mdc("VOL_AWAY_TIDAL_INSP")}, {203, mdc("VOL_MINUTE_AWAY_INSP")}, {204, mdc("VOL_MINUTE_AWAY_EXP")},
		{205, mdc("PRESS_AWAY_INSP_MAX")}, {206, mdc("VENT_PRESS_AWAY_MEAN")}, {207, mdc("VENT_PRESS_RESP_PLAT")}, {208, mdc("VENT_PRESS_AWAY_END_EXP_POS")},
		{209, mdc("CONC_AWAY_O2_INSP")}, {210, ours("AMBIENT_PRESSURE")}, {226, ours("CO2_PRODUCTION")}, {231, mdc("RES_AWAY_EXP")}, {232, mdc("COMPL_LUNG_STATIC")},
		{233, ours("END_EXPIRATORY_FLOW")}, {236, mdc("RES_AWAY_INSP")}, {238, mdc("RATIO_IE")}, {239, ours("INSPIRATION_TIME")}, {241, mdc("COMPL_LUNG_DYN")}, {242, ours("LEAK_FRACTION")},
		{245, mdc("PRESS_AWAY_END_EXP_POS_TOTAL")}, {247, mdc("VENT_RESP_BTSD_PS_RATE")}, {248, ours("MINUTE_VOLUME_SPONTANEOUS")}, {252, ours("WORK_OF_BREATHING")},
		{254, mdc("VENT_PRESS_OCCL")}, {259, mdc("RESP_RAPID_SHALLOW_BREATHING_INDEX")}, {260, mdc("AWAY_CO2_ET")},
	}
	settings = []meaning{
		{300, mdc("VENT_RESP_RATE_SETTING")}, {305, ours("MINUTE_VOLUME_SETTING")}, {306, mdc("VENT_PRESS_AWAY_DELTA_SETTING")}, {307, ours("PRESSURE_SUPPORT_SETTING")},
		{308, mdc("VENT_PRESS_AWAY_END_EXP_POS_SETTING")}, {modeChannel, mode}, {315, ours("PRESSURE_LIMIT_SETTING")}, {323, mdc("CONC_AWAY_O2_INSP_SETTING")},
		{333, mdc("RATIO_IE_SETTING")}, {334, mdc("VENT_VOL_TIDAL_SETTING")}, {343, ours("INSPIRATION_TIME_SETTING")}, {355, ours("APNEA_TIME_SETTING")},
	}
	mode = mdc("VENT_MODE")
)

const modeChannel = 310

var modes = map[uint16]string{
	2: "PC", 3: "VC", 4: "PRVC", 5: "VS", 6: "SIMV (VC) + PS", 7: "SIMV (PC) + PS", 8: "PS/CPAP", 9: "mode not supported", 10: "SIMV (PRVC) + PS", 11: "Bivent",
	12: "PC NIV", 13: "PS NIV", 14: "nasal CPAP", 15: "NAVA", 17: "NIV NAVA", 18: "Automode PC", 19: "Automode VC", 20: "Automode PRVC", 21: "Automode PS", 22: "Automode VS", 23: "Automode VS",
}

// An alarm is one of the ventilator's, with a priority of ours: it tells none.
type alarm struct {
	channel int
	code    protocol.Code
	text    string
	kind    protocol.AlarmType
	prio    protocol.Priority
	from    protocol.Code
}

const (
	patients  = protocol.AlarmPhysiological
	technical = protocol.AlarmTechnical
	high      = protocol.PriorityHigh
	medium    = protocol.PriorityMedium
	low       = protocol.PriorityLow
)

var alarms = []alarm{
	{400, protocol.EventHigh, "O2 concentration too high", patients, medium, mdc("CONC_AWAY_O2_INSP")},
	{401, protocol.EventLow, "O2 concentration too low", patients, high, mdc("CONC_AWAY_O2_INSP")},
	{402, protocol.EventHigh, "end-tidal CO2 too high", patients, medium, mdc("AWAY_CO2_ET")},
	{403, protocol.EventLow, "end-tidal CO2 too low", patients, medium, mdc("AWAY_CO2_ET")},
	{410, protocol.EventHigh, "airway pressure above its upper limit", patients, high, mdc("PRESS_AWAY_INSP_MAX")},
	{411, protocol.EventAlarm, "expired minute volume", patients, high, mdc("VOL_MINUTE_AWAY_EXP")},
	{412, mdc("EVT_APNEA"), "apnoea, or backup ventilation", patients, high, protocol.RespirationRate},
	{413, protocol.EventAlarm, "gas supply", technical, high, 0},
	{414, mdc("EVT_BATT_PROB"), "battery", technical, medium, 0},
	{416, protocol.EventAlarm, "power failure", technical, high, 0},
	{417, protocol.EventAlarm, "mains failure", technical, low, 0},
	{422, mdc("EVT_MALF"), "barometer error", technical, low, 0},
	{423, protocol.EventHigh, "high continuous pressure", patients, high, mdc("VENT_PRESS_AWAY_MEAN")},
	{424, protocol.EventAlarm, "overrange", technical, medium, 0},
	{425, protocol.EventSensorOff, "O2 cell disconnected", technical, medium, mdc("CONC_AWAY_O2_INSP")},
	{426, mdc("EVT_MALF"), "computer interface: internal communication", technical, low, 0},
	{430, protocol.EventAlarm, "more than 2 min in waiting position", technical, medium, 0},
	{431, protocol.EventAlarm, "no patient effort", patients, medium, protocol.RespirationRate},
	{432, protocol.EventAlarm, "leakage out of range", technical, medium, 0},
	{433, protocol.EventAlarm, "check tubing", technical, high, 0},
	{434, protocol.EventAlarm, "pressure is limited", technical, medium, 0},
	{435, protocol.EventHigh, "breath frequency high", patients, medium, protocol.RespirationRate},
	{436, protocol.EventLow, "breath frequency low", patients, medium, protocol.RespirationRate},
	{437, protocol.EventLow, "PEEP low", patients, medium, mdc("VENT_PRESS_AWAY_END_EXP_POS")},
	{438, protocol.EventHigh, "PEEP high", patients, medium, mdc("VENT_PRESS_AWAY_END_EXP_POS")},
	{439, protocol.EventHigh, "CPAP high", patients, medium, 0},
	{440, protocol.EventLow, "CPAP low", patients, medium, 0},
	{445, protocol.EventHigh, "expired minute volume too high", patients, high, mdc("VOL_MINUTE_AWAY_EXP")},
	{446, protocol.EventLow, "expired minute volume too low", patients, high, mdc("VOL_MINUTE_AWAY_EXP")},
	{449, mdc("EVT_SENSOR_PROB"), "check the Edi catheter", technical, low, 0},
	{452, protocol.EventAlarm, "leakage too high", technical, medium, 0},
	{498, protocol.EventAlarm, "alarm of high priority", protocol.AlarmUnknown, high, 0},
}

// unitCodes are the ventilator's numbers of units.
var unitCodes = [...]protocol.Unit{1: "mL", 2: "mL/s", 3: "mL/min", 4: "cm[H2O]", 5: "mL/cm[H2O]", 6: "/min", 7: "%", 8: "L/min", 9: "cm[H2O]/(L/s)", 10: "mm[Hg]",
	11: "kPa", 12: "mbar", 13: "mV", 14: "s", 15: "L/s", 16: "cm[H2O]/L", 17: "L", 18: "J/L", 19: "uV", 20: "1", 21: "cm[H2O]/uV", 22: "/min/L", 23: "min"}

// A channel is one of the ventilator's configuration, with what it is kept as.
type channel struct {
	number       int
	code         protocol.Code
	gain, offset protocol.Decimal // value = raw*gain - offset
	unit         protocol.Unit
	alarm        *alarm
	known        bool // has had a value
	active       bool // of an alarm
}

// A config is what the ventilator offers, and the tables made of it: the host
// defines the same ones that the decoder expects.
type config struct {
	sampling                        int // ms
	curves, breath, settings, alarm []channel
}

// parseConfig reads the answer to RCCO: the sampling time, then for each
// channel number, gain, offset, unit, type and an id.
func parseConfig(text []byte) (c config, ok bool) {
	head, rest, found := bytes.Cut(text, []byte{';'})
	sampling, err := strconv.Atoi(string(head))
	if !found || err != nil || sampling < 1 || sampling > 1000 || bytes.Count(rest, []byte{','}) < 5 {
		return c, false
	}
	c.sampling = sampling
	offered := map[int]channel{}
	for entry := range bytes.SplitSeq(rest, []byte{';'}) {
		parts := bytes.Split(bytes.TrimSpace(entry), []byte{','})
		if len(parts) < 5 {
			continue
		}
		n, err := strconv.Atoi(string(parts[0]))
		if err != nil {
			continue
		}
		ch := channel{number: n}
		ch.gain, _ = protocol.ParseDecimal(string(parts[1]))
		ch.offset, _ = protocol.ParseDecimal(string(parts[2]))
		if u, err := strconv.Atoi(string(parts[3])); err == nil && u > 0 && u < len(unitCodes) {
			ch.unit = unitCodes[u]
		}
		offered[n] = ch
	}
	choose := func(all []meaning) (chosen []channel) {
		for _, m := range all {
			if ch, ok := offered[m.channel]; ok && (m.code == mode || ch.sane() && convertible(ch.unit, m.code)) {
				ch.code = m.code
				chosen = append(chosen, ch)
			}
		}
		return chosen
	}
	c.curves, c.breath, c.settings = choose(curves), choose(breath), choose(settings)
	for i := range alarms {
		if _, ok := offered[alarms[i].channel]; ok {
			c.alarm = append(c.alarm, channel{number: alarms[i].channel, code: alarms[i].code, alarm: &alarms[i]})
		}
	}
	return c, true
}

// sane tells whether gain and offset can be computed with.
func (c channel) sane() bool {
	fits := func(d protocol.Decimal) bool {
		return d.Valid && d.Exponent >= -9 && d.Exponent <= 3 && max(d.Mantissa, -d.Mantissa) < 1e8
	}
	return fits(c.gain) && fits(c.offset) && c.gain.Mantissa != 0
}

func convertible(from protocol.Unit, code protocol.Code) bool {
	_, ok := protocol.Convert(protocol.Int(1), from, unitOf[code])
	return ok
}

// value is the number that stands for raw, in the ventilator's unit, exactly.
func (c channel) value(raw int64) protocol.Decimal {
	v := protocol.Dec(raw*c.gain.Mantissa, c.gain.Exponent)
	o := c.offset
	for v.Exponent > o.Exponent {
		v.Mantissa, v.Exponent = v.Mantissa*10, v.Exponent-1
	}
	for o.Exponent > v.Exponent {
		o.Mantissa, o.Exponent = o.Mantissa*10, o.Exponent-1
	}
	v.Mantissa -= o.Mantissa
	return v
}

// codes are all that the decoder can emit, with their units.
var codes, unitOf = func() (all []protocol.Code, units map[protocol.Code]protocol.Unit) {
	units = map[protocol.Code]protocol.Unit{}
	add := func(c protocol.Code) {
		if _, ok := units[c]; !ok {
			t, _ := protocol.Lookup(c)
			units[c] = t.Unit
			all = append(all, c)
		}
	}
	for _, c := range []protocol.Code{protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware} {
		add(c)
	}
	for _, list := range [][]meaning{curves, breath, settings} {
		for _, m := range list {
			add(m.code)
		}
	}
	for _, a := range alarms {
		add(a.code)
	}
	return all, units
}()
