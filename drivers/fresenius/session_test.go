package fresenius

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// allowed is all that may ever be written, spelled out and not from the
// driver's table, so that a change there does not change it here.
var allowed = func() (all [][]byte) {
	all = [][]byte{{0x06}, {0x14}, {0x15, '2'}}
	add := func(address string, messages ...string) {
		for _, m := range messages {
			sum := byte(0xFF)
			for _, c := range []byte(address + m) {
				sum -= c
			}
			all = append(all, fmt.Appendf(nil, "\x02%s%s%02X\x03", address, m, sum))
		}
	}
	add("0", "DC", "FC", "LE;b", "E", "M")
	for _, a := range []string{"", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		add(a, "DC", "FC", "LF;b", "LP", "LE;dr", "LE;aemdr", "LE;aemdrks", "E", "M")
	}
	return all
}()

// onlyAllowed cuts what was written into what may be.
func onlyAllowed(t *testing.T, wrote []byte) (count map[string]int) {
	t.Helper()
	count = map[string]int{}
	for rest := wrote; len(rest) > 0; {
		i := slices.IndexFunc(allowed, func(a []byte) bool { return bytes.HasPrefix(rest, a) })
		if i < 0 {
			t.Fatalf("wrote % X (%q)", rest, rest)
		}
		name := string(allowed[i])
		if n := len(name); n > 4 {
			name = name[1 : n-3]
		}
		count[name]++
		rest = rest[len(allowed[i]):]
	}
	return count
}

func TestRunWritesOnlyWhatIsAllowed(t *testing.T) {
	for name, d := range map[string]Device{"base": {}, "calm": {Calm: true}, "alone": {Alone: true}, "few": {Few: true}, "no bolus": {NoBolus: true}, "mute": {Mute: 1}, "busy": {Busy: true}, "pulled": {Pull: time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			_, wrote := converse(t, d, drivertest.NewPatient(), func() { time.Sleep(3*time.Minute + time.Millisecond) })
			count := onlyAllowed(t, slices.Concat(wrote...))
			if len(count) < 2 {
				t.Errorf("%s: %v", name, count)
			}
			if name == "calm" {
				for m, want := range map[string]int{"1LE;aemdrks": 90, "4LE;aemdrks": 90, "0LE;b": 90, "2LP": 18, "2LF;b": 1, "0DC": 1, "2DC": 1, "2FC": 1, "0FC": 1, "\x14": 89} {
					if got := count[m]; got < want*9/10 || got > want+1 {
						t.Errorf("%s: %d times in 3 min, want about %d; %v", m, got, want, count)
					}
				}
			}
		})
	}
}

// FuzzWhatIsWritten plays hostile devices: whatever they say, in whatever
// pieces and with whatever pauses, only what is allowed is written.
func FuzzWhatIsWritten(f *testing.F) {
	f.Add([]byte("\x020C;b01FFF\x03\x05\x06\x15\x36"), uint64(1))
	f.Add([]byte("PR;0064 PB PO MO;2 OF SI \x02\x02\x03\x15\x14"), uint64(2))
	f.Add([]byte("\x022E;d00641F\x03\x022M;x\x03\x02MO;2"), uint64(3))
	f.Add(appendFrame(appendFrame(nil, 'P', "R"), '9', "E"), uint64(4))
	f.Fuzz(func(t *testing.T, said []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newSession()
		var wrote []byte
		now := time.Duration(0)
		for range 300 {
			b, wait := s.Ask(nil, now)
			if wait <= 0 {
				t.Fatalf("wait %v at %v", wait, now)
			}
			if len(b) > 2*maxOut+maxFrame {
				t.Fatalf("%d bytes at once", len(b))
			}
			wrote = append(wrote, b...)
			s.Decode(hostile(r, said, s), func(protocol.Observation) {})
			now += wait >> r.IntN(4)
		}
		onlyAllowed(t, append(wrote, s.goodbye(nil)...))
	})
}

// hostile makes a piece of what a hostile device says: often something that
// suits the last request.
func hostile(r *rand.Rand, said []byte, s *session) []byte {
	i := r.IntN(len(said) + 1)
	text := said[i:min(len(said), i+r.IntN(40))]
	errors := []string{"0D", "0E", "1E", "1F", "20", "0B", "03", string(text)}
	a := s.target
	if r.IntN(4) == 0 {
		a = address(r.Uint32())
	}
	switch r.IntN(9) {
	case 0:
		return text
	case 1:
		return []byte{nak, byte(r.Uint32())}
	case 2:
		return appendFrame([]byte{enq}, a, "E;"+string(text))
	case 3:
		return appendFrame(nil, a, string(text))
	case 4:
		return appendFrame([]byte{ack}, a, "I;"+errors[r.IntN(len(errors))])
	case 5:
		return appendFrame(nil, a, "C;"+string(text))
	case 6:
		return appendFrame(nil, base, fmt.Sprintf("C;b%04X", r.IntN(1<<16)))
	case 7:
		return nil
	}
	return appendFrame(nil, a, "C;d0064;r001F40")
}

