package agent

import (
	"errors"
	"strings"
	"testing"

	"monitorme/drivers"
)

const settingsText = `
box: box-1
unit: ward-1
devices:
  - id: a
    driver: nonin
    port: /dev/ttyUSB0
    settings:
      separator: ";"
      values:
        - {column: 1, code: MDC_PULS_OXIM_SAT_O2}
`

func TestSettingsOfADriverThatHasNoneAreAnError(t *testing.T) {
	_, err := Parse("box.yaml", []byte(settingsText))
	if err == nil || !strings.Contains(err.Error(), `devices[0].settings: driver "nonin" has no settings`) || !strings.HasPrefix(err.Error(), "box.yaml:9:") {
		t.Errorf("got %v", err)
	}
}

func TestSettingsReachTheDriverAsWritten(t *testing.T) {
	var got string
	refused := errors.New("refused")
	drv := drivers.Driver{Name: "x", Configure: func(s []byte) (drivers.Driver, error) {
		if got = string(s); strings.Contains(got, "bad") {
			return drivers.Driver{}, refused
		}
		return drivers.Driver{Name: "x", Title: "configured"}, nil
	}}
	d := DeviceConfig{Settings: Settings("separator: \";\"")}
	if c, err := d.configured(drv); err != nil || c.Title != "configured" || got != "separator: \";\"" {
		t.Errorf("%+v, %v from %q", c.Title, err, got)
	}
	d.Settings = Settings("bad: 1")
	if _, err := d.configured(drv); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if c, err := (DeviceConfig{}).configured(drv); err != nil || c.Title != "" {
		t.Errorf("without settings: %+v, %v", c.Title, err)
	}
	drv.Fresh = func() drivers.Driver { return drivers.Driver{Name: "x", Title: "fresh"} }
	if c, err := (DeviceConfig{}).configured(drv); err != nil || c.Title != "fresh" {
		t.Errorf("without settings a driver that keeps something is %+v, %v: want a fresh one", c.Title, err)
	}
}
