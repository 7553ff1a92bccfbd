package alaris

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// A question may fall into the pause after answers that were spoiled.
var options = drivertest.Options{
	Settle: 30 * time.Second,
	Span:   2 * time.Minute,
	Expect: []protocol.Code{rate, infused, left, pressure},
}

func TestDriver(t *testing.T) {
	p := drivertest.NewPatient()
	drivertest.Record(t, "testdata/played.hex", "A simulated pump.", Driver, p,
		drivertest.Act{For: 35100 * time.Millisecond, What: "7.5 mL/h, 6 h left", Do: func(p *drivertest.Patient) {
			for code, v := range map[protocol.Code]float64{rate: 7.5, infused: 12.25, left: 37.75, pressure: 31, timeLeft: 360} {
				p.Set(code, v)
			}
		}},
		drivertest.Act{For: 6100 * time.Millisecond, What: "occlusion", Do: func(p *drivertest.Patient) { p.Set(pressure, 1200) }},
		drivertest.Act{For: 12100 * time.Millisecond, What: "no syringe", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, options)
}

func TestAPumpThatDoesNotKnowAQuestionIsReadAllTheSame(t *testing.T) {
	d := Driver
	d.Simulate = Device{Calm: true, Never: []string{"INST_SERIALNO", "COMMS_PROTOCOL", "ALARM", "SYRINGE_STATUS"}}.Simulate
	opts := options
	opts.Settle = 2 * time.Minute // until they are left out
	drivertest.Play(t, d, opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzAnswer is behind the CRC.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"INF^8002-51733^A^HLD^0.00^ml/h^x^0.969^ml^530.15^mmHg^00:04:09^EVENT^214725", "INF^a^-^SET^1^kPa^^2^^3^ml^24+^",
		"INF_VTBI^ACTIV^11.000^ml^STOP", "SYRINGE_STATUS^BD^ 50^", "ALARM^AL_OTHER^ ^é", "INST_SERIALNO^1", "COMMS_PROTOCOL^\xff\xfe", "INF^^^^^^^^^^^^^^^^^^^^^^^^"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		status := "INF^8003-10442^A^SET^7.50^ml/h^^12.250^ml^31.00^mmHg^06:40^EVENT^4411"
		wire := appendLine(appendLine(appendLine(appendLine(nil, status), text), status), text)
		for _, o := range drivertest.Decode(newDecoder(), wire) {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			if !slices.Contains(Driver.Codes, o.Code) {
				t.Errorf("code %d is not in the list", o.Code)
			}
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// told gives what lines say, in short.
func told(lines ...string) []string {
	var wire []byte
	for _, l := range lines {
		wire = appendLine(wire, l)
	}
	return short(drivertest.Decode(newDecoder(), wire))
}

const marked = "INF^8002-1^A^HLD^0^ml/h"

func events(lines ...string) []string {
	return slices.DeleteFunc(told(lines...), func(s string) bool {
		return !strings.HasPrefix(s, "start") && !strings.HasPrefix(s, "continue") && !strings.HasPrefix(s, "end")
	})
}

func short(obs []protocol.Observation) (all []string) {
	for _, o := range obs {
		term, _ := protocol.Lookup(o.Code)
		switch o.Kind {
		case protocol.KindEvent:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Priority, " ", o.Event.Text))
		case protocol.KindNumeric:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value))
		default:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Text))
		}
	}
	return all
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheQuestionsAreThoseOfTheSheet(t *testing.T) {
	for c, q := range questions {
		if q != string(appendLine(nil, names[c])) {
			t.Errorf("%q is not %s with its CRC", q, names[c])
		}
	}
	if got := checksum.CRC16CCITTFalse([]byte("123456789")); got != 0x29B1 {
		t.Errorf("%04X", got)
	}
}

