package web

import (
	"testing"
)

func TestAStationShowsEveryBedInOneWindow(t *testing.T) {
	f := newFakeWard(t)
	for _, size := range [][2]int{{1920, 1080}, {1280, 720}} {
		p := station(t, f, size[0], size[1])
		p.until("every tile has a live heart rate", "document.querySelectorAll('.tile-row[data-sign=heart-rate][data-state=live]').length === 20")
		p.until("waves flow", "document.querySelectorAll('.wave[data-state=live]').length === 3")
		f.raise("a-1", 6, "high", "physiological", "Heart rate 152, above 140", map[string]any{"value": 152, "limit": 140, "value_unit": "/min"})
		f.raise("a-2", 11, "medium", "physiological", "SpO2 88, below 90", map[string]any{"value": 88, "limit": 90, "value_unit": "%"})
		f.raise("a-3", 2, "low", "technical", "Sensor off: SpO2", nil)
		p.until("alarms are listed", "document.querySelectorAll('.alarm').length === 3")
		p.shot("station-" + map[int]string{1920: "1920x1080", 1280: "1280x720"}[size[0]])
		f.with(func() { f.alerts = nil })
	}
}
