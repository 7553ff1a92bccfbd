package bis

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Processed variables, newer form.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 3500 * time.Millisecond, What: "measures"},
		drivertest.Act{For: 2 * time.Second, What: "sensor off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 2 * time.Second, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, drivertest.Options{
		// The signal quality stays as it is: below 50 % nothing is shown.
		Expect: []protocol.Code{index, suppression, edge, total, emg, bursts},
	})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// said is what a monitor says, in short.
func said(wire []byte) (all []string) {
	for _, o := range drivertest.Decode(newDecoder(), wire) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, o.Event.Text)
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value))
		}
	}
	return all
}

const (
	workedHead  = "BA AB 11 00 84 00 01 00 04 00 00 00 34 00 00 00 09 00 78 00 02 01 01 01 02 00 00 00 01 00 00 00 14 00 00 00 5E F3 FF FF 01 00 00 00 68 10 01 00 3C 0F 01 00 01 00 00 00 0F 00 00 00 00 00 00 00 00 00 00 00 "
	workedTrend = "00 00 3A 07 00 00 CF 01 CF 01 CF 01 42 18 21 0C B8 03 00 00 00 00 00 00 "
	worked      = workedHead + workedTrend + workedTrend + workedTrend + "69 11"
)

func TestWorkedFrames(t *testing.T) {
	if want := drivertest.Hex(t, "BA AB 00 00 0D 00 01 00 04 00 00 00 73 00 00 00 00 00 01 00 00 86 00"); !bytes.Equal(request, want) {
		t.Errorf("request % X", request)
	}
	want := []string{"BIS good 46.3", "SQI good 95.2", "SR good 0.0", "SEF good 18.50", "EEG power good 62.10", "EMG good 31.05"}
	if got := said(drivertest.Hex(t, worked)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// Raw EEG, not asked for, is passed over as a good frame.
	eeg := drivertest.Hex(t, "BA AB 12 00 18 00 01 00 04 00 00 00 32 00 00 00 0A 00 0C 00 02 00 80 00 5E F3 C2 F3 26 F4 5E F3 6A 06")
	d := newDecoder()
	if obs := drivertest.Decode(d, eeg); len(obs) != 1 || d.Stats().Frames != 1 {
		t.Errorf("EEG: %+v %+v", obs, d.Stats())
	}
}

// data is the worked message with some bytes changed.
func data(t *testing.T, change func(d []byte)) []byte {
	d := bytes.Clone(drivertest.Hex(t, worked)[headLen : headLen+120])
	change(d)
	return d
}

func message(id uint32, data []byte) []byte { return appendFrame(nil, 1, id, 1, data) }

func TestWhatValuesAreWorth(t *testing.T) {
	none := func(d []byte, block int) { copy(d[firstTrend+24*block+6:], []byte{0x00, 0x80}) }
	for _, c := range []struct {
		name   string
		change func(d []byte)
		want   string
	}{
		{"signal of 49.9 %", func(d []byte) { le.PutUint32(d[firstTrend+16:], 499) }, "BIS invalid 46.3"},
		{"signal of 50 %", func(d []byte) { le.PutUint32(d[firstTrend+16:], 500) }, "BIS good 46.3"},
		{"no signal quality", func(d []byte) { copy(d[firstTrend+16:], []byte{0, 0x80, 0xFF, 0xFF}) }, "BIS unknown 46.3"},
		{"no index in block 1", func(d []byte) { none(d, 0); copy(d[firstTrend+48+6:], []byte{0xF4, 0x01}) }, "BIS good 50.0"},
		{"no index at all", func(d []byte) { none(d, 0); none(d, 1); none(d, 2) }, "BIS missing "},
		{"the bound of none", func(d []byte) { le.PutUint16(d[firstTrend:], 0xF333) }, "SR missing "},
	} {
		if got := said(message(messageProcessed, data(t, c.change))); !slices.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestOtherForms(t *testing.T) {
	plain := data(t, func([]byte) {})
	want := said(message(messageProcessed, plain))
	if got := said(message(messageSpectra, append(bytes.Clone(plain), make([]byte, spectraLen)...))); !slices.Equal(got, want) {
		t.Errorf("with spectra: %q", got)
	}
	bilateral := message(messageProcessed, make([]byte, 288))
	if got := said(slices.Concat(bilateral, bilateral)); !slices.Equal(got, []string{"values of 288 bytes are not read: bilateral sensors are not supported"}) {
		t.Errorf("bilateral: %q", got)
	}
}

// BA AB inside data is no beginning, an acknowledgement has no message.
func TestTheLengthCounts(t *testing.T) {
	inside := data(t, func(d []byte) { copy(d[8:], []byte{0xBA, 0xAB, 0, 0, 0, 0, 2, 0, 2, 0}) })
	ack := []byte{0xBA, 0xAB, 1, 0, 0, 0, 2, 0, 3, 0}
	if got := said(slices.Concat(ack, message(messageProcessed, inside), ack)); len(got) != 6 {
		t.Errorf("got %q", got)
	}
}

func TestTheRequestIsAllThatIsSent(t *testing.T) {
	d := newDecoder()
	sent := 0
	for now := time.Duration(0); now < 10*time.Minute; {
		b, wait := d.Ask(nil, now)
		if len(b) > 0 {
			if sent++; !bytes.Equal(b, request) {
				t.Fatalf("sends % X", b)
			}
		}
		if now < 5*time.Minute {
			d.Decode(drivertest.Hex(t, worked), func(protocol.Observation) {})
		}
		now += wait
	}
	if sent < 5+50 || sent > 5+62 {
		t.Errorf("sent %d times in five minutes of data and five of silence", sent)
	}
}