func TestWorkedLines(t *testing.T) {
	d := newDecoder()
	expect(t, short(drivertest.Decode(d, drivertest.Load(t, "testdata/worked.hex"))),
		"Model good Alaris Asena syringe pump", "Serial good 8002-51733", "Firmware good Asena Rev 2.1.5",
		"Syringe good BD PLASTIPAK 50 ml", "Pump good HLD", "Rate good 0.00", "Infused good 0.969", "P line good 530.15", "Time left good 4.15",
		"Syringe missing ", "Model good Alaris Asena syringe pump", "Serial good 8003-10442",
		"Pump good SET", "Rate good 7.50", "Infused good 12.250", "P line good 31.00", "Time left questionable 400")
	if s := d.Stats(); s.Frames != 9 || s.BadSums != 0 {
		t.Errorf("%+v", s)
	}
}

const status = "INF^8002-1^-^SET^7.50^ml/h^^1.0^ml^31^mmHg^24+^EVENT^1"

var usual = []string{"Pump good SET", "Rate good 7.50", "Infused good 1.0", "P line good 31", "Time left overflow 1440"}

func after(first ...string) []string {
	return append([]string{"Model good Alaris Asena syringe pump", "Serial good 8002-1"}, append(first, usual...)...)
}

func TestAnswers(t *testing.T) {
	id := "INST_SERIALNO^8002-1"
	for name, c := range map[string]struct{ got, want []string }{
		"more than a day":                 {told(status), after()},
		"values with blanks":              {told("INF^8002-1^-^SET^ 7.50 ^ml/h^^1.0 ^ml^ 31^mmHg^ 24+^EVENT^1"), after()},
		"volume to be infused":            {told(id, "INF_VTBI^ACTIV^11.000^ml^STOP", status), after("VTBI good 11.000")},
		"no volume to be infused":         {told(id, "INF_VTBI^DEACT^^ml^STOP", status), after("VTBI missing ")},
		"one that is not active":          {told(id, "INF_VTBI^DEACT^11.000^ml^STOP", status), after("VTBI missing ")},
		"one in a state unheard of":       {told(id, "INF_VTBI^PAUSE^11.000^ml^STOP", status), after("VTBI questionable 11.000")},
		"an unconfirmed syringe":          {told(id, "SYRINGE_STATUS^BD^ 50^", status), after("Syringe questionable BD 50 ml, not confirmed")},
		"no syringe":                      {told(id, "SYRINGE_STATUS^^^", status), after("Syringe missing ")},
		"nobody says whose it is":         {told(id, "INF_VTBI^ACTIV^11.000^ml^STOP"), after()[:2]},
		"an echo is no answer":            {told("INF", "INST_SERIALNO"), nil},
		"a status without numbers":        {told("INF^8002-1^-^SET^^ml/h^^^ml^^mmHg^^EVENT^1"), []string{after()[0], after()[1], "Pump good SET", "Rate missing ", "Infused missing ", "P line missing ", "Time left missing "}},
		"a unit that is not known":        {told("INF^8002-1^-^SET^7.50^furlong^x^1.0^ml^4^kPa^24+^EVENT^1"), []string{after()[0], after()[1], "Pump good SET", "Rate invalid 7.50", "Drug questionable x", "Infused good 1.0", "P line good 30.0", "Time left overflow 1440"}},
		"a serial number that is no text": {told("INST_SERIALNO^\xe9\x80", "INF^\xe9\x80^-^SET^1^ml/h^^^^^^24+")[:3], []string{after()[0], "Serial good ??", "Pump good SET"}},
		"a drug that goes":                {told("INF^8002-1^-^SET^1^ml/h^x", "INF^8002-1^-^SET^1^ml/h", "INF^8002-1^-^SET^1^ml/h")[4:12], []string{"Drug questionable x", "Infused missing ", "P line missing ", "Time left missing ", "Pump good SET", "Rate good 1", "Drug missing ", "Infused missing "}},
		"a short status is not read":      {told("INF^8002-1^-^SET"), nil},
		"an alarm begins and ends":        {told("ALARM^AL_OCCLU^ ^ ", "ALARM^AL_OCCLU^ ^ ", "ALARM^AL_NOALM^ ^ "), []string{"start high AL_OCCLU occlusion", "end high AL_OCCLU occlusion"}},
		"one alarm follows another":       {told("ALARM^AL_NEOIN^^", "ALARM^AL_EOIST^^"), []string{"start low AL_NEOIN near end of infusion", "end low AL_NEOIN near end of infusion", "start high AL_EOIST end of infusion, stopped"}},
		"an unknown alarm is told":        {told("ALARM^AL_WHATS^pump says^so"), []string{"start medium AL_WHATS pump says so"}},
		"the pump's words come first":     {told("ALARM^AL_OCCLU^OCCLUSION^"), []string{"start high AL_OCCLU OCCLUSION"}},
		"a mark that ALARM denies twice": {events("ALARM^AL_NOALM^^", marked, "ALARM^AL_NOALM^^", marked, "ALARM^AL_NOALM^^", marked, "ALARM^AL_OCCLU^^", marked, "ALARM^AL_NOALM^^", status), []string{
			"start medium alarm A", "continue high AL_OCCLU occlusion", "end high AL_OCCLU occlusion"}},
		"an alarm whose texts change":        {told("ALARM^AL_OCCLU^12^", "ALARM^AL_OCCLU^13^", "ALARM^AL_NOALM^^"), []string{"start high AL_OCCLU 12", "continue high AL_OCCLU 13", "end high AL_OCCLU 13"}},
		"the mark is there before its ALARM": {events(marked, "ALARM^AL_OCCLU^^", marked, "ALARM^AL_NOALM^^"), []string{"start medium alarm A", "continue high AL_OCCLU occlusion", "end high AL_OCCLU occlusion"}},
		"a mark that goes ends what it told": {events(marked, "ALARM^AL_NOALM^^", status), []string{"start medium alarm A", "end medium alarm A"}},
		"the mark of the status tells an alarm": {told("INF^8002-1^A^HLD^0^ml/h", "INF^8002-1^A^HLD^0^ml/h", status)[2:], append([]string{"start medium alarm A",
			"Pump good HLD", "Rate good 0", "Infused missing ", "P line missing ", "Time left missing ", "Pump good HLD", "Rate good 0", "Infused missing ", "P line missing ", "Time left missing ", "end medium alarm A"}, usual...)},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(c.got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestNothingOfTheOldPumpIsToldOfTheNewOne(t *testing.T) {
	got := told("INST_SERIALNO^8002-1", "INF_VTBI^ACTIV^11^ml^STOP", "ALARM^AL_OCCLU^^", status,
		"INF_VTBI^ACTIV^22^ml^STOP", "SYRINGE_STATUS^BD^50^CONF", "INF^8003-2^-^SET^1^ml/h^^2^ml^3^mmHg^00:00:30^EVENT^1")
	expect(t, got, append([]string{"Model good Alaris Asena syringe pump", "Serial good 8002-1", "start high AL_OCCLU occlusion", "VTBI good 11"}, append(slices.Clone(usual),
		"end high AL_OCCLU occlusion", "VTBI missing ", "Model good Alaris Asena syringe pump", "Serial good 8003-2",
		"Pump good SET", "Rate good 1", "Infused good 2", "P line good 3", "Time left good 0.50")...)...)
}

func TestTimeLeft(t *testing.T) {
	for in, want := range map[string]string{
		"00:04:09": "good 4.15", "00:04:10": "good 4.16", "23:59:59": "good 1439.98", "10:00:00": "good 600", "06:40": "questionable 400",
		"24+": "overflow 1440", "": "missing ", "--:--": "missing ", "4": "missing ", "00:60:00": "missing ", "1:2:3": "missing ", "1:02:03:04": "missing ", "+": "missing ", "9999+": "missing ",
	} {
		if o := remaining([]byte(in)); fmt.Sprint(o.Quality, " ", o.Value) != want {
			t.Errorf("%q: %v %v, want %s", in, o.Quality, o.Value, want)
		}
	}
}

// run plays a pump and gives what Run emits and writes.
func run(t *testing.T, device Device, p *drivertest.Patient, during func()) (obs []protocol.Observation, wrote []byte) {
	host, far := drivertest.NewWire()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	tap := &tapped{Port: host}
	go func() { done <- device.Simulate(ctx, far, p) }()
	go func() { done <- Driver.Run(ctx, tap, func(o protocol.Observation) { obs = append(obs, o) }) }()
	during()
	stop()
	<-done
	<-done
	far.Close()
	return obs, tap.wrote
}

type tapped struct {
	drivers.Port
	wrote []byte
}

func (p *tapped) Write(b []byte) (int, error) {
	p.wrote = append(p.wrote, b...)
	return p.Port.Write(b)
}

// allowed is all that may ever be written, on its own and not from the driver's
// table, so that a change there does not change it here.
var allowed = []string{"!INST_SERIALNO|457D\r", "!COMMS_PROTOCOL|E8DA\r", "!INF|4961\r", "!INF_VTBI|8456\r", "!ALARM|50B2\r", "!SYRINGE_STATUS|4102\r"}

// onlyQuestions cuts what was written into allowed questions.
func onlyQuestions(t *testing.T, wrote []byte) (count map[string]int) {
	t.Helper()
	count = map[string]int{}
	for len(wrote) > 0 {
		n := bytes.IndexByte(wrote, '\r') + 1
		if n == 0 || !slices.Contains(allowed, string(wrote[:n])) {
			t.Fatalf("wrote %q", wrote)
		}
		count[string(wrote[:n])]++
		wrote = wrote[n:]
	}
	return count
}

func TestRunWritesOnlyTheQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, wrote := run(t, Device{Calm: true}, drivertest.NewPatient(), func() { time.Sleep(10*time.Minute - 100*time.Millisecond) })
		count := onlyQuestions(t, wrote)
		for q, want := range map[string]int{"!INF|4961\r": 300, "!ALARM|50B2\r": 300, "!INF_VTBI|8456\r": 60, "!SYRINGE_STATUS|4102\r": 60, "!INST_SERIALNO|457D\r": 2, "!COMMS_PROTOCOL|E8DA\r": 2} {
			if got := count[q]; got < want*9/10 || got > want+1 {
				t.Errorf("%q: %d times in 10 min, want about %d", q, got, want)
			}
		}
	})
}

