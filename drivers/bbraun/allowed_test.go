package bbraun

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// allowed tells whether b is something that may be written at once: a reply, a
// question, or both, the questions with the bed id given or "1".
func allowed(b []byte, beds ...string) bool {
	if len(b) > 0 && (b[0] == ack || b[0] == nak) {
		b = b[1:]
	}
	if len(b) == 0 || string(b) == onWire(askAlive, anyBed, stuffed) || string(b) == onWire(askAlive, anyBed, plain) {
		return true
	}
	for _, bed := range beds {
		for _, f := range []form{stuffed, plain} {
			if string(b) == onWire(askVersion, bed, f) || string(b) == onWire(askPumps, bed, f) {
				return true
			}
		}
	}
	return false
}

func onWire(request, bed string, f form) string {
	return string(appendBlock(nil, bed, request, true, f))
}

// The allow-list itself, byte for byte, for one bed.
func TestTheQuestionsAreThese(t *testing.T) {
	for what, c := range map[string]struct{ got, want string }{
		"ALIVE":          {onWire(askAlive, anyBed, plain), "\x0100031\x021/1/1>ADMIN:ALIVE\x0300061\x04"},
		"ALIVE, stuffed": {onWire(askAlive, anyBed, stuffed), "\x0100031\x021/1/1>AEXMIN:ALIVEE\x0300061\x04"},
		"GET":            {onWire(askPumps, "ICU07", plain), "\x0100031\x02ICU07/1/1>MEM:GET\x0300057\x04"},
		"GET, stuffed":   {onWire(askPumps, "ICU07", stuffed), "\x0100031\x02ICU07/1/1>MEEM:GEET\x0300057\x04"},
		"VERSION":        {onWire(askVersion, "ICU07", plain), "\x0100037\x02ICU07/1/1>ADMIN:VERSION\x0300015\x04"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", what, c.got, c.want)
		}
	}
}

// FuzzAsker plays hostile racks: whatever they say and whenever, only what is
// on the list is ever written.
func FuzzAsker(f *testing.F) {
	alive, version := "1,50100,GNACK,0", "1,50100,V3.36"
	f.Add("ICU07", alive, version, pumpText("11", "INRT,5.0"), []byte{40, 1, 10, 2, 60, 3, 60, 3, 200, 0, 4})
	f.Add("ED", alive, "1,50100,GNERR,68", "1,50100,GNERR,11", []byte{1, 3, 3, 30, 3, 70, 5, 5, 5, 5, 5, 90, 1})
	f.Add(">X:Y", "MEM:SET#11", askAlive, askPumps, []byte{100, 1, 30, 3, 40, 2, 7, 7})
	f.Fuzz(func(t *testing.T, bed, first, second, third string, script []byte) {
		a := newAsker("")().(*asker)
		now := time.Duration(0)
		for _, s := range script[:min(len(script), 200)] {
			b, wait := a.Ask(nil, now)
			if !allowed(b, bed, "X") {
				t.Fatalf("wrote %q", b)
			}
			if wait <= 0 || wait > cyclicQuiet {
				t.Fatalf("wait %v", wait)
			}
			from := []form{plain, stuffed}[s>>3&1]
			var said []byte
			switch s & 7 {
			case 1, 2, 3:
				said = appendBlock(nil, bed, []string{first, second, third}[s&7-1], s&16 == 0, from)
			case 4:
				said = []byte(first + second)
			case 5:
				said = appendBlock(nil, bed, third, true, from)
				said[len(said)-2] ^= 1
			case 6:
				said = appendBlock(nil, "X", third, true, from)
			default:
				now += time.Duration(s) * time.Second / 8
			}
			a.Decode(said, func(protocol.Observation) {})
			now += min(wait, 150*time.Millisecond)
		}
	})
}

func TestWhatAsksWillNotStandInABedID(t *testing.T) {
	for _, bed := range []string{"", "A>MEM:SET", "A:B", "A#1", "A\x03", "A\x1e", "ä", strings.Repeat("A", maxBed+1), "A,B"} {
		a := newAsker("")().(*asker)
		a.Decode(appendBlock(nil, bed, "1,50100,GNACK,0", true, plain), func(protocol.Observation) {})
		if a.bed != "" {
			t.Errorf("bed %q was taken", a.bed)
		}
	}
}

// Whatever happens on the line, only this is written.
func TestRunWritesOnlyTheQuestionsAndReplies(t *testing.T) {
	for name, device := range map[string]Device{
		"as usual":         {},
		"without stuffing": {Plain: true},
		"cyclic":           {Cyclic: 5 * time.Second},
		"noise":            {spoil: func(n int, b []byte) []byte { b[n%len(b)] ^= byte(n); return b }},
		"deaf":             {deaf: func(n int) bool { return n%3 == 0 }},
		"another bed":      {bed: func(at time.Time) string { return fmt.Sprintf("Bed%d", at.Unix()/300%3) }},
		"removed":          {gone: func(_ string, at time.Time) (int, bool) { return 39, at.Unix()/60%2 == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := connect(t, Driver, device)
				defer l.stop()
				l.host.ReadAtMost(7)
				l.during(30 * time.Minute)
				for _, b := range l.bytes {
					if !allowed(b, "SpaceCom1", "Bed0", "Bed1", "Bed2") {
						t.Fatalf("wrote %q", b)
					}
				}
				if len(l.bytes) < 100 {
					t.Errorf("%d writes in half an hour", len(l.bytes))
				}
			})
		})
	}
}

func TestNothingElseIsWrittenWhateverIsAtTheFarEnd(t *testing.T) {
	beds := []string{"SpaceCom1", "ICU07", "1", "EEX", "Bed D"}
	only := [][]byte{{ack}, {nak}}
	for _, f := range []form{stuffed, plain} {
		only = append(only, []byte(onWire(askAlive, anyBed, f)))
		for _, bed := range beds {
			only = append(only, []byte(onWire(askVersion, bed, f)), []byte(onWire(askPumps, bed, f)))
		}
	}
	drivertest.Writes(t, Driver, drivertest.Only(only...), func(r *rand.Rand) []byte {
		infos := []string{"1,50100,GNACK,0", "1,50100,V3.36", "1,50100,GNERR,68", "1,50100,GNERR,11", "MEM:SET", "ADMIN:RESET", "1,50111,INRT,5.0", "1,50111,GNERR,39", "1,50112,INA3,1", ""}
		return appendBlock(nil, beds[r.IntN(len(beds))], infos[r.IntN(len(infos))], r.IntN(3) > 0, []form{stuffed, plain}[r.IntN(2)])
	})
}
