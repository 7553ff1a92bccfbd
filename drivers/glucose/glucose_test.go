package glucose

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// kit plays a meter; its captures lie in testdata/dir.
func kit(t *testing.T, d drivers.Driver, dir string, opts drivertest.Options) {
	t.Chdir("testdata/" + dir)
	opts.SilentWhenOff = true                                    // nothing is measured then
	opts.Span, opts.Settle = 15*time.Minute, every+6*time.Minute // read out, and measured
	drivertest.Record(t, "testdata/played.hex", d.Title+".", d, drivertest.NewPatient(), drivertest.Act{For: 6 * time.Minute, What: "104 mg/dL, a measurement every 2 min"})
	drivertest.Run(t, d, opts)
}

// says is what the bytes say, in short.
func says(d drivers.Decoder, wire ...[]byte) (all []string) {
	for _, o := range drivertest.Decode(d, slices.Concat(wire...)) {
		if o.Kind == protocol.KindNumeric {
			all = append(all, fmt.Sprint(o.Quality, " ", o.Value, " ", o.Delay, " ", o.DeviceTime.Format("01-02 15:04:05")))
		}
	}
	return all
}

func check(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestReadingsAreEmittedOnceTheOldestFirst(t *testing.T) {
	var got []string
	s := store{code: protocol.Glucose, clock: 100_000, emit: func(o protocol.Observation) { got = append(got, fmt.Sprint(o.Quality, " ", o.Value, " ", o.Delay)) }}
	r := func(at, v int64) reading { return reading{at, protocol.Int(v), protocol.QualityGood} }
	for _, x := range []reading{r(99_990, 120), r(99_000, 110), r(1_000, 90), r(100_300, 130), r(0, 80)} {
		s.add(x)
	}
	s.flush()
	check(t, got, []string{"unknown 80 0s", "good 110 16m40s", "good 120 10s", "unknown 130 0s"})
	got = nil
	s.clock = 100_100
	for _, x := range []reading{r(100_090, 140), r(99_990, 120), r(99_000, 110)} {
		s.add(x)
	}
	s.flush()
	s.flush()
	check(t, got, []string{"good 140 10s"})
}

func TestAMemoryLargerThanTheBoundLosesNothing(t *testing.T) {
	n := 0
	s := store{clock: 100_000, emit: func(protocol.Observation) { n++ }}
	for i := range int64(2500) {
		s.add(reading{90_000 + i, protocol.Int(100), protocol.QualityGood})
	}
	s.flush()
	if n != 2500 {
		t.Errorf("%d of 2500 emitted", n)
	}
}

func TestASTM(t *testing.T) {
	kit(t, ASTM, "astm", drivertest.Options{Joined: []string{"*"}}) // a transmission hangs together
}

func FuzzASTM(f *testing.F) { drivertest.Fuzz(f, ASTM, "testdata/astm") }

func TestWorkedASTM(t *testing.T) {
	check(t, says(makeASTM(), drivertest.Load(t, "testdata/astm/testdata/worked.hex")), []string{
		"good 115 1h15m0s 03-14 07:45:00", "questionable 115 1h0m0s 03-14 08:00:00", "overflow 602 45m0s 03-14 08:15:00", "good 142 30m0s 03-14 08:30:00"})
}

func TestASTMFramesAreAnswered(t *testing.T) {
	d := makeASTM()
	decode := func(s string) string {
		d.Decode(drivertest.Hex(t, s), func(protocol.Observation) {})
		b, _ := d.Ask(nil, time.Minute)
		return string(b)
	}
	d.Ask(nil, 0)
	for _, c := range []struct{ in, want string }{
		{"05", "\x06"}, {`02 "2P|1\r" 17 "47\r\n"`, "\x15"}, {`02 "2P|1\r" 17 "53\r\n"`, "\x06"}, {`02 "2P|1\r" 17 "53\r\n"`, "\x06"}, {"04", ""},
	} {
		if got := decode(c.in); got != c.want {
			t.Errorf("%s answered with %q, want %q", c.in, got, c.want)
		}
	}
}

func TestUltra2(t *testing.T) {
	kit(t, Ultra2, "ultra2", drivertest.Options{Joined: []string{"*"}}) // heading and records hang together
}

func FuzzUltra2(f *testing.F) { drivertest.Fuzz(f, Ultra2, "testdata/ultra2") }

func TestWorkedUltra2(t *testing.T) {
	wire := drivertest.Load(t, "testdata/ultra2/testdata/worked.hex")
	d := makeUltra2()
	check(t, says(d, wire), []string{"good 131 4h0m0s 03-14 08:30:15"})
	if s := d.Stats(); s.BadSums != 1 {
		t.Errorf("stats %+v", s)
	}
}

// asks gives what is asked of a meter that never answers, in an hour.
func asks(t *testing.T, d drivers.Asker) map[string]int {
	sent := map[string]int{}
	for now := time.Duration(0); now < time.Hour; {
		b, wait := d.Ask(nil, now)
		if wait <= 0 {
			t.Fatalf("wait %v", wait)
		}
		if len(b) > 0 {
			sent[string(b)]++
		}
		now += wait
	}
	return sent
}

func TestAMeterThatIsNotThereIsAskedSeldom(t *testing.T) {
	for name, d := range map[string]drivers.Asker{"ultra2": makeUltra2(), "ultraeasy": makeOneTouch(&ultraEasy), "verio": makeOneTouch(&verio), "dexcom": makeDexcom(), "freestyle": makeFreeStyle(lite), "taidoc": makeTaiDoc(), "glucomen": makeAreo()} {
		n := 0
		for _, times := range asks(t, d) {
			n += times
		}
		if n < 100 || n > 400 {
			t.Errorf("%s: %d questions in an hour", name, n)
		}
	}
}

func TestUltraEasy(t *testing.T) {
	kit(t, UltraEasy, "ultraeasy", drivertest.Options{Joined: []string{"*"}})
}
func TestVerio(t *testing.T) { kit(t, Verio, "verio", drivertest.Options{Joined: []string{"*"}}) }

func FuzzUltraEasy(f *testing.F) { drivertest.Fuzz(f, UltraEasy, "testdata/ultraeasy") }
func FuzzVerio(f *testing.F)     { drivertest.Fuzz(f, Verio, "testdata/verio") }

func TestWorkedOneTouch(t *testing.T) {
	for want, got := range map[string][]byte{
		"02 0A 00 05 1F 00 00 03 AB 91":                   appendPacket(nil, 0, []byte{0x05, 0x1F, 0, 0}),
		"02 10 02 05 06 97 1C B5 69 61 00 00 00 03 64 DB": appendPacket(nil, 2, drivertest.Hex(t, "05 06 97 1C B5 69 61 00 00 00")),
		"02 06 06 03 CD 41":                               appendPacket(nil, 6, nil),
		"02 0A 03 05 1F F5 01 03 D8 64":                   appendPacket(nil, 3, ultraEasy.start[3]),
		"02 09 00 03 27 00 03 26 71":                      appendPacket(nil, 0, verio.start[2]),
		"02 0A 00 03 21 04 00 03 5D 0E":                   appendPacket(nil, 0, []byte{0x03, 0x21, 4, 0}),
	} {
		if !slices.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
	check(t, says(makeOneTouch(&ultraEasy), drivertest.Load(t, "testdata/ultraeasy/testdata/worked.hex")), []string{"overflow 601 1h10m0s 03-14 07:30:15", "good 97 10m0s 03-14 08:30:15"})
	check(t, says(makeOneTouch(&verio), drivertest.Load(t, "testdata/verio/testdata/worked.hex")), []string{"good 142 10m0s 03-14 08:30:15"})
}

func TestDexcom(t *testing.T) { kit(t, Dexcom, "dexcom", drivertest.Options{Joined: []string{"*"}}) }

func FuzzDexcom(f *testing.F) { drivertest.Fuzz(f, Dexcom, "testdata/dexcom") }

// dexcomPage is a page of records, as the answer to a read.
func dexcomPage(revision byte, records ...[]byte) []byte {
	p := make([]byte, dexPage)
	p[4], p[8], p[9] = byte(len(records)), dexGlucose, revision
	binary.LittleEndian.PutUint16(p[26:], checksum.CRC16XMODEM(p[:26]))
	copy(p[dexHeader:], bytes.Join(records, nil))
	return appendDexcom(nil, dexOK, p)
}

// dexcomRecord is a record of that size.
func dexcomRecord(size int, at uint32, value uint16) []byte {
	b := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, at), at)
	b = append(binary.LittleEndian.AppendUint16(b, value), make([]byte, size-12)...)
	return binary.LittleEndian.AppendUint16(b, checksum.CRC16XMODEM(b))
}