func TestENQIsAnsweredAtOnceWhereverItComes(t *testing.T) {
	s := newSession()
	none := func(protocol.Observation) {}
	for _, piece := range []string{"\x05", "\x022C;d00\x0564;r001F40", "39\x05\x03", "\x05\x05\x05"} {
		s.Decode([]byte(piece), none)
		b, _ := s.Ask(nil, 0)
		if len(b) == 0 || b[0] != dc4 || bytes.Count(b, []byte{dc4}) != 1 {
			t.Errorf("%q: % X", piece, b)
		}
	}
	if s.Stats().Frames != 1 {
		t.Errorf("%+v", s.Stats())
	}
}

func TestEveryFrameIsConfirmedAndEventsAreAnswered(t *testing.T) {
	s := newSession()
	none := func(protocol.Observation) {}
	for said, want := range map[string]string{
		"\x022C;d0064;r001F4039\x03": "\x06", "\x022C;d0064;r001F4038\x03": "\x152", "\x022E;d00641F\x03": "\x06\x022E88\x03",
		string(appendFrame(nil, nobody, "M;x")): "\x06\x02MB2\x03", "\x02": "", "\x06": "",
	} {
		s.Decode([]byte(said), none)
		if b, _ := s.Ask(nil, 0); string(b) != want {
			t.Errorf("%q: %q, want %q", said, b, want)
		}
		s.Decode([]byte{3}, none)
	}
}

func TestModulesArePulledAndPutIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := drivertest.NewPatient()
		obs, _ := converse(t, Device{Pull: 20 * time.Second, Calm: true}, p, func() { time.Sleep(time.Minute) })
		all := short(obs)
		expect(t, only(all, "Absent"), "1 Absent start low module 1 is removed", "1 Absent end low module 1 is removed")
		expect(t, only(all, "Model"), " Model good Fresenius base", "1 Model good Fresenius pump", "2 Model good Fresenius pump", "4 Model good Fresenius pump",
			"1 Model good Fresenius pump, type PILOT A2", "2 Model good Fresenius pump, type PILOT A2", "4 Model good Fresenius pump, type PILOT A2",
			"1 Model good Fresenius pump", "1 Model good Fresenius pump, type PILOT A2")
		from := slices.Index(all, "1 Absent start low module 1 is removed")
		to := slices.Index(all, "1 Absent end low module 1 is removed")
		for _, s := range all[from:to] {
			if strings.HasPrefix(s, "1 ") && strings.Contains(s, "good") {
				t.Errorf("while it is out: %s", s)
			}
		}
		if !slices.Contains(all[to:], "1 Rate good 1000.0") || !slices.Contains(all[to:], "1 Drug good Noradrenaline") {
			t.Error("nothing is read after it was put in again")
		}
	})
}

func TestAMuteModuleIsToldAndTheOthersAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obs, _ := converse(t, Device{Mute: 2}, drivertest.NewPatient(), func() { time.Sleep(time.Minute) })
		all := short(obs)
		if got := only(all, "Absent"); !slices.Contains(got, "2 Absent start medium module 2 does not answer") || len(got) != 1 {
			t.Errorf("%q", got)
		}
		for _, want := range []string{"1 Rate good 1000.0", "4 Rate good 1000.0"} {
			if n := len(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s != want })); n < 15 {
				t.Errorf("%s: %d times in a minute", want, n)
			}
		}
	})
}

func TestAlarmsAreReadOfAPumpWithoutBolusAndMissedOfOneThatTellsOnlyItsFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, device := range map[string]Device{
			" Alarm start medium alarm 0004, Alarm end medium alarm 0004": {NoBolus: true, Calm: true, Alone: true},
			" Not read start low alarms of the pump cannot be read":       {Few: true, Calm: true, Alone: true},
		} {
			p := drivertest.NewPatient()
			obs, _ := converse(t, device, p, func() {
				p.AllOff(true) // everything is refused
				time.Sleep(time.Minute)
				p.AllOff(false)
				p.Set(rate, 10)
				time.Sleep(time.Minute)
				p.Set(rate, 1600)
				time.Sleep(time.Minute)
				p.Set(rate, 10)
				time.Sleep(time.Minute)
			})
			if got := strings.Join(only(short(obs), "Alarm", "Not read"), ","); got != want {
				t.Errorf("%+v: %q, want %q", device, got, want)
			}
		}
	})
}

func TestARefusedConnectionIsToldAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, alone := range []bool{false, true} {
			obs, wrote := converse(t, Device{Busy: true, Alone: alone, Calm: true}, drivertest.NewPatient(), func() { time.Sleep(time.Minute) })
			expect(t, short(obs), " Absent start medium the connection is refused, error 20")
			if n := len(wrote); n < 15 || n > 40 {
				t.Errorf("%d writes", n)
			}
		}
	})
}

func TestAValueIsNotKeptWhileNothingCanBeRead(t *testing.T) {
	s := newSession()
	var obs []protocol.Observation
	emit := func(o protocol.Observation) { obs = append(obs, o) }
	now := time.Second
	for range 400 {
		b, wait := s.Ask(nil, now)
		answer := "I;0D"
		switch {
		case bytes.Contains(b, []byte("DC")):
			answer = "C"
		case now < 6*time.Second && bytes.Contains(b, []byte("LE;b")):
			answer = "C;b01"
		case now < 6*time.Second:
			answer = "C;d0064"
		}
		if bytes.IndexByte(b, stx) < 0 {
			s.Decode(nil, emit)
			now += wait
			continue
		}
		s.Decode(appendFrame([]byte{ack}, s.target, answer), emit)
		now += 10 * time.Millisecond
	}
	all := short(obs)
	i := slices.Index(all, " Absent start medium the connection is refused, error 0D")
	if i < 0 || !slices.Contains(all[:i+4], "1 Rate missing ") {
		t.Errorf("%s", strings.Join(all, "\n"))
	}
	if now < time.Minute {
		t.Errorf("400 writes in %v", now)
	}
}

func TestABaseThatDoesNotListItsModulesIsTold(t *testing.T) {
	for _, answer := range []string{"I;01", "C;i03", "C"} {
		s := newSession()
		var obs []protocol.Observation
		for now := time.Second; now < 10*time.Second; {
			b, wait := s.Ask(nil, now)
			var piece []byte
			if bytes.Contains(b, []byte("DC")) {
				piece = appendFrame(nil, base, "C")
			} else if bytes.IndexByte(b, stx) >= 0 {
				piece = appendFrame(nil, base, answer)
			} else {
				now += wait
			}
			s.Decode(piece, func(o protocol.Observation) { obs = append(obs, o) })
		}
		expect(t, short(obs), " Absent start medium the base does not list its modules")
	}
}

func TestTheSessionIsEndedWhenRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, d := range map[string]Device{"\x024FC42\x03\x022FC44\x03\x021FC45\x03\x020FC46\x03": {Calm: true}, "\x02FC76\x03": {Calm: true, Alone: true}} {
			_, wrote := converse(t, d, drivertest.NewPatient(), func() { time.Sleep(10 * time.Second) })
			if got := string(wrote[len(wrote)-1]); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
}

func TestAPumpAloneIsFoundByItsAnswers(t *testing.T) {
	for name, answer := range map[string]string{"a refusal": "\x154", "an answer without address": string(appendFrame(nil, nobody, "I;01")), "silence": ""} {
		s := newSession()
		var asked []string
		for now := time.Second; len(asked) < 4; {
			b, wait := s.Ask(nil, now)
			if i := bytes.IndexByte(b, stx); i >= 0 {
				asked = append(asked, strings.Trim(string(b[i:]), "\x02\x03"))
				s.Decode([]byte(answer), func(protocol.Observation) {})
			}
			now += wait
		}
		if slices.Index(asked, "DC78") < 0 || asked[0] != "0DC48" {
			t.Errorf("%s: %q", name, asked)
		}
	}
}

func TestAModuleThatIsLostIsConnectedAnew(t *testing.T) {
	s := newSession()
	var asked []string
	answer := map[string]string{"0DC": "C", "0LE;b": "C;b01", "1DC": "C", "1LF;b": "C;b1", "1LE;aemdrks": "I;1E", "1LP": "C;x"}
	var obs []protocol.Observation
	for now := time.Second; now < 12*time.Second; {
		b, wait := s.Ask(nil, now)
		i := bytes.IndexByte(b, stx)
		if i < 0 {
			now += wait
			s.Decode(nil, func(o protocol.Observation) { obs = append(obs, o) })
			continue
		}
		q := string(b[i+1 : len(b)-3])
		asked = append(asked, q)
		s.Decode(appendFrame(nil, s.target, answer[q]), func(o protocol.Observation) { obs = append(obs, o) })
	}
	n := 0
	for _, q := range asked {
		if q == "1DC" {
			n++
		}
	}
	if n < 4 || n > 8 {
		t.Errorf("connected %d times: %q", n, asked)
	}
	expect(t, only(short(obs), "Absent"), "1 Absent start medium module 1 does not answer")
}
