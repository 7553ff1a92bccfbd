package agent

import (
	"testing"

	"monitorme/drivers/all"
	"monitorme/protocol"
)

// The settings go through two readers of YAML: what stands in quotes, spans
// lines or is a comment must come out as it went in.
func TestSettingsOfAGenericDevice(t *testing.T) {
	cfg, err := Parse("box.yaml", []byte(`
box: box-1
unit: ward-1
devices:
  - id: a
    driver: generic
    port: /dev/ttyUSB0
    settings:
      # a comment
      match: '^P(?P<pulse>\d{3})S(?P<sat>\d{3}|---)(?P<flag>\*?)$'
      missing: ["-1", "0x\\7"]
      delay: 1500ms
      values:
        - {key: pulse, code: MDC_PULS_OXIM_PULS_RATE}   # another
        - key: sat
          code: MDC_PULS_OXIM_SAT_O2
          scale: 0.10
      quality:
        - {key: flag, marks: {"": good, "*": questionable}}
  - id: b
    driver: generic
    port: /dev/ttyUSB1
    settings: {separator: ";", values: [{column: 1, code: MDC_TEMP_BODY, unit: "[degF]"}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	said := func(d DeviceConfig, text string) (got []protocol.Observation) {
		drv, _ := all.Find(d.Driver)
		drv, err := d.configured(drv)
		if err != nil {
			t.Fatal(err)
		}
		drv.NewDecoder().Decode([]byte(text), func(o protocol.Observation) { got = append(got, o) })
		return got[1:] // after the model
	}
	got := said(cfg.Devices[0], "\nP072S970*\n")
	if len(got) != 2 || got[0].Value != protocol.Int(72) || got[0].Quality != protocol.QualityQuestionable || got[1].Value != protocol.Dec(9700, -2) || got[1].Delay.String() != "1.5s" {
		t.Errorf("a: %+v", got)
	}
	if got := said(cfg.Devices[1], "\n98,6;x\n"); len(got) != 1 || got[0].Value != protocol.Dec(3700, -2) {
		t.Errorf("b: %+v", got)
	}
}
