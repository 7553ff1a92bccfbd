package protocol

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"monitorme/protocol/wirepb"
)

var t0 = time.Date(2026, 11, 20, 10, 15, 0, 0, time.UTC)

// instants are microseconds in the years allowed.
func instants() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(minMicros, maxMicros).Draw(t, "µs")).UTC()
	})
}

func orZero[T any](g *rapid.Generator[T]) *rapid.Generator[T] {
	return rapid.OneOf(rapid.Just(*new(T)), g)
}

func decimals() *rapid.Generator[Decimal] {
	return rapid.Custom(func(t *rapid.T) Decimal {
		return Dec(rapid.Int64().Draw(t, "mantissa"), int8(rapid.IntRange(-18, 18).Draw(t, "exponent")))
	})
}

func rawSamples() *rapid.Generator[[]int32] {
	sample := rapid.OneOf(rapid.Int32Range(math.MinInt32/2, math.MaxInt32/2), rapid.Int32Range(-100, 100), rapid.Just(NoSample))
	return rapid.SliceOfN(sample, 1, 40)
}

func observations(stream Stream) *rapid.Generator[Observation] {
	return rapid.Custom(func(t *rapid.T) Observation {
		o := Observation{
			Device:     DeviceID(rapid.SampledFrom([]string{"", "monitor", "oximeter-1"}).Draw(t, "device")),
			Channel:    orZero(rapid.StringMatching(`[a-zäß 0-9]{1,8}`)).Draw(t, "channel"),
			Code:       Code(rapid.Uint32Min(1).Draw(t, "code")),
			Unit:       Unit(rapid.SampledFrom([]string{"", "%", "mm[Hg]", "furlong"}).Draw(t, "unit")),
			Quality:    Quality(rapid.Byte().Draw(t, "quality")),
			At:         instants().Draw(t, "at"),
			DeviceTime: orZero(instants()).Draw(t, "device time"),
		}
		if o.DeviceTime.Equal(time.UnixMicro(0)) {
			o.DeviceTime = time.Time{}
		}
		switch stream {
		case StreamEvent:
			o.Kind = KindEvent
			o.Event = &Event{
				Phase:    Phase(rapid.Byte().Draw(t, "phase")),
				Priority: Priority(rapid.Byte().Draw(t, "priority")),
				Type:     AlarmType(rapid.Byte().Draw(t, "type")),
				Source:   Code(rapid.Uint32().Draw(t, "source")),
				Text:     rapid.StringN(0, -1, 100).Draw(t, "text"),
			}
			if rapid.Bool().Draw(t, "bounded") {
				o.Event.From, o.Event.To = instants().Draw(t, "from"), instants().Draw(t, "to")
			}
		case StreamWave:
			o.Kind = KindSamples
			o.Samples = &Samples{RateMilliHz: rapid.Uint32Range(1, 100_000_000).Draw(t, "rate"), Scale: decimals().Draw(t, "scale"), Offset: decimals().Draw(t, "offset"), Raw: rawSamples().Draw(t, "raw")}
			if o.Samples.Scale.Mantissa == 0 {
				o.Samples.Scale = Int(1)
			}
			if o.Samples.Offset.Mantissa == 0 {
				o.Samples.Offset = Int(0)
			}
		default:
			o.Kind = rapid.SampledFrom([]Kind{KindNumeric, KindEnumeration, KindUnknown, 9, 255}).Draw(t, "kind")
			if o.Kind != KindEnumeration {
				o.Value = orZero(decimals()).Draw(t, "value")
			}
			if o.Kind != KindNumeric {
				o.Text = rapid.StringN(0, -1, 100).Draw(t, "text")
			}
		}
		return o
	})
}

func batches() *rapid.Generator[*Batch] {
	return rapid.Custom(func(t *rapid.T) *Batch {
		b := &Batch{
			Box:      "box-1",
			Epoch:    rapid.Uint64Min(1).Draw(t, "epoch"),
			Stream:   Stream(rapid.IntRange(1, 3).Draw(t, "stream")),
			FirstSeq: rapid.Uint64Range(1, math.MaxUint64-MaxObservations).Draw(t, "seq"),
			Base:     instants().Draw(t, "base"),
			Clock:    ClockQuality(rapid.Byte().Draw(t, "clock")),
			Boot:     rapid.Uint64().Draw(t, "boot"),
		}
		b.Sent = orZero(instants()).Draw(t, "sent")
		if b.Sent.Equal(time.UnixMicro(0)) {
			b.Sent = time.Time{}
		}
		b.Observations = rapid.SliceOfN(observations(b.Stream), 1, 60).Draw(t, "observations")
		for i := range b.Observations {
			b.Observations[i].Clock = b.Clock
		}
		return b
	})
}

func TestBatchSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := batches().Draw(t, "batch")
		p, err := AppendBatch([]byte("before"), want)
		if err != nil {
			t.Fatal(err)
		}
		if string(p[:6]) != "before" {
			t.Fatalf("AppendBatch wrote over what was there: %q", p[:6])
		}
		got, err := DecodeBatch(p[6:])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("-sent +received:\n%s", d)
		}
	})
}

// The hand-written codec and the generated code must agree in both directions.
func TestBatchIsTheProtobufOfTheSchema(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := batches().Draw(t, "batch")
		p, err := AppendBatch(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		var pb wirepb.Batch
		err = open(p, typeBatch, func(body []byte) error { return proto.Unmarshal(body, &pb) })
		if err != nil {
			t.Fatal(err)
		}
		if len(pb.ProtoReflect().GetUnknown()) > 0 {
			t.Fatalf("fields that are not in the schema: %x", pb.ProtoReflect().GetUnknown())
		}
		if pb.GetFirstSeq() != want.FirstSeq || pb.GetBaseUs() != want.Base.UnixMicro() || len(pb.GetObservations()) != len(want.Observations) {
			t.Fatalf("read by the generated code: %v", &pb)
		}
		body, err := proto.Marshal(&pb)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeBatch(append([]byte{'M', Version, encodingPlain, typeBatch}, body...))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("-encoded by hand +through generated code:\n%s", d)
		}
	})
}

func TestRebaseMovesAllTimesOfABatch(t *testing.T) {
	for _, n := range []int{1, 100} { // plain and compressed
		b := numerics(n)
		b.Clock = ClockUncertain
		for i := range b.Observations {
			b.Observations[i].Clock = ClockUncertain
		}
		stored, err := AppendBatch(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		sent := t0.Add(time.Hour)
		for name, c := range map[string]struct {
			base  time.Time
			shift time.Duration
			want  time.Duration
		}{
			"keep":           {},
			"shift":          {shift: 90 * time.Second, want: 90 * time.Second},
			"base":           {base: b.Base.Add(time.Minute), want: time.Minute},
			"base and shift": {base: b.Base.Add(time.Minute), shift: -time.Second, want: 59 * time.Second},
		} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				p, err := Rebase(stored, c.base, c.shift, ClockCorrected, sent)
				if err != nil {
					t.Fatal(err)
				}
				got, err := DecodeBatch(p)
				if err != nil {
					t.Fatal(err)
				}
				want := numerics(n)
				want.Base, want.Clock, want.Sent = b.Base.Add(c.want), ClockCorrected, sent
				for i := range want.Observations {
					o := &want.Observations[i]
					o.At, o.Clock = o.At.Add(c.want), ClockCorrected
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("-want +got:\n%s", d)
				}
				if len(p)-len(stored) > rebaseRoom {
					t.Errorf("Rebase added %d bytes, more than %d", len(p)-len(stored), rebaseRoom)
				}
				// A later rebase of a rebased one wins again.
				p, err = Rebase(p, c.base, c.shift, ClockSynced, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if got, err = DecodeBatch(p); err != nil || got.Clock != ClockSynced || !got.Sent.IsZero() {
					t.Fatalf("rebased twice: %v, clock %v, sent %v", err, got.Clock, got.Sent)
				}
			})
		}
	}
}

func TestRebaseRefusesWhatIsNoBatch(t *testing.T) {
	ack, _ := AppendAck(nil, &Ack{Epoch: 1})
	if _, err := Rebase(ack, t0, 0, ClockSynced, t0); err == nil {
		t.Error("an ack was rebased")
	}
	p, _ := AppendBatch(nil, numerics(1))
	if _, err := Rebase(p, time.Time{}, -200*365*24*time.Hour, ClockSynced, t0); err == nil {
		t.Error("a batch was moved out of the years allowed")
	}
	if _, err := Rebase(append(p, 0xff), time.Time{}, 1, ClockSynced, t0); err == nil {
		t.Error("a torn batch was shifted")
	}
}

