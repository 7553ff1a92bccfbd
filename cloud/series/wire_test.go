package series

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"monitorme/protocol"

	"github.com/google/go-cmp/cmp"
)

func wireObservations() []protocol.Observation {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return []protocol.Observation{
		{Device: "a", Code: 1, Kind: protocol.KindNumeric, Unit: "/min", Quality: protocol.QualityGood, At: at, Value: protocol.Dec(725, -1)},
		{Device: "b", Channel: "left", Code: 2, Kind: protocol.KindEnumeration, At: at, Text: "asleep"},
		{Device: "a", Code: 1, Kind: protocol.KindNumeric, Quality: protocol.QualityMissing, At: at.Add(time.Second)},
		{Code: 3, Kind: protocol.KindEvent, At: at, Event: &protocol.Event{Text: "lost", From: at}},
		{Device: "a", Code: 4, Kind: protocol.KindSamples, At: at, Samples: &protocol.Samples{RateMilliHz: 1000, Scale: protocol.Int(1), Raw: []int32{1, 2, protocol.NoSample}}},
	}
}

func TestAnAppendComesThroughWhole(t *testing.T) {
	want := wireObservations()
	got, err := decodeObservations(appendObservations(nil, want))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func FuzzDecodeObservations(f *testing.F) {
	f.Add(appendObservations(nil, wireObservations()))
	f.Add(appendObservations(nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		obs, err := decodeObservations(b)
		if err != nil {
			return
		}
		good, _ := Sift("box", obs)
		again, err := decodeObservations(appendObservations(nil, good))
		if err != nil || len(again) != len(good) {
			t.Errorf("%d observations became %d, %v", len(good), len(again), err)
		}
	})
}

func FuzzReadFrames(f *testing.F) {
	var whole bytes.Buffer
	w := &frameWriter{w: &whole}
	for _, o := range wireObservations() {
		w.add(&o, 2)
	}
	w.end(errors.New("and then it failed"))
	f.Add(whole.Bytes())
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		readFrames(bytes.NewReader(b), func(o *protocol.Observation) bool { return true })
	})
}