// FuzzWhatIsWritten plays hostile pumps: whatever they say, in whatever pieces
// and with whatever pauses, only questions are written.
func FuzzWhatIsWritten(f *testing.F) {
	f.Add([]byte("!INF_STOP|CD57\r!REMOTE_CTRL^ENABLED^3CC1|B1F1\r"), uint64(1))
	f.Add([]byte("!INST_SERIALNO^INF_START|0000\r\x1b"), uint64(2))
	f.Add(appendLine(appendLine(nil, "INST_SERIALNO^!INF_STOP"), "INF^INF_STOP^INF_START^SET^9^ml/h"), uint64(3))
	f.Add(appendLine(appendLine(nil, status), "INF_VTBI^ACTIV^11.000^ml^STOP"), uint64(4))
	f.Fuzz(func(t *testing.T, said []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		a := makeAsker()
		var wrote []byte
		now := time.Duration(0)
		for range 200 {
			var wait time.Duration
			b, wait := a.Ask(nil, now)
			if wait <= 0 {
				t.Fatalf("wait %v at %v", wait, now)
			}
			if len(b) > len("!SYRINGE_STATUS|4102\r") {
				t.Fatalf("%q at once", b)
			}
			wrote = append(wrote, b...)
			var piece []byte
			switch r.IntN(4) {
			case 0:
				now += wait
			case 1:
				i := r.IntN(len(said) + 1)
				piece = said[i:min(len(said), i+r.IntN(40))]
				now += wait / 3
			case 2: // with a CRC that is right
				i := r.IntN(len(said) + 1)
				piece = appendLine(nil, strings.TrimLeft(string(said[i:min(len(said), i+r.IntN(80))]), "!"))
				now += wait / 2
			case 3:
				piece = appendLine(nil, names[r.IntN(int(commands))]+"^"+string(said))
				now += time.Millisecond
			}
			a.Decode(piece, func(protocol.Observation) {})
		}
		onlyQuestions(t, wrote)
	})
}

func TestASwappedPumpIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := drivertest.NewPatient()
		p.Set(timeLeft, 90)
		obs, _ := run(t, Device{Swap: 2 * time.Minute}, p, func() {
			time.Sleep(2 * time.Minute)
			p.Set(left, 5)
			time.Sleep(2 * time.Minute)
		})
		var serials []string
		second := -1
		for i, o := range obs {
			if o.Code == protocol.IdentitySerial {
				serials = append(serials, o.Text)
				second = i
			}
		}
		if !slices.Equal(serials, []string{firstSerial, secondSerial}) {
			t.Fatalf("serial numbers %q", serials)
		}
		for i, o := range obs {
			if o.Code == left && o.Value.Valid && (o.Value.Compare(protocol.Int(5)) == 0) != (i > second) {
				t.Errorf("volume to be infused %v is told of the wrong pump", o.Value)
			}
		}
	})
}

func TestAnAlarmThatStandsAfterASilenceIsSaidAgain(t *testing.T) {
	d := makeDecoder()
	var obs []protocol.Observation
	emit := func(o protocol.Observation) { obs = append(obs, o) }
	d.Decode(appendLine(nil, "ALARM^AL_OCCLU^^"), emit)
	d.interrupted()
	d.Decode(appendLine(appendLine(nil, "ALARM^AL_OCCLU^^"), "ALARM^AL_OCCLU^^"), emit)
	d.interrupted()
	d.Decode(appendLine(nil, "INF^8002-1^A^HLD^0^ml/h")[:], func(o protocol.Observation) {
		if o.Event != nil {
			emit(o)
		}
	})
	d.interrupted()
	d.Decode(appendLine(nil, "ALARM^AL_NOALM^^"), emit)
	expect(t, short(obs), "start high AL_OCCLU occlusion", "start high AL_OCCLU occlusion", "start high AL_OCCLU occlusion", "end high AL_OCCLU occlusion")
}

