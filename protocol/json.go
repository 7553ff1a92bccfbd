package protocol

import (
	"encoding/json"
	"strconv"
	"time"
)

// MarshalJSON gives o as one JSON object in one line, for people and scripts:
//
//	{"code":"MDC_PULS_OXIM_SAT_O2","code_id":150456,"kind":"numeric","value":97,"unit":"%","quality":"good"}
//
// Channel, device, unit and times are left out where o has none. A numeric
// without a value, or whose quality forbids to show it, has "value":null.
// Samples are the raw numbers, null where missing: physical value = offset +
// scale*sample. Decimals are exact, with the places the device gave.
func (o Observation) MarshalJSON() ([]byte, error) { return o.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON gives to b.
func (o *Observation) AppendJSON(b []byte) []byte {
	b = append(b, `{"code":`...)
	b = appendRefID(b, o.Code)
	b = append(b, `,"code_id":`...)
	b = strconv.AppendUint(b, uint64(o.Code), 10)
	b = appendPair(b, "kind", o.Kind.String())
	if o.Channel != "" {
		b = appendPair(b, "channel", o.Channel)
	}
	if o.Device != "" {
		b = appendPair(b, "device", string(o.Device))
	}
	if o.Kind == KindNumeric || o.Value.Valid {
		b = append(b, `,"value":`...)
		if o.Value.Valid && o.Quality.HasNumber() {
			b = o.Value.Append(b)
		} else {
			b = append(b, "null"...)
		}
	}
	if o.Kind == KindEnumeration || o.Text != "" {
		b = appendPair(b, "text", o.Text)
	}
	if o.Unit != "" {
		b = appendPair(b, "unit", string(o.Unit))
	}
	b = appendPair(b, "quality", o.Quality.String())
	b = appendInstant(b, "at", o.At)
	b = appendInstant(b, "device_time", o.DeviceTime)
	if o.Samples != nil {
		b = o.Samples.appendJSON(b)
	}
	if o.Event != nil {
		b = o.Event.appendJSON(b)
	}
	return append(b, '}')
}

func (s *Samples) appendJSON(b []byte) []byte {
	b = append(b, `,"rate_hz":`...)
	rate := Dec(int64(s.RateMilliHz), -3)
	for rate.Exponent < 0 && rate.Mantissa%10 == 0 {
		rate.Mantissa /= 10
		rate.Exponent++
	}
	b = rate.Append(b)
	b = append(b, `,"scale":`...)
	b = appendNumber(b, s.Scale)
	b = append(b, `,"offset":`...)
	b = appendNumber(b, s.Offset)
	b = append(b, `,"samples":[`...)
	for i, v := range s.Raw {
		if i > 0 {
			b = append(b, ',')
		}
		if v == NoSample {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, int64(v), 10)
		}
	}
	return append(b, ']')
}

func (e *Event) appendJSON(b []byte) []byte {
	b = append(b, `,"event":{"phase":"`...)
	b = append(b, e.Phase.String()...)
	b = append(b, '"')
	b = appendPair(b, "priority", e.Priority.String())
	b = appendPair(b, "type", e.Type.String())
	if e.Source != 0 {
		b = append(b, `,"source":`...)
		b = appendRefID(b, e.Source)
	}
	if e.Text != "" {
		b = appendPair(b, "text", e.Text)
	}
	b = appendInstant(b, "from", e.From)
	b = appendInstant(b, "to", e.To)
	return append(b, '}')
}

func appendNumber(b []byte, d Decimal) []byte {
	if !d.Valid {
		return append(b, '0')
	}
	return d.Append(b)
}

func appendRefID(b []byte, c Code) []byte {
	if t, ok := termByCode[c]; ok {
		return appendQuoted(b, t.RefID)
	}
	return append(strconv.AppendUint(append(b, `"MDC_UNKNOWN_`...), uint64(c), 10), '"')
}

func appendInstant(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(append(b, ',', '"'), key...), `":"`...)
	return append(t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z"), '"')
}

func appendPair(b []byte, key, value string) []byte {
	b = append(append(append(b, ',', '"'), key...), '"', ':')
	return appendQuoted(b, value)
}

// appendQuoted leaves all but the plainest strings to encoding/json.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) // a string always can be
			return append(b, q...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
