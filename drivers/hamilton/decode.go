package hamilton

import (
	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	stx        = 0x02
	etx        = 0x03
	cr         = 0x0D
	answerSize = 9
	modeID     = 40
)

// A parameter is one that is asked for.
type parameter struct {
	id   byte
	code protocol.Code
	unit protocol.Unit // set from the term
}

func mdc(name string) protocol.Code  { return protocol.MustCode("MDC_" + name) }
func ours(name string) protocol.Code { return protocol.MustCode("MONITORME_" + name) }

// fast are asked for each second, slow in turn.
var (
	fast = named([]parameter{
		{id: 63, code: protocol.RespirationRate}, {id: 61, code: mdc("VOL_AWAY_TIDAL_EXP")}, {id: 62, code: mdc("VOL_MINUTE_AWAY_EXP")}, {id: 66, code: mdc("PRESS_AWAY_INSP_MAX")},
		{id: 67, code: mdc("VENT_PRESS_AWAY_MEAN")}, {id: 68, code: mdc("VENT_PRESS_AWAY_END_EXP_POS")}, {id: 69, code: mdc("VENT_PRESS_RESP_PLAT")}, {id: 71, code: mdc("CONC_AWAY_O2_INSP")},
	})
	slow = named([]parameter{
		{id: 60, code: mdc("VOL_AWAY_TIDAL_INSP")}, {id: 64, code: mdc("VENT_RESP_BTSD_PS_RATE")}, {id: 36, code: protocol.SpO2}, {id: 37, code: protocol.PulseRate},
		{id: 72, code: mdc("RES_AWAY_INSP")}, {id: 73, code: mdc("RES_AWAY_EXP")}, {id: 74, code: mdc("COMPL_LUNG")}, {id: 75, code: mdc("FLOW_AWAY_INSP_MAX")},
		{id: 103, code: mdc("PRESS_AWAY_END_EXP_POS_INTRINSIC")}, {id: 112, code: mdc("PRESS_AWAY_MIN")}, {id: 113, code: ours("INSPIRATION_TIME")}, {id: 115, code: mdc("VENT_PRESS_OCCL")},
		{id: modeID, code: mode}, {id: 41, code: mdc("VENT_RESP_RATE_SETTING")}, {id: 43, code: mdc("VENT_VOL_TIDAL_SETTING")}, {id: 48, code: mdc("VENT_PRESS_AWAY_END_EXP_POS_SETTING")},
		{id: 49, code: ours("PRESSURE_SUPPORT_SETTING")}, {id: 50, code: mdc("CONC_AWAY_O2_INSP_SETTING")}, {id: 87, code: mdc("VENT_PRESS_AWAY_DELTA_SETTING")},
	})
	mode = mdc("VENT_MODE")
	byID = index(fast, slow)
)

func named(all []parameter) []parameter {
	for i := range all {
		t, _ := protocol.Lookup(all[i].code)
		all[i].unit = t.Unit
	}
	return all
}

func index(lists ...[]parameter) (all [256]*parameter) {
	for _, l := range lists {
		for i := range l {
			all[l[i].id] = &l[i]
		}
	}
	return all
}

var modes = map[int64]string{1: "(S)CMV", 2: "SIMV", 4: "Spont", 16: "ambient", 17: "PSIMV", 19: "PCMV", 20: "APVsimv", 21: "APVcmv", 22: "ASV", 23: "DuoPAP", 24: "APRV", 25: "NIV", 26: "AVtS"}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	known  [256]bool // ids that have had a value
}

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: answerSize, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame handles an answer: start, id, five characters, end. There is no check,
// so nothing is let through that is not exactly of this form.
func (d *decoder) frame(b []byte) int {
	if b[0] != stx {
		return framer.Skip
	}
	if len(b) >= 2 && byID[b[1]] == nil && b[1] != 'R' {
		return framer.Skip
	}
	refused := true
	for i := 2; i < min(len(b), 7); i++ {
		c := b[i]
		refused = refused && c == "ERROR"[i-2]
		if c != ' ' && c != '.' && c != '-' && (c < '0' || c > '9') && !(refused && b[1] == 'R') {
			return framer.Skip
		}
	}
	if len(b) >= 8 && b[7] != etx || len(b) >= 9 && b[8] != cr {
		return framer.Skip
	}
	if len(b) < answerSize {
		return framer.More
	}
	if p := byID[b[1]]; p != nil {
		v, ok := number(b[2:7])
		if !ok {
			return framer.Skip
		}
		d.value(p, v)
	} else if !refused {
		return framer.Skip
	}
	return answerSize
}

func (d *decoder) value(p *parameter, v protocol.Decimal) {
	o := protocol.Observation{Code: p.code, Unit: p.unit, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: v}
	if p.id == modeID {
		o.Kind, o.Value = protocol.KindEnumeration, protocol.Decimal{}
		if o.Text = modes[v.Mantissa]; o.Text == "" && v.Valid {
			o.Text = "unknown mode"
		}
	}
	if !v.Valid {
		if !d.known[p.id] {
			return
		}
		o.Quality = protocol.QualityMissing
	}
	d.known[p.id] = true
	d.emit(o)
}

// number reads five characters: blanks, then digits, perhaps with a minus
// before and a point among them. Nines only are no value; the second result
// is false if it is no number at all.
func number(b []byte) (v protocol.Decimal, ok bool) {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	point, nines := false, 0
	for _, c := range b {
		switch {
		case c == '.' && !point:
			point = true
		case c >= '0' && c <= '9':
			v.Mantissa, ok = v.Mantissa*10+int64(c-'0'), true
			if point {
				v.Exponent--
			}
			if c == '9' {
				nines++
			}
		default:
			return v, false
		}
	}
	if !ok || nines == 4 && v.Mantissa == 9999 && !neg {
		return protocol.Decimal{}, ok
	}
	if neg {
		v.Mantissa = -v.Mantissa
	}
	v.Valid = true
	return v, true
}
