package openeeg

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "ModularEEG.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 900 * time.Millisecond, What: "measures"},
		drivertest.Act{For: 700 * time.Millisecond, What: "electrodes off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 600 * time.Millisecond, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, drivertest.Options{
		Unchecked: []string{"*"}, // packets have no checksum
		Joined:    []string{"*"}, // and count in unbroken runs
		Expect:    []protocol.Code{protocol.MustCode("MONITORME_WAVE_ECG_OWN_SCALE")},
	})
}

func TestNothingIsSent(t *testing.T) { drivertest.Writes(t, Driver, drivertest.Only()) }

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

const worked = "A5 5A 02 2A 02 00 01 F4 02 12 00 00 00 00 00 00 0F"

// packets are n packets with the bytes of the sheet's, from number on.
func packets(t *testing.T, number, n int) (b []byte) {
	for i := range n {
		p := drivertest.Hex(t, worked)
		p[3] = byte(number + i)
		b = append(b, p...)
	}
	return b
}

func with(t *testing.T, settings string) drivers.Driver {
	t.Helper()
	d, err := Driver.Configure([]byte(settings))
	if err != nil {
		t.Fatalf("%s: %v", settings, err)
	}
	return d
}

// told is what a stream says, in short.
func told(d drivers.Driver, wire []byte) (all []string) {
	for _, o := range drivertest.Decode(d.NewDecoder(), wire) {
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Samples != nil:
			all = append(all, fmt.Sprint(term.Label, "/", o.Channel, " ", o.Quality, " ", len(o.Samples.Raw), " of ", o.Samples.Raw[0], " ", o.Samples.Scale, " ", o.Samples.Offset, " ", o.Unit, " ", o.Delay))
		}
	}
	return all
}

func TestWorkedPacket(t *testing.T) {
	// Numbers 42 to 63, and the block of 64 to 127.
	want := []string{"ECG raw/ good 22 of 512 1 0 1 82.03125ms", "ECG raw/ good 64 of 512 1 0 1 246.09375ms"}
	if got := told(Driver, packets(t, 0x2A, 86)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheSettingsSayWhatTheInputsAre(t *testing.T) {
	d := with(t, `
values:
  - {column: 3, code: MDC_ECG_ELEC_POTL_II, scale: 0.005, offset: -2.56}
  - {column: 2, code: MDC_EEG_ELEC_POTL_CRTX, channel: C3, scale: 0.5}
  - {column: 4, code: MDC_EEG_ELEC_POTL_CRTX, channel: C4, scale: 0.5}
`)
	want := []string{"II/ good 64 of 530 0.005 -2.56 mV 246.09375ms", "EEG/C3 good 64 of 500 0.5 0 uV 246.09375ms",
		"start channel saturated or electrode off", "EEG/C4 sensor-off 64 of -2147483648 0.5 0 uV 246.09375ms"}
	if got := told(d, packets(t, 0, 64)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	const ecg = "{column: 1, code: MONITORME_WAVE_ECG_OWN_SCALE}"
	for settings, want := range map[string]string{
		"":            "values: 0 of them",
		"colour: red": "colour",
		"values: [{column: 7, code: MDC_ECG_ELEC_POTL_II}]":                               "column 7",
		"values: [{column: 1, code: MDC_RESP_RATE}]":                                      "want the reference id of a wave",
		"values: [{column: 1, code: MDC_ECG_ELEC_POTL_II}]":                               "how many mV a count is",
		"values: [{column: 1, code: MDC_ECG_ELEC_POTL_II, scale: 0}]":                     "scale 0",
		"values: [{column: 1, code: MDC_ECG_ELEC_POTL_II, scale: x}]":                     "not a decimal",
		"values: [{column: 1, code: MDC_ECG_ELEC_POTL_II, scale: 1, channel: \"a\\nb\"}]": "without control characters",
		"values: [" + ecg + ", " + ecg + "]":                                              "column 1: there is another",
		"values: [" + ecg + ", {column: 2, code: MONITORME_WAVE_ECG_OWN_SCALE}]":          "want a channel for each",
		"values: [" + strings.Repeat(ecg+", ", 7) + "]":                                   "7 of them",
	} {
		if _, err := Driver.Configure([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", settings, err, want)
		}
	}
}

func TestPacketsAreBelievedInARun(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"another version":           func(b []byte) []byte { b[4*packetLen+2] = 3; return b },
		"a number that is repeated": func(b []byte) []byte { b[4*packetLen+3]--; return b },
		"a value above 1023":        func(b []byte) []byte { b[4*packetLen+4] = 4; return b },
		"a byte that is lost":       func(b []byte) []byte { return slices.Delete(b, 30, 31) },
		"a last byte that is lost":  func(b []byte) []byte { return append(b[:5*packetLen-1], start[:]...) },
		"four of them":              func(b []byte) []byte { return b[:4*packetLen] },
	} {
		d := Driver.NewDecoder()
		if drivertest.Decode(d, spoil(packets(t, 0, 5))); d.Stats().Frames != 0 {
			t.Errorf("%s: %+v", name, d.Stats())
		}
	}
}

func TestALostPacketEndsABlock(t *testing.T) {
	wire := packets(t, 0, 64)
	wire = slices.Delete(wire, 20*packetLen, 21*packetLen)
	want := []string{"ECG raw/ good 20 of 512 1 0 1 74.21875ms", "ECG raw/ good 43 of 512 1 0 1 164.0625ms"}
	if got := told(Driver, wire); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
