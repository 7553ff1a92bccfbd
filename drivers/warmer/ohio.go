package warmer

import (
	"bytes"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	ohioName   = "IW" // before the version, four digits
	ohioFields = 5    // version, temperature, control temperature, power, mode: what follows is not known
	ohioMost   = 56   // 53 characters, however they are counted
)

// ohio reads IWvvvv, patient temperature, control temperature, power, mode, all
// with blanks between; the rest is lamps and a checksum of which nobody knows the
// rule.
func (d *decoder) ohio(text []byte) int {
	f := bytes.Fields(text)
	if len(f) < ohioFields || len(text) > ohioMost || len(f[0]) != len(ohioName)+4 || string(f[0][:2]) != ohioName {
		return framer.Skip
	}
	version, isVersion := framer.Digits(f[0][2:])
	t, ok1 := temperatureOf(f[1])
	set, ok2 := temperatureOf(f[2])
	power, ok3 := percent(f[3])
	if mode := string(f[4]); !isVersion || !ok1 || !ok2 || !ok3 || mode != "P" && mode != "A" {
		return framer.Skip
	}
	if v := t.Float64(); v < 1 || v > 50 { // the probe is open or shorted
		t = protocol.Decimal{}
	}
	d.identify(protocol.IdentityModel, &d.model, "Ohmeda Ohio infant warmer", nil)
	d.identify(protocol.IdentityFirmware, &d.firmware, protocol.Dec(int64(version), -2).String(), nil)
	d.probe(0, t)
	d.temperature(setting, bySkin, set, protocol.QualityMissing)
	d.number(heater, "", "%", power, protocol.QualityMissing)
	return accepted
}
