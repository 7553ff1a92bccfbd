package masimo

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "ASCII 1.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 3500 * time.Millisecond, What: "97 %, 72/min"},
		drivertest.Act{For: 3 * time.Second, What: "sensor off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 3 * time.Second, What: "sensor on, 88 %", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.SpO2, 88) }})
	drivertest.Run(t, Driver, drivertest.Options{
		Unchecked: []string{"*"}, // text without a checksum
		Joined:    []string{"*"}, // a line without its end and the end of the one before make a line
	})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// told is what a line says, in short.
func told(text string) (all []string) {
	for _, o := range drivertest.Decode(newDecoder(), []byte(text)) {
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(term.Label, " ", o.Event.Phase, " ", o.Event.Text))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func TestWorkedLines(t *testing.T) {
	for text, want := range map[string][]string{
		"03/14/26 08:30:15 SN=0000123456 SPO2=094% BPM=128 PI=01.20% SPCO=--.-% SPMET=--.-% DESAT=-- PIDELTA=+-- ALARM=0012 EXC=000800\r\n": {
			"Serial good 0000123456", "Low start SpO2 below the oximeter's limit", "SpO2 good 94", "PR good 128", "PI good 1.20", "SpCO missing ", "SpMet missing "},
		"03/14/26 08:30:16 SN=---------- SPO2=---% BPM=--- PI=--.--% ALARM=000000 EXC=0000820 EXC1=00000000\n\r": {
			"Sensor off start no sensor on the patient", "SpO2 sensor-off ", "PR sensor-off ", "PI sensor-off "},
		"03/14/26 08:30:16 SPO2=097% BPM=072 EXC=000820\r\n": { // the number that stands there is not the patient's
			"Sensor off start no sensor on the patient", "SpO2 sensor-off ", "PR sensor-off "},
		"03/14/26 08:30:16 SPO2=097% BPM=---% EXC=000808\r\n": {"SpO2 questionable 97", "PR missing "},
		"03/14/26 08:30:16 SPO2=097% BPM=072 EXC=000C00\r\n":  {"SpO2 questionable 97", "PR questionable 72"},
		"03/14/26 08:30:20 SpO2=098 PR=070 EXC=800:SET\r\n":   {"SpO2 unknown 98", "PR unknown 70"},
	} {
		if got := told(text); !slices.Equal(got, want) {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
	}
}

func TestDamagedLinesAreRefused(t *testing.T) {
	for _, text := range []string{
		"03/14/26 08:30:15 SPO2=94% BPM=128 EXC=000800\r\n",
		"03/14/26 08:30:15 SPO2=0x4% BPM=128 EXC=000800\r\n",
		"03/14/26 08:30:15 SPO2=-94% BPM=128 EXC=000800\r\n",
		"03/14/26 08:30:15 SPO2=094% EXC=000800\r\n",
		"03/14/26 08:30:15 SPO2=094% BPM=128\r\n",
		"03/14/26 08:30:15 SPO2=094% SPO2=095% BPM=128 EXC=000800\r\n",
		"03/14/26 08:30:15 SPO2=094% BPM=128 EXC=800 EXC=820\r\n",
		"03/14/26 08:30:15 SPO2=094% BPM=128 EXC=00g800\r\n",
		"3/14/26 08:30:15 SPO2=094% BPM=128 EXC=000800\r\n",
		"SPO2=094% BPM=128 EXC=000800\r\n",
	} {
		if got := told(text); got != nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestAClockThatWasNeverSetCostsNoReading(t *testing.T) {
	for text, want := range map[string]time.Time{"00/00/00": {}, "02/30/26": {}, "03/14/26": time.Date(2026, 3, 14, 8, 30, 15, 0, time.UTC)} {
		obs := drivertest.Decode(newDecoder(), []byte(text+" 08:30:15 SPO2=094% BPM=128 EXC=000800\r\n"))
		if len(obs) != 3 || !obs[1].DeviceTime.Equal(want) {
			t.Errorf("%s: %+v", text, obs)
		}
	}
}

func TestAlarmsBeginAndEnd(t *testing.T) {
	line := func(alarm string) string {
		return "03/14/26 08:30:15 SPO2=094% BPM=128 ALARM=" + alarm + " EXC=000800\r\n"
	}
	var got []string
	for _, s := range told(line("0012") + line("0016") + line("0014") + line("0020") + line("0000")) {
		if s[:2] != "Sp" && s[:2] != "PR" {
			got = append(got, s)
		}
	}
	if want := []string{"Low start SpO2 below the oximeter's limit", "High start pulse rate above the oximeter's limit", "Low end SpO2 below the oximeter's limit",
		"High end pulse rate above the oximeter's limit", "Alarm start alarms silenced at the oximeter", "Alarm end alarms silenced at the oximeter"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