func TestFaultyBatchIsRefusedByName(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	for want, spoil := range map[string]func(*Batch){
		`box "bed 4": character ' ' is not allowed`: func(b *Batch) { b.Box = "bed 4" },
		"epoch 0":                  func(b *Batch) { b.Epoch = 0 },
		"stream 0: want 1 (event)": func(b *Batch) { b.Stream = 0 },
		"first sequence number 0":  func(b *Batch) { b.FirstSeq = 0 },
		"first sequence number 18446744073709551615: too large": func(b *Batch) { b.FirstSeq = math.MaxUint64 },
		"no observations":                 func(b *Batch) { b.Observations = nil },
		"4097 observations: at most 4096": func(b *Batch) { b.Observations = make([]Observation, 4097) },
		"base 1969-":                      func(b *Batch) { b.Base = time.Unix(-1, 0) },
		"sent 2201-":                      func(b *Batch) { b.Sent = time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC) },
		"observation 0: kind numeric in stream wave":                      func(b *Batch) { b.Stream = StreamWave },
		"observation 1: clock uncertain in a batch whose clock is synced": func(b *Batch) { b.Observations[1].Clock = ClockUncertain },
		"observation 1: measured-at time 0001-":                           func(b *Batch) { b.Observations[1].At = time.Time{} },
		"observation 1: device time 2201-":                                func(b *Batch) { b.Observations[1].DeviceTime = time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC) },
		`observation 1: device "a/b"`:                                     func(b *Batch) { b.Observations[1].Device = "a/b" },
		`observation 1: channel "a\n"`:                                    func(b *Batch) { b.Observations[1].Channel = "a\n" },
		"observation 1: unit of 65 bytes":                                 func(b *Batch) { b.Observations[1].Unit = Unit(long[:65]) },
		`observation 1: unit "\xff": not valid UTF-8`:                     func(b *Batch) { b.Observations[1].Unit = "\xff" },
		"observation 1: code 0":                                           func(b *Batch) { b.Observations[1].Code = 0 },
		"value: exponent 19: want -18 to 18":                              func(b *Batch) { b.Observations[1].Value.Exponent = 19 },
		"carries a text":                                                  func(b *Batch) { b.Observations[1].Text = "x" },
		"want an event if, and only if":                                   func(b *Batch) { b.Observations[1].Event = &Event{} },
		"want samples if, and only if":                                    func(b *Batch) { b.Observations[1].Samples = &Samples{} },
		"carries a value":                                                 func(b *Batch) { b.Observations[1].Kind = KindEnumeration },
		"text of 1025 bytes": func(b *Batch) {
			b.Observations[1].Kind, b.Observations[1].Value, b.Observations[1].Text = KindEnumeration, Decimal{}, long
		},
	} {
		b := numerics(2)
		spoil(b)
		p, err := AppendBatch([]byte("kept"), b)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if string(p) != "kept" {
			t.Errorf("%s: dst became %q", want, p)
		}
	}
}

