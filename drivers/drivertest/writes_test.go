package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// asked is the toy, told to send by "?" every two seconds and sent off by "!".
var asked = func() drivers.Driver {
	d := toy
	d.Asks = true
	d.Run = func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		defer port.Write([]byte{'!'})
		return drivers.Converse(func() drivers.Asker { return &toyAsker{Decoder: newToy()} })(ctx, port, emit)
	}
	d.Simulate = func(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
		return play.Run(ctx, wire, play.Device{Answer: func(b, p []byte, _ time.Time) []byte {
			return append(b, bytes.Repeat([]byte{0xAA, 0, 72, 97, 0x53}, bytes.Count(p, []byte{'?'}))...)
		}})
	}
	return d
}()

type toyAsker struct {
	drivers.Decoder
	next time.Duration
}

func (a *toyAsker) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if now >= a.next {
		b, a.next = append(b, '?'), now+2*time.Second
	}
	return b, a.next - now
}

func TestWritesGivesWhatWasWrittenToTheSimulator(t *testing.T) {
	lies := 0
	got := Writes(t, asked, Only([]byte("?"), []byte("!")), func(r *rand.Rand) []byte { lies++; return []byte{0xAA} })
	if n := Times(got, []byte("?")); n < 1790 || n > 1801 || Times(got, []byte("!")) != 1 || string(got[len(got)-1]) != "!" {
		t.Errorf("%d questions and %d goodbyes in an hour", n, Times(got, []byte("!")))
	}
	if lies < 100 {
		t.Errorf("%d lies were told", lies)
	}
}

func TestOverhearGivesBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obs, wrote := Overhear(t, asked, NewPatient(), func() { time.Sleep(5 * time.Second) })
		if string(wrote) != "???!" || len(obs) != 6 || obs[1].Value != protocol.Int(97) {
			t.Errorf("wrote %q, emitted %+v", wrote, obs)
		}
	})
}

func TestTheLongerOfTwoRequestsCounts(t *testing.T) {
	got := Cut(t, []byte("AABAC"), Only([]byte("A"), []byte("AB"), []byte("AC")))
	if want := [][]byte{[]byte("A"), []byte("AB"), []byte("AC")}; !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%q", got)
	}
	if n := Only()([]byte("A")); n != 0 {
		t.Errorf("of no request %d bytes are allowed", n)
	}
}

func TestABadLineSpoilsSomeOfIt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	whole, kinds := []byte("0123456789"), map[string]bool{}
	good := 0
	for range 1000 {
		switch got := spoil(r, whole); {
		case string(whole) != "0123456789":
			t.Fatal("what was given is spoilt")
		case bytes.Equal(got, whole):
			good++
		default:
			kinds[fmt.Sprint(len(got) == 0, len(got) < len(whole), len(got) == len(whole))] = true
		}
	}
	if good < 600 || good > 900 || len(kinds) != 4 {
		t.Errorf("%d of 1000 are good, %v", good, kinds)
	}
}
