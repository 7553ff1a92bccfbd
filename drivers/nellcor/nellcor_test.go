package nellcor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Unchecked: []string{"*"}, // no checksum, or none that is known
	Joined:    []string{"*"}, // a line without its end and the end of the one before make a line
	Settle:    6 * time.Second,
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "ASCII data port.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 7 * time.Second, What: "97 %, 72/min"},
		drivertest.Act{For: 4 * time.Second, What: "sensor off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 44 * time.Second, What: "sensor on, 84 %", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.SpO2, 84) }})
	drivertest.Run(t, Driver, options)
}

func TestN200(t *testing.T) {
	opts := options
	opts.Settle = 15 * time.Second
	t.Chdir("testdata/n200")
	drivertest.Run(t, N200, opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }
func FuzzN200(f *testing.F)    { drivertest.Fuzz(f, N200, "testdata/n200") }

func BenchmarkDecoder(b *testing.B) {
	b.Run("played", func(b *testing.B) { drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex")) })
	b.Run("n200", func(b *testing.B) { drivertest.Bench(b, N200, drivertest.Load(b, "testdata/n200/testdata/n200.hex")) })
}

// told is what the text says, in short.
func told(text string) (all []string) {
	for _, o := range drivertest.Decode(makeDecoder(text[0] == stx), []byte(text)) {
		term, _ := protocol.Lookup(o.Code)
		if o.Event != nil {
			all = append(all, fmt.Sprint(term.Label, " ", o.Event.Phase, " ", o.Event.Text))
			continue
		}
		all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
	}
	return all
}

func TestWorkedLines(t *testing.T) {
	for text, want := range map[string][]string{
		"14-MAR-26 08:30:16    96     142     31     MO\r\n":          {"Noise start motion or interference", "SpO2 questionable 96", "PR questionable 142", "PA questionable 31"},
		"14-Mar-26 08:30:18    84*     58*    12     SL PL\r\n":       {"Low start SpO2 below the oximeter's limit", "Low start pulse rate below the oximeter's limit", "SpO2 good 84", "PR good 58", "PA good 12"},
		"14-Mar-26 08:30:20   ---     ---    ---    SO\r\n":           {"Sensor off start sensor off or disconnected", "SpO2 sensor-off ", "PR sensor-off ", "PA sensor-off "},
		"14-Mar-26 08:30:20    97      72     30    SD\r\n":           {"Sensor off start sensor off or disconnected", "SpO2 sensor-off ", "PR sensor-off ", "PA sensor-off "},
		"14-Mar-26 08:30:20    97      72     30    LP\r\n":           {"Alarm start loss of pulse", "SpO2 missing ", "PR missing ", "PA missing "},
		"14-Mar-26 08:30:20     0       0    ---    PS\r\n":           {"Alarm start pulse search", "SpO2 missing ", "PR missing ", "PA missing "},
		"14-Mar-26 08:30:20    96      63    ---    PS\r\n":           {"Alarm start pulse search", "SpO2 questionable 96", "PR questionable 63", "PA missing "},
		"14-Mar-26 08:30:20    88       0      0\r\n":                 {"SpO2 good 88", "PR missing ", "PA good 0"},
		"14-Mar-26 08:30:20   ---      72     30    QX\r\n":           {"Alarm start status QX", "SpO2 missing ", "PR good 72", "PA good 30"},
		"\x02R072S097P045L055H140O085A000M007T083016Q012\r\n\x4B\x03": {"Model good Nellcor N-200", "SpO2 good 97", "PR good 72", "PA good 45"},
	} {
		if got := told(text); !slices.Equal(got, want) {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
	}
}

func TestStatesEndWhenTheirCodeIsGone(t *testing.T) {
	line := func(codes string) string { return "14-Mar-26 08:30:18    84     58    12     " + codes + "\r\n" }
	var got []string
	for _, s := range told(line("SL AS") + line("SL") + line("SL LB") + line("SO") + line("SD") + line("")) {
		if s[:2] != "Sp" && s[:2] != "PR" && s[:2] != "PA" {
			got = append(got, s)
		}
	}
	want := []string{"Low start SpO2 below the oximeter's limit", "Alarm start alarms silenced at the oximeter", "Alarm end alarms silenced at the oximeter",
		"Battery low start battery low", "Sensor off start sensor off or disconnected", "Low end SpO2 below the oximeter's limit", "Battery low end battery low",
		"Sensor off end sensor off or disconnected"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestDamagedLinesAreRefused(t *testing.T) {
	for _, text := range []string{
		"4-Mar-26 08:30:16    96     142     31\r\n", "14-Mxr-26 08:30:16    96     142     31\r\n", "14-Mar-26 08:30:16    96     142\r\n",
		"14-Mar-26 08:30:16    96     1420     31\r\n", "14-Mar-26 08:30:16    9x     142     31\r\n", "14-Mar-26 08:30:16    96     142     31     MOX\r\n",
		"14-Mar-26 08:30:16    96     142     31     mo\r\n", "14-Mar-26 8:30:16    96     142     31\r\n",
		"\x02R072S097P045L055H140O085A000M007T083016Q012\r\n\x4B\x04",
	} {
		if got := told(text); got != nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestOnlyAWholeHeadingNamesTheDevice(t *testing.T) {
	const heading = "NPB-295 VERSION 1.3.0 CRC:9A4F SpO2 Limit: 85-100% PR Limit: 40-170BPM\r\n"
	if got := told(heading[4:]); got != nil {
		t.Errorf("a cut heading: %q", got)
	}
	if got, want := told("\r\n"+heading+heading), []string{"Model good Nellcor NPB-295", "Firmware good 1.3.0"}; !slices.Equal(got, want) {
		t.Errorf("two headings: %q, want %q", got, want)
	}
}

func TestTheDevicesClockIsKept(t *testing.T) {
	obs := drivertest.Decode(newDecoder(), []byte("14-MAR-26 08:30:16    96     142     31\r\n31-FEB-26 08:30:16    96     142     31\r\n"))
	if len(obs) != 6 || !obs[0].DeviceTime.Equal(time.Date(2026, 3, 14, 8, 30, 16, 0, time.UTC)) || !obs[3].DeviceTime.IsZero() {
		t.Errorf("%+v", obs)
	}
}
