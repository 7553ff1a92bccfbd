package live

import (
	"encoding/json"
	"strconv"
	"time"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// AppendTime appends t as a JSON string in RFC 3339 with milliseconds, or null
// for the zero time.
func AppendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	return append(b, '"')
}

// AppendString appends s as a JSON string.
func AppendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f || c == '<' || c == '>' || c == '&' {
			q, _ := json.Marshal(s) // a string cannot fail
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// AppendValue appends the JSON of one value, in the shape that the REST API
// and the stream share (docs/ARCHITECTURE.md, Value).
func AppendValue(b []byte, o *protocol.Observation, received time.Time) []byte {
	term, _ := protocol.Lookup(o.Code)
	b = append(b, `{"device":`...)
	b = AppendString(b, string(o.Device))
	b = append(b, `,"channel":`...)
	b = AppendString(b, o.Channel)
	b = append(b, `,"code":`...)
	b = strconv.AppendUint(b, uint64(o.Code), 10)
	b = append(b, `,"ref_id":`...)
	b = AppendString(b, term.RefID)
	b = append(b, `,"label":`...)
	b = AppendString(b, term.Label)
	b = append(b, `,"sign":`...)
	b = AppendString(b, string(term.Sign))
	b = append(b, `,"value":`...)
	if o.Kind == protocol.KindNumeric && o.Quality.HasNumber() && o.Value.Valid {
		b = o.Value.Append(b)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"text":`...)
	b = AppendString(b, o.Text)
	b = append(b, `,"unit":`...)
	b = AppendString(b, string(o.Unit))
	b = append(b, `,"places":`...)
	b = strconv.AppendInt(b, int64(term.Places), 10)
	b = append(b, `,"quality":"`...)
	b = append(b, o.Quality.String()...)
	b = append(b, `","clock":"`...)
	b = append(b, o.Clock.String()...)
	b = append(b, `","at":`...)
	b = AppendTime(b, o.At)
	b = append(b, `,"received":`...)
	b = AppendTime(b, received)
	b = append(b, `,"stale_after_s":`...)
	b = strconv.AppendFloat(b, term.StaleAfter.Seconds(), 'f', -1, 64)
	return append(b, '}')
}

// appendValues makes the data of a values event, or nil if obs has only samples.
func appendValues(b []byte, bed registry.BedID, received time.Time, obs []protocol.Observation) []byte {
	n := 0
	for i := range obs {
		if obs[i].Kind == protocol.KindSamples {
			continue
		}
		if n == 0 {
			b = append(b, `{"bed":`...)
			b = AppendString(b, string(bed))
			b = append(b, `,"received":`...)
			b = AppendTime(b, received)
			b = append(b, `,"values":[`...)
		} else {
			b = append(b, ',')
		}
		b = AppendValue(b, &obs[i], received)
		n++
	}
	if n == 0 {
		return nil
	}
	return append(b, "]}"...)
}

// appendWave makes the data of a wave event.
func appendWave(b []byte, bed registry.BedID, o *protocol.Observation) []byte {
	b = append(b, `{"bed":`...)
	b = AppendString(b, string(bed))
	b = append(b, `,"device":`...)
	b = AppendString(b, string(o.Device))
	b = append(b, `,"channel":`...)
	b = AppendString(b, o.Channel)
	b = append(b, `,"code":`...)
	b = strconv.AppendUint(b, uint64(o.Code), 10)
	b = append(b, `,"at":`...)
	b = AppendTime(b, o.At)
	b = append(b, `,"rate_hz":`...)
	b = strconv.AppendFloat(b, o.Samples.RateHz(), 'f', -1, 64)
	b = append(b, `,"scale":`...)
	b = o.Samples.Scale.Append(b)
	b = append(b, `,"offset":`...)
	if o.Samples.Offset.Valid {
		b = o.Samples.Offset.Append(b)
	} else {
		b = append(b, '0')
	}
	b = append(b, `,"quality":"`...)
	b = append(b, o.Quality.String()...)
	b = append(b, `","samples":[`...)
	for i, raw := range o.Samples.Raw {
		if i > 0 {
			b = append(b, ',')
		}
		if raw == protocol.NoSample {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, int64(raw), 10)
		}
	}
	return append(b, "]}"...)
}

// appendBox makes the data of a box event.
func appendBox(b []byte, bed registry.BedID, now BoxNow) []byte {
	devices := now.State.Devices
	if devices == nil {
		devices = []protocol.DeviceState{}
	}
	list, err := json.Marshal(devices)
	if err != nil { // a DeviceState is plain data
		list = []byte("[]")
	}
	b = append(b, `{"bed":`...)
	b = AppendString(b, string(bed))
	b = append(b, `,"box":`...)
	b = AppendString(b, string(now.Box))
	b = append(b, `,"online":`...)
	b = strconv.AppendBool(b, now.Online)
	b = append(b, `,"last_contact":`...)
	b = AppendTime(b, now.LastContact)
	b = append(b, `,"devices":`...)
	b = append(b, list...)
	return append(b, '}')
}
