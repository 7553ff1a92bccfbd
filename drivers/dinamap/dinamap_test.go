package dinamap

import (
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Waveform mode.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 5010 * time.Millisecond, What: "72/min"},
		drivertest.Act{For: 2 * time.Second, What: "electrodes off", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, drivertest.Options{
		Unchecked: []string{"played"}, // a lost block changes what is counted; bits are flipped in the other one
		Joined:    []string{"*"},      // blocks count up, and rates are of many
		Expect:    []protocol.Code{protocol.HeartRate, protocol.RespirationRate},
		Span:      90 * time.Second,
		Settle:    70 * time.Second, // breaths are counted over a minute
		Tolerance: map[protocol.Code]float64{protocol.HeartRate: 1.01, protocol.RespirationRate: 1.01},
	})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

func TestWorkedBlock(t *testing.T) {
	d := newDecoder().(*decoder)
	d.Decode(drivertest.Hex(t, "07 06 80 20 08 02 00 83 21 08 42 10 01 02 03 E3 1C F8"), func(protocol.Observation) {})
	if got := d.wave[:d.drawn]; !slices.Equal(got, []int32{524, 528, 528, 528}) || d.status != 0x06 || d.number != 7 {
		t.Errorf("samples %v, status %02X, number %d", got, d.status, d.number)
	}
}

func TestTheRateNeedsRecentBeats(t *testing.T) {
	var r rhythm
	for at := 0; at < 1000; at += 50 {
		r.turn(at, true)
		r.turn(at+1, false)
	}
	if got := r.rate(1000, 500, 200); got != protocol.Int(60) {
		t.Errorf("a beat a second: %v", got)
	}
	if got := r.rate(1200, 500, 200); got.Valid {
		t.Errorf("no beat for 5 s: %v", got)
	}
	if got := (&rhythm{}).rate(1000, 500, 200); got.Valid {
		t.Errorf("no beat at all: %v", got)
	}
}

func TestALostBlockEndsTheCount(t *testing.T) {
	wire := drivertest.Load(t, "testdata/played.hex")
	cut := slices.Concat(wire[:100*size], wire[101*size:])
	var blocks []int
	for _, o := range drivertest.Decode(newDecoder(), cut) {
		if o.Samples != nil {
			blocks = append(blocks, len(o.Samples.Raw))
		}
	}
	if len(blocks) < 6 || blocks[3] != emitEvery*samples || blocks[4] != (emitEvery-1)*samples || blocks[5] != emitEvery*samples {
		t.Errorf("samples in blocks of %v", blocks)
	}
	d := newDecoder().(*decoder)
	d.Decode(cut[:101*size], func(protocol.Observation) {})
	if d.blocks != 1 {
		t.Errorf("%d blocks after a lost one, want 1", d.blocks)
	}
}
