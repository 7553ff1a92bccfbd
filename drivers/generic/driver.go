// Package generic is the driver of devices that send lines of text which no
// other driver knows: research set-ups, modules of makers, older bedside
// devices. What a line means is said by the settings of the device in the box's
// configuration; without settings, values that carry a usual name are read.
// docs/devices/generic.md describes settings, lines and names.
//
// It sends nothing, and guesses neither units nor columns.
package generic

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/mapping"
	"monitorme/protocol"
)

// Driver reads lines whose values have the usual names, and with settings any.
var Driver = func() drivers.Driver {
	d := mustCompile(Settings{Values: usualValues(), Silence: 10 * time.Second}).driver()
	d.Configure = configure
	return d
}()

// driver gives the driver of a plan. Its simulator is always that of the usual
// names.
func (p *plan) driver() drivers.Driver {
	return drivers.Driver{
		Name:       "generic",
		Title:      "Devices that send lines of text",
		Models:     []string{"any device that sends lines of text"},
		Sheet:      "docs/devices/generic.md",
		Line:       drivers.Line{Baud: 115200},
		Alternates: []drivers.Line{{Baud: 9600}, {Baud: 19200}, {Baud: 38400}, {Baud: 57600}},
		Silence:    p.Silence,
		Codes:      p.codes(),
		Checked:    p.checked,
		NewDecoder: p.newDecoder,
		Run:        drivers.Listen(p.newDecoder),
		Simulate:   simulate,
	}
}

func configure(text []byte) (drivers.Driver, error) {
	s, err := parseSettings(text)
	if err != nil {
		return drivers.Driver{}, err
	}
	p, err := compile(s)
	if err != nil {
		return drivers.Driver{}, err
	}
	return p.driver(), nil
}

// names are the names that need no settings, the first of each code being what
// the simulator calls it.
var names = []struct {
	code protocol.Code
	keys []string
}{
	{protocol.HeartRate, []string{"hr"}},
	{protocol.PulseRate, []string{"pulse", "pr", "bpm"}},
	{protocol.SpO2, []string{"spo2", "sat", "o2"}},
	{protocol.RespirationRate, []string{"rr", "resp", "br"}},
	{protocol.MustCode("MDC_TEMP"), []string{"temp", "t"}},
	{protocol.MustCode("MDC_TEMP_SKIN"), []string{"tskin"}},
	{protocol.NIBPSystolic, []string{"sys", "sbp"}},
	{protocol.NIBPDiastolic, []string{"dia", "dbp"}},
	{protocol.NIBPMean, []string{"map"}},
	{protocol.Glucose, []string{"glucose", "glu", "bg"}},
	{protocol.SleepStatus, []string{"stage", "sleep"}},
}

// leastGlucose is the least number that is taken for mg/dL where nobody has
// said so: a smaller one may be mmol/L.
const leastGlucose = 40

func usualValues() (all []Value) {
	for _, n := range names {
		term, _ := protocol.Lookup(n.code)
		for _, k := range n.keys {
			v := Value{Value: mapping.Value{Key: k, Code: term.RefID}}
			if n.code == protocol.Glucose {
				v.Min = &mapping.Decimal{Decimal: protocol.Int(leastGlucose)}
			}
			all = append(all, v)
		}
	}
	return all
}

func mustCompile(s Settings) *plan {
	p, err := compile(s)
	if err != nil {
		panic(err)
	}
	return p
}