func TestAQuestionIsPutTwiceThenThereIsAPause(t *testing.T) {
	a := makeAsker()
	var at []string
	for now := time.Duration(0); now < 14*time.Second; {
		b, wait := a.Ask(nil, now)
		if len(b) > 0 {
			at = append(at, fmt.Sprintf("%v %s", now, b[1:9]))
		}
		now += wait
	}
	expect(t, at, "0s INST_SER", "500ms INST_SER", "6s INF|4961", "6.5s INF|4961", "12s INST_SER", "12.5s INST_SER")
}

func TestASlowPumpIsGivenItsTime(t *testing.T) {
	a := makeAsker()
	var late []struct {
		at   time.Duration
		line string
	}
	got := map[protocol.Code]int{}
	for now := time.Duration(0); now < time.Minute; {
		b, wait := a.Ask(nil, now)
		for c, q := range questions {
			if string(b) == q {
				late = append(late, struct {
					at   time.Duration
					line string
				}{now + 1500*time.Millisecond, (&playing{patient: drivertest.NewPatient()}).answer(command(c), time.Time{})})
			}
		}
		if len(late) > 0 && late[0].at <= now+wait {
			now = late[0].at
			a.Decode(appendLine(nil, late[0].line), func(o protocol.Observation) { got[o.Code]++ })
			late = late[1:]
			continue
		}
		now += wait
	}
	if got[rate] < 8 || got[left] < 3 {
		t.Errorf("%d rates, %d volumes in a minute", got[rate], got[left])
	}
}