func TestWorkedDexcom(t *testing.T) {
	const now = 542709015
	clock := appendDexcom(nil, dexOK, binary.LittleEndian.AppendUint32(nil, now+300))
	worked := drivertest.Hex(t, "17 15 59 20 17 15 59 20 8E 00 04 90 02")
	for name, c := range map[string]struct{ got, want []string }{
		"G4":              {says(makeDexcom(), clock, dexcomPage(2, worked)), []string{"good 142 5m0s 03-14 08:30:15"}},
		"G5":              {says(makeDexcom(), clock, dexcomPage(5, dexcomRecord(23, now, 142))), []string{"good 142 5m0s 03-14 08:30:15"}},
		"G6":              {says(makeDexcom(), clock, dexcomPage(5, dexcomRecord(25, now, 142), dexcomRecord(25, now+300, 0x8000|150))), []string{"good 142 5m0s 03-14 08:30:15"}},
		"special":         {says(makeDexcom(), clock, dexcomPage(2, dexcomRecord(13, now, 5), dexcomRecord(13, now+1, 1), dexcomRecord(13, now+2, 12))), []string{"calibrating  5m0s 03-14 08:30:15", "sensor-off  4m59s 03-14 08:30:16", "missing  4m58s 03-14 08:30:17"}},
		"high and low":    {says(makeDexcom(), clock, dexcomPage(2, dexcomRecord(13, now, 401), dexcomRecord(13, now+1, 39))), []string{"overflow 401 5m0s 03-14 08:30:15", "underflow 39 4m59s 03-14 08:30:16"}},
		"no clock":        {says(makeDexcom(), dexcomPage(2, worked)), []string{"unknown 142 0s 03-14 08:30:15"}},
		"another size":    {says(makeDexcom(), clock, dexcomPage(5, dexcomRecord(24, now, 142))), nil},
		"another's check": {says(makeDexcom(), clock, dexcomPage(2, dexcomRecord(13, now, 142), make([]byte, 12), []byte{1})), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	for want, got := range map[string][]byte{
		"01 06 00 01 35 D4":                   appendDexcom(nil, dexOK, nil),
		"01 07 00 10 04 8B B8":                appendDexcom(nil, dexPageRange, []byte{dexGlucose}),
		"01 0C 00 11 04 07 00 00 00 01 1B 24": appendDexcom(nil, dexReadPages, []byte{dexGlucose, 7, 0, 0, 0, 1}),
	} {
		if !slices.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
}

func TestFreeStyle(t *testing.T) {
	kit(t, FreeStyle, "freestyle", drivertest.Options{Joined: []string{"*"}})
}

func TestPrecisionIsPlayedToo(t *testing.T) {
	t.Chdir("testdata/freestyle")
	drivertest.Play(t, Precision, drivertest.Options{SilentWhenOff: true, Span: 15 * time.Minute, Settle: every + 6*time.Minute})
}

func FuzzFreeStyle(f *testing.F) { drivertest.Fuzz(f, FreeStyle, "testdata/freestyle") }

func TestWorkedFreeStyle(t *testing.T) {
	d := makeFreeStyle(lite)
	check(t, says(d, drivertest.Load(t, "testdata/freestyle/testdata/worked.hex")), []string{
		"good 97 2h0m0s 03-14 07:00:00", "overflow  1h0m0s 03-14 08:00:00", "good 142 30m0s 03-14 08:30:00"})
	if s := d.Stats(); s.BadSums != 1 {
		t.Errorf("stats %+v", s)
	}
}

func BenchmarkDecoder(b *testing.B) {
	for name, d := range map[string]drivers.Driver{"astm": ASTM, "ultra2": Ultra2, "ultraeasy": UltraEasy, "verio": Verio, "dexcom": Dexcom, "freestyle": FreeStyle,
		"codefree": CodeFree, "taidoc": TaiDoc, "glucomen": GlucoMen} {
		b.Run(name, func(b *testing.B) {
			drivertest.Bench(b, d, drivertest.Load(b, "testdata/"+name+"/testdata/played.hex"))
		})
	}
}
