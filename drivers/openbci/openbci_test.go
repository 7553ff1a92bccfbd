package openbci

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var ecg = protocol.MustCode("MDC_ECG_ELEC_POTL")

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Cyton.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 3502 * time.Millisecond, What: "starts, measures"},
		drivertest.Act{For: 600 * time.Millisecond, What: "electrodes off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 600 * time.Millisecond, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, drivertest.Options{
		Unchecked: []string{"*"}, // packets have no checksum
		Joined:    []string{"*"}, // and count in unbroken runs
		Expect:    []protocol.Code{ecg},
	})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

const worked = "A0 2A 00 00 64 FF FF 9C 00 57 61 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 FF F0 1F 40 C0"

// packets are n packets with the bytes of the sheet's, from number on.
func packets(t *testing.T, number, n int) (b []byte) {
	for i := range n {
		p := drivertest.Hex(t, worked)
		p[1] = byte(number + i)
		b = append(b, p...)
	}
	return b
}

func samples(d drivers.Driver, wire []byte) (all []protocol.Observation) {
	for _, o := range drivertest.Decode(d.NewDecoder(), wire) {
		if o.Samples != nil {
			all = append(all, o)
		}
	}
	return all
}

func TestWorkedPacket(t *testing.T) {
	obs := samples(Driver, packets(t, 0x2A, 0x40-0x2A))
	if len(obs) != channels {
		t.Fatalf("%d blocks", len(obs))
	}
	for i, uV := range []float64{2.235, -2.235, 499.986, 0, 0, 0, 0, 0.022} {
		s := obs[i].Samples
		if got := s.Scale.Float64() * float64(s.Raw[0]) * 1000; math.Abs(got-uV) > 0.001 || obs[i].Channel != names[i] || len(s.Raw) != 22 || obs[i].Delay != 84*time.Millisecond {
			t.Errorf("channel %d: %v uV, %+v", i+1, got, obs[i])
		}
	}
}

func TestARunIsNeeded(t *testing.T) {
	if obs := drivertest.Decode(Driver.NewDecoder(), packets(t, 0, 4)); len(obs) != 0 {
		t.Errorf("four packets: %+v", obs)
	}
	same := bytes.Repeat(packets(t, 7, 1), 20)
	if obs := drivertest.Decode(Driver.NewDecoder(), same); len(obs) != 0 {
		t.Errorf("a number that stands still: %+v", obs)
	}
}

func TestALostPacketEndsABlock(t *testing.T) {
	var got []int
	for _, o := range samples(Driver, slices.Concat(packets(t, 0, 10), packets(t, 12, 52), packets(t, 64, 64))) {
		if o.Channel == "1" {
			got = append(got, len(o.Samples.Raw))
		}
	}
	if !slices.Equal(got, []int{10, 52, 64}) {
		t.Errorf("blocks of %d", got)
	}
}

func TestASaturatedChannelHasNoSamples(t *testing.T) {
	for _, full := range []string{"7F FF FF", "80 00 00", "80 00 01"} {
		wire := packets(t, 0, 128)
		for i := range 64 {
			copy(wire[i*packetLen+2:], drivertest.Hex(t, full))
		}
		var phases []protocol.Phase
		var qualities []protocol.Quality
		for _, o := range drivertest.Decode(Driver.NewDecoder(), wire) {
			if o.Channel == "1" && o.Event != nil {
				phases = append(phases, o.Event.Phase)
			} else if o.Channel == "1" {
				qualities = append(qualities, o.Quality)
			}
		}
		if !slices.Equal(phases, []protocol.Phase{protocol.PhaseStart, protocol.PhaseEnd}) || !slices.Equal(qualities, []protocol.Quality{protocol.QualitySensorOff, protocol.QualityGood}) {
			t.Errorf("%s: %v %v", full, phases, qualities)
		}
	}
}

func TestSettingsSayWhatTheChannelsAre(t *testing.T) {
	d, err := Driver.Configure([]byte("channels: [MDC_ECG_ELEC_POTL_II, '', MDC_EEG_ELEC_POTL_CRTX]\ngain: 12"))
	if err != nil {
		t.Fatal(err)
	}
	obs := samples(d, packets(t, 0, 64))
	if len(obs) != 2 || obs[0].Code != protocol.ECGLeadII || obs[1].Channel != "3" || obs[1].Unit != "uV" {
		t.Fatalf("got %+v", obs)
	}
	if uV := obs[1].Samples.Scale.Float64() * float64(obs[1].Samples.Raw[0]); math.Abs(uV-999.972) > 0.001 {
		t.Errorf("%v uV, want those of half the gain", uV)
	}
	for settings, want := range map[string]string{
		"gain: 100":                     "gain 100",
		"channels: [MDC_RESP_RATE]":     `channels[0] "MDC_RESP_RATE"`,
		"channels: [a,b,c,d,e,f,g,h,i]": "at most 8",
		"channel: x":                    "channel",
	} {
		if _, err := Driver.Configure([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func TestOnlyThreeLettersAreSent(t *testing.T) {
	drivertest.Writes(t, Driver, drivertest.Only([]byte("s"), []byte("c"), []byte("b")), func(r *rand.Rand) []byte {
		said := []string{"OpenBCI V3 8-16 channel\r\nADS1299 Device ID: 0x3E\r\nFirmware: v3.1.1\r\n$$$", "Failure: $$$", "scb"}
		return []byte(said[r.IntN(len(said))])
	})
}

func TestASilentBoardIsAskedAgain(t *testing.T) {
	d := mustCompile(Settings{}).newDecoder()
	var sent []byte
	for now := time.Duration(0); now < time.Minute; {
		b, wait := d.Ask(nil, now)
		sent = append(sent, b...)
		now += max(wait, time.Millisecond)
	}
	if !bytes.HasPrefix(sent, []byte("scbscb")) {
		t.Errorf("sent %q in a minute of silence", sent)
	}
}
