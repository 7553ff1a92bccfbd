package warmer

import (
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

type simulator = func(context.Context, drivers.Port, drivers.Patient) error

func simulate(every time.Duration, line func(b []byte, p drivers.Patient, at time.Time) []byte) simulator {
	return func(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
		return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: every, First: time.Second,
			Append: func(b []byte, at time.Time) []byte { return line(b, patient, at) }}}})
	}
}

// usual is what the device itself shows and does, for a body that does not know
// of it: most models and recordings are of a patient, not of an incubator.
var usual = map[protocol.Code]float64{air: 34.2, setting: 36.5, heater: 42, humidity: 61, oxygen: 28}

// numeric is a value of the patient or of what the patient lies in. A skin probe
// shows the temperature of a body whose skin has none of its own. A device in
// which nobody lies shows nothing.
func numeric(p drivers.Patient, code protocol.Code, at time.Time) (float64, bool) {
	if v, on := p.Numeric(code, at); on {
		return v, true
	}
	if code == skin {
		return p.Numeric(protocol.BodyTemperature, at)
	}
	v, own := usual[code]
	for _, sign := range []protocol.Code{protocol.BodyTemperature, protocol.SpO2, protocol.HeartRate} {
		if _, there := p.Numeric(sign, at); own && there {
			return v, true
		}
	}
	return 0, false
}

// whole is a value as a whole number of steps, 0 for none.
func whole(p drivers.Patient, code protocol.Code, at time.Time, step, high float64) int {
	v, _ := numeric(p, code, at)
	return int(math.Round(min(max(v, 0), high) / step))
}

// power is the heater's, or dashes.
func power(p drivers.Patient, at time.Time) string {
	if v, on := numeric(p, heater, at); on {
		return fmt.Sprint(math.Round(min(max(v, 0), 100)))
	}
	return "--"
}

func text(p drivers.Patient, code protocol.Code, at time.Time) string {
	if v, on := numeric(p, code, at); on {
		return fmt.Sprintf("%.1f", v)
	}
	return "OPEN"
}

func simulateWarmer(every time.Duration) simulator {
	return simulate(every, func(b []byte, p drivers.Patient, at time.Time) []byte {
		n := len(b)
		b = fmt.Appendf(b, "GWRM_2.0.0,%s,%s,%s,P,%d,%d,%d,00,", text(p, skin, at), text(p, setting, at), power(p, at),
			whole(p, weight, at, 0.001, 500), whole(p, protocol.SpO2, at, 1, 100), whole(p, protocol.PulseRate, at, 1, 350))
		return fmt.Appendf(b, "%02x\r\n", checksum.Sum8(b[n:]))
	})
}

var simulateOmniBed = simulate(2*time.Second, func(b []byte, p drivers.Patient, at time.Time) []byte {
	return fmt.Appendf(b, "HYB_1.3,%s,OPEN,%s,%s,%s,%s,P,N,C,0,0,0,00\r\n", text(p, skin, at), text(p, air, at), text(p, setting, at), text(p, setting, at), power(p, at))
})

var simulateIsolette = simulate(5*time.Second, func(b []byte, p drivers.Patient, at time.Time) []byte {
	three := func(code protocol.Code) string {
		if _, on := numeric(p, code, at); !on {
			return "---"
		}
		return fmt.Sprintf("%03d", whole(p, code, at, 0.1, 99.9))
	}
	two := func(code protocol.Code) string {
		if _, on := numeric(p, code, at); !on {
			return "--"
		}
		return fmt.Sprintf("%02d", whole(p, code, at, 1, 99))
	}
	power := "---"
	if _, on := numeric(p, heater, at); on {
		power = fmt.Sprintf("%03d", whole(p, heater, at, 0.4, 100))
	}
	n := len(b)
	b = fmt.Appendf(b, "[X ISOLETTE 000000000000 %sB %s --- %s 241 %s %s 60 %s 30                ]", three(setting), three(skin), three(air), power, two(humidity), two(oxygen))
	return fmt.Appendf(b, "%02X\r\n", checksum.Sum8(b[n:]))
})

var simulateOhio = simulate(2*time.Second, func(b []byte, p drivers.Patient, at time.Time) []byte {
	t, set := text(p, skin, at), text(p, setting, at)
	if t == "OPEN" {
		t = "0.0"
	}
	if set == "OPEN" {
		set = "__"
	}
	return fmt.Appendf(b, "\x02IW0500 %4s %4s %3s P 00000000 00 00 00 0000\r\n\x03", t, set, power(p, at))
})