func TestFaultyEventsAndBlocksAreRefusedByName(t *testing.T) {
	type change = func(*Observation)
	for want, spoil := range map[string]change{
		"only one of from and to":     func(o *Observation) { o.Event.From = t0 },
		"event text of 1025 bytes":    func(o *Observation) { o.Event.Text = strings.Repeat("x", 1025) },
		`event text "\xc3"`:           func(o *Observation) { o.Event.Text = "\xc3" },
		"event from 1960":             func(o *Observation) { o.Event.From, o.Event.To = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), t0 },
		"sample rate 0 mHz":           func(o *Observation) { o.Samples.RateMilliHz = 0 },
		"sample rate 100000001 mHz":   func(o *Observation) { o.Samples.RateMilliHz = 100_000_001 },
		"sample scale is 0":           func(o *Observation) { o.Samples.Scale = Decimal{} },
		"sample offset: exponent -19": func(o *Observation) { o.Samples.Offset = Dec(1, -19) },
		"0 samples":                   func(o *Observation) { o.Samples.Raw = nil },
		"4097 samples":                func(o *Observation) { o.Samples.Raw = make([]int32, 4097) },
		"sample 1: 2147483647 after -2147483647": func(o *Observation) {
			o.Samples.Raw = []int32{-math.MaxInt32, math.MaxInt32}
		},
	} {
		o := Observation{Code: EventAlarm, Kind: KindEvent, At: t0, Event: &Event{}}
		if strings.Contains(want, "sample") {
			o = Observation{Code: ECGLeadII, Kind: KindSamples, At: t0, Samples: &Samples{RateMilliHz: 1000, Scale: Int(1), Raw: []int32{1}}}
		}
		if err := o.Check(); err != nil {
			t.Fatal(err)
		}
		spoil(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestBatchTooLargeSaysSo(t *testing.T) {
	b := &Batch{Box: "box-1", Epoch: 1, Stream: StreamWave, FirstSeq: 1}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		raw := make([]int32, MaxSamples)
		for j := range raw {
			raw[j] = random.Int32() >> 1
		}
		b.Observations = append(b.Observations, Observation{Code: ECGLeadII, Kind: KindSamples, At: t0, Samples: &Samples{RateMilliHz: 250_000, Scale: Int(1), Raw: raw}})
	}
	if _, err := AppendBatch(nil, b); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if _, err := DecodeBatch(make([]byte, MaxMessageBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	bomb := compressor().EncodeAll(make([]byte, MaxDecodedBytes+1), []byte{'M', Version, encodingZstd, typeBatch})
	if _, err := DecodeBatch(bomb); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a body of %d bytes in a message of %d: error %v, want ErrTooLarge", MaxDecodedBytes+1, len(bomb), err)
	}
}

func TestOtherVersionIsATypedError(t *testing.T) {
	_, err := DecodeBatch([]byte{'M', 7, 0, 1})
	var v *VersionError
	if !errors.As(err, &v) || v.Got != 7 || !strings.Contains(err.Error(), "only version 1 is read here") {
		t.Errorf("error %v, want a VersionError of 7", err)
	}
}

// A batch of the vital signs of a monitor, as a box sends it.
func numerics(n int) *Batch {
	b := &Batch{Box: "box-17", Epoch: 0x1122334455667788, Stream: StreamNumeric, FirstSeq: 1001, Base: t0, Clock: ClockSynced, Boot: 7}
	signs := []struct {
		code Code
		unit Unit
		v    Decimal
	}{{HeartRate, "/min", Int(72)}, {SpO2, "%", Int(97)}, {RespirationRate, "/min", Int(14)}, {BodyTemperature, "Cel", Dec(368, -1)}, {PulseRate, "/min", Int(73)}}
	for i := range n {
		s := signs[i%len(signs)]
		b.Observations = append(b.Observations, Observation{
			Device: "monitor", Code: s.code, Unit: s.unit, Kind: KindNumeric, Quality: QualityGood, Clock: ClockSynced,
			At: t0.Add(time.Duration(i) * 137 * time.Millisecond), Value: Dec(s.v.Mantissa+int64(i%3), s.v.Exponent),
		})
	}
	return b
}

func TestCodecIsFrugal(t *testing.T) {
	b := numerics(100)
	p, err := AppendBatch(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 64<<10)
	for what, c := range map[string]struct {
		limit float64
		f     func()
	}{
		"decode": {16, func() { DecodeBatch(p) }},
		"encode": {4, func() { AppendBatch(buf, b) }}, // pools may be emptied at any time
		"rebase": {2, func() { Rebase(p, t0, time.Second, ClockCorrected, t0) }},
	} {
		if n := testing.AllocsPerRun(100, c.f); n > c.limit {
			t.Errorf("%s: %v allocations, at most %v are allowed", what, n, c.limit)
		}
	}
}

func TestCodecIsSafeForConcurrentUseAndLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := numerics(60 + 20*i)
			for range 50 {
				p, err := AppendBatch(nil, want)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := DecodeBatch(p)
				if err != nil || !cmp.Equal(want, got) {
					t.Errorf("%d observations came back as something else: %v", len(want.Observations), err)
					return
				}
			}
		})
	}
	wg.Wait()
}
