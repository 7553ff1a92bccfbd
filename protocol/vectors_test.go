package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"monitorme/protocol/wirepb"
)

var update = flag.Bool("update", false, "write the test vectors in testdata anew")

// A vector is testdata/NAME.hex, a whole message, and testdata/NAME.json, what
// it says: the same for every implementation of the wire format.
type vector struct {
	Description string          `json:"description"`
	Message     string          `json:"message"`           // batch, ack or state
	Decoded     json.RawMessage `json:"decoded,omitempty"` // what it means, or
	Error       string          `json:"error,omitempty"`   // part of the text with which it is refused
}

// vectorSource is how this package makes a vector.
type vectorSource struct {
	name, description, message string
	payload                    []byte
	err                        string
}

func TestVectors(t *testing.T) {
	sources := vectorSources(t)
	if *update {
		writeVectors(t, sources)
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < len(sources) {
		t.Fatalf("%d test vectors in testdata, want at least %d (%v); write them with -update", len(files), len(sources), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { checkVector(t, file) })
	}
	// What the encoder writes today must be what it wrote when the vectors
	// were made. Compressed bytes may differ between versions of the library.
	for _, s := range sources {
		if old := readHex(t, filepath.Join("testdata", s.name+".hex")); !bytes.Equal(old, s.payload) && (len(old) < 4 || old[2] != encodingZstd) {
			t.Errorf("%s: the encoder writes\n%x\nbut the vector is\n%x", s.name, s.payload, old)
		}
	}
}

func checkVector(t *testing.T, file string) {
	var v vector
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if v.Description == "" || (v.Error == "") == (v.Decoded == nil) {
		t.Fatal("want a description, and either decoded or error")
	}
	got, err := decodeAny(v.Message, readHex(t, strings.TrimSuffix(file, ".json")+".hex"))
	if v.Error != "" {
		if err == nil || !strings.Contains(err.Error(), v.Error) {
			t.Fatalf("error %v, want one with %q", err, v.Error)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, v.Decoded); err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("got  %s\nwant %s", got, want.String())
	}
}

func decodeAny(message string, payload []byte) ([]byte, error) {
	switch message {
	case "batch":
		b, err := DecodeBatch(payload)
		if err != nil {
			return nil, err
		}
		return json.Marshal(batchDocument(b))
	case "ack":
		a, err := DecodeAck(payload)
		if err != nil {
			return nil, err
		}
		type committed struct {
			Stream      Stream
			First, Last uint64
		}
		doc := struct {
			Epoch     string
			Committed []committed
		}{Epoch: fmt.Sprintf("0x%016x", a.Epoch)}
		for _, c := range a.Committed {
			doc.Committed = append(doc.Committed, committed{c.Stream, c.First, c.Last})
		}
		return json.Marshal(doc)
	case "state":
		s, err := DecodeState(payload)
		if err != nil {
			return nil, err
		}
		return json.Marshal(s)
	}
	return nil, fmt.Errorf("message %q", message)
}

// batchDocument is a batch in JSON. Numbers of 64 random bits are text, so that
// every JSON reader keeps them. A value that may not be shown is null in the
// line of an observation; values gives all of them as they are on the wire.
func batchDocument(b *Batch) any {
	values := make([]string, len(b.Observations))
	for i := range b.Observations {
		values[i] = b.Observations[i].Value.String()
	}
	return struct {
		Box          BoxID         `json:"box"`
		Epoch        string        `json:"epoch"`
		Stream       Stream        `json:"stream"`
		FirstSeq     uint64        `json:"first_seq"`
		Base         time.Time     `json:"base"`
		Clock        ClockQuality  `json:"clock"`
		Boot         string        `json:"boot"`
		Sent         time.Time     `json:"sent,omitzero"`
		Observations []Observation `json:"observations"`
		Values       []string      `json:"values"`
	}{b.Box, fmt.Sprintf("0x%016x", b.Epoch), b.Stream, b.FirstSeq, b.Base, b.Clock, fmt.Sprintf("0x%016x", b.Boot), b.Sent, b.Observations, values}
}

func readHex(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := hex.DecodeString(string(bytes.Join(bytes.Fields(b), nil)))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return out
}

func writeVectors(t *testing.T, sources []vectorSource) {
	t.Helper()
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		v := vector{Description: s.description, Message: s.message, Error: s.err}
		if s.err == "" {
			doc, err := decodeAny(s.message, s.payload)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			v.Decoded = doc
		}
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		var lines strings.Builder
		for p := s.payload; len(p) > 0; {
			n := min(32, len(p))
			fmt.Fprintf(&lines, "%x\n", p[:n])
			p = p[n:]
		}
		for name, data := range map[string][]byte{s.name + ".json": text.Bytes(), s.name + ".hex": []byte(lines.String())} {
			if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func vectorSources(t *testing.T) []vectorSource {
	return append(append(goodBatches(t), otherMessages(t)...), badMessages(t)...)
}

func goodBatches(t *testing.T) []vectorSource {
	batch := func(b *Batch) []byte {
		p, err := AppendBatch(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	shell := func(s Stream, obs ...Observation) *Batch {
		b := &Batch{Box: "box-17", Epoch: 0x1122334455667788, Stream: s, FirstSeq: 1001, Base: t0, Clock: ClockSynced, Boot: 7, Observations: obs}
		for i := range obs {
			if obs[i].At.IsZero() {
				obs[i].At = t0.Add(time.Duration(i) * 250 * time.Millisecond)
			}
		}
		return b
	}
	spo2 := Observation{Device: "oximeter", Code: SpO2, Unit: "%", Kind: KindNumeric, Quality: QualityGood, Value: Int(97)}
	with := func(o Observation, change func(*Observation)) Observation { change(&o); return o }
	ecg := &Samples{RateMilliHz: 250_000, Scale: Dec(5, -3), Offset: Int(0), Raw: []int32{0, 3, 9, NoSample, NoSample, 2, -40, NoSample, 12}}
	rebased, err := Rebase(batch(numerics(3)), time.Time{}, 90*time.Second, ClockCorrected, t0.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	compressed := batch(numerics(100))
	rebasedZstd, err := Rebase(compressed, time.Time{}, -time.Second, ClockCorrected, t0.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if compressed[2] != encodingZstd {
		t.Fatal("100 observations are not compressed")
	}
	future := &wirepb.Batch{Box: "box-17", Epoch: 1, Stream: wirepb.Stream_STREAM_NUMERIC, FirstSeq: 1, BaseUs: t0.UnixMicro(),
		Series:       []*wirepb.Series{{Device: "new", Code: uint32(HeartRate), Kind: 9}},
		Observations: []*wirepb.Observation{{Quality: 12, Mantissa: proto.Int64(5), Exponent: -1, Text: "kept"}}}
	return []vectorSource{
		{name: "numeric", description: "One numeric, the smallest useful batch; explained byte by byte in docs/PROTOCOL.md.", message: "batch", payload: batch(shell(StreamNumeric, spo2))},
		{name: "numerics", description: "Several signs of one monitor: decimals keep their places, series are shared, times are relative.", message: "batch", payload: batch(numerics(7))},
		{name: "channels", description: "The same code at two sites, with the device's own times.", message: "batch", payload: batch(shell(StreamNumeric,
			with(spo2, func(o *Observation) { o.Channel, o.DeviceTime = "left", t0.Add(-time.Hour) }),
			with(spo2, func(o *Observation) { o.Channel, o.At, o.Value = "right", t0.Add(-1500*time.Microsecond), Int(95) })))},
		{name: "missing-value", description: "No value (sensor off), a value that its quality forbids to show, an exact 0, and an overflow with its bound.", message: "batch", payload: batch(shell(StreamNumeric,
			with(spo2, func(o *Observation) { o.Value, o.Quality = Decimal{}, QualitySensorOff }),
			with(spo2, func(o *Observation) { o.Value, o.Quality = Int(127), QualityInvalid }),
			Observation{Device: "monitor", Code: HeartRate, Unit: "/min", Kind: KindNumeric, Quality: QualityGood, Value: Int(0)},
			Observation{Device: "meter", Code: Glucose, Unit: "mg/dL", Kind: KindNumeric, Quality: QualityOverflow, Value: Int(600)}))},
		{name: "extreme-decimals", description: "Largest and smallest mantissas and exponents.", message: "batch", payload: batch(shell(StreamNumeric,
			with(spo2, func(o *Observation) { o.Value = Dec(-1<<63, -18) }), with(spo2, func(o *Observation) { o.Value = Dec(1<<63-1, 18) }), with(spo2, func(o *Observation) { o.Value = Dec(-5, -2) })))},
		{name: "waveform", description: "A block of samples with runs of missing ones; physical value = 0 + 0.005 mV * sample.", message: "batch", payload: batch(shell(StreamWave,
			Observation{Device: "monitor", Code: ECGLeadII, Unit: "mV", Kind: KindSamples, Quality: QualityGood, Samples: ecg}))},
		{name: "waveform-62.5", description: "A rate that is no whole number, and an offset.", message: "batch", payload: batch(shell(StreamWave,
			Observation{Device: "monitor", Code: Pleth, Unit: "1", Kind: KindSamples, Quality: QualityQuestionable, Samples: &Samples{RateMilliHz: 62_500, Scale: Dec(1, -4), Offset: Dec(-5, -1), Raw: []int32{2147483, -2147483, 0}}}))},
		{name: "enumeration", description: "Words, with text beyond ASCII.", message: "batch", payload: batch(shell(StreamNumeric,
			Observation{Device: "radar", Code: SleepStatus, Kind: KindEnumeration, Quality: QualityGood, Text: "asleep"},
			Observation{Device: "monitor", Code: IdentityModel, Kind: KindEnumeration, Quality: QualityGood, Text: "Dräger \"Évita\" ≥ 4"}))},
		{name: "event", description: "A device's own alarm that starts.", message: "batch", payload: batch(shell(StreamEvent,
			Observation{Device: "monitor", Code: EventLow, Kind: KindEvent, Quality: QualityGood, Event: &Event{Phase: PhaseStart, Priority: PriorityHigh, Type: AlarmPhysiological, Source: SpO2, Text: "SpO2 low"}}))},
		{name: "event-bounded", description: "A loss report: readings were dropped from one time to another.", message: "batch", payload: batch(shell(StreamEvent,
			Observation{Code: EventDropped, Kind: KindEvent, Event: &Event{Phase: PhaseOnce, Type: AlarmTechnical, Text: "disk full", From: t0.Add(-2 * time.Hour), To: t0.Add(-time.Hour)}}))},
		{name: "uncertain-clock", description: "A batch from a box that does not know the time: 1970 and a little.", message: "batch", payload: batch(&Batch{Box: "box-17", Epoch: 1, Stream: StreamNumeric, FirstSeq: 1, Clock: ClockUncertain, Boot: 9,
			Observations: []Observation{with(spo2, func(o *Observation) { o.At = time.UnixMicro(1_500_000) })}})},
		{name: "rebased", description: "A plain body with clock, sent and base appended: the last occurrence of a field wins.", message: "batch", payload: rebased},
		{name: "compressed", description: "100 numerics, compressed.", message: "batch", payload: compressed},
		{name: "compressed-rebased", description: "A compressed body with a second zstd frame that holds clock, sent and base.", message: "batch", payload: rebasedZstd},
		{name: "unknown-code", description: "A code that no table has: kept.", message: "batch", payload: batch(shell(StreamNumeric, with(spo2, func(o *Observation) { o.Code = 2<<16 | 0xFFFE })))},
		{name: "future-kind", description: "A kind and a quality of a newer peer: kept with value and text, never evaluated.", message: "batch", payload: plain(typeBatch, marshal(t, future))},
		{name: "unknown-field", description: "Unknown fields in a batch and in an observation: passed over.", message: "batch",
			payload: plain(typeBatch, append(marshal(t, &wirepb.Batch{Box: "box-17", Epoch: 1, Stream: 2, FirstSeq: 1, BaseUs: t0.UnixMicro(), Series: []*wirepb.Series{{Code: uint32(SpO2), Unit: "%", Kind: 1}}}),
				"\x4a\x08\x18\x01\x20\xc2\x01\xa2\x06\x00\xfa\x06\x03new"...))},
	}
}

func otherMessages(t *testing.T) []vectorSource {
	ack, err := AppendAck(nil, &Ack{Epoch: 0x1122334455667788, Committed: []Committed{{StreamEvent, Range{1, 3}}, {StreamNumeric, Range{1001, 1500}}, {StreamNumeric, Range{1502, 1502}}, {StreamWave, Range{7, 7}}}})
	if err != nil {
		t.Fatal(err)
	}
	online, err := AppendState(nil, &BoxState{Box: "box-17", Online: true, Session: 4711, Boot: 7, Epoch: 0x1122334455667788, Version: "1.0.0", Sent: t0, Clock: ClockSynced,
		Devices: []DeviceState{{Device: "monitor", Driver: "intellivue", Status: DeviceReceiving, Since: t0.Add(-time.Hour), Port: "/dev/ttyUSB0", Model: "MX450", SkippedBytes: 3, ClockOffset: new(int64(-95))},
			{Device: "oximeter", Driver: "nonin", Status: DeviceSilent, Since: t0.Add(-time.Minute), Port: "/dev/ttyUSB1", Problem: "no valid frame for 1 min: check that the device is on"}},
		Queue: QueueState{Entries: 12, Bytes: 34567, MaxBytes: 8 << 30, Oldest: t0.Add(-10 * time.Second), Dropped: 1}})
	if err != nil {
		t.Fatal(err)
	}
	will, err := AppendState(nil, &BoxState{Box: "box-17", Session: 4711, Boot: 7, Epoch: 0x1122334455667788, Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	return []vectorSource{
		{name: "ack", description: "What the store has committed: runs of three streams.", message: "ack", payload: ack},
		{name: "state-online", description: "A box with two devices, one of them silent.", message: "state", payload: online},
		{name: "state-will", description: "The last will of the same session.", message: "state", payload: will},
	}
}

func badMessages(t *testing.T) []vectorSource {
	good := func() *wirepb.Batch {
		return &wirepb.Batch{Box: "box-17", Epoch: 1, Stream: wirepb.Stream_STREAM_NUMERIC, FirstSeq: 1, BaseUs: t0.UnixMicro(),
			Series:       []*wirepb.Series{{Device: "oximeter", Code: uint32(SpO2), Unit: "%", Kind: 1}},
			Observations: []*wirepb.Observation{{Quality: 1, Mantissa: proto.Int64(97)}}}
	}
	wave := func() *wirepb.Batch {
		b := good()
		b.Stream = wirepb.Stream_STREAM_WAVE
		b.Series[0] = &wirepb.Series{Code: uint32(Pleth), Kind: 2, RateMhz: 1000, Scale: &wirepb.Decimal{Mantissa: 1}}
		b.Observations[0] = &wirepb.Observation{Deltas: []int32{1, 2, 3}}
		return b
	}
	plainGood := plain(typeBatch, marshal(t, good()))
	out := []vectorSource{
		{name: "bad-empty", payload: []byte{}, err: "message of 0 bytes: a header has 4"},
		{name: "bad-magic", payload: []byte("{\"spo2\":97}"), err: "not a MonitorMe message: it starts with byte 0x7b, want 0x4d"},
		{name: "bad-version", payload: []byte{'M', 3, 0, 1}, err: "wire format version 3: only version 1 is read here"},
		{name: "bad-encoding", payload: []byte{'M', 1, 2, 1}, err: "content encoding 2: want 0 (plain) or 1 (zstd)"},
		{name: "bad-type", payload: []byte{'M', 1, 0, 2}, err: "message type 2 (ack): want 1 (batch)"},
		{name: "bad-truncated", payload: plainGood[:len(plainGood)-3], err: "truncated or malformed protobuf"},
		{name: "bad-zstd", payload: append([]byte{'M', 1, 1, 1}, "not zstd at all"...), err: "decompress 15 bytes"},
		{name: "bad-no-observations", payload: []byte{'M', 1, 0, 1, 0x0a, 1, 'b', 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x18, 2, 0x20, 1}, err: "no observations: want at least 1"},
		{name: "bad-unpacked-samples", payload: append(plain(typeBatch, marshal(t, wave())), 0x4a, 2, 0x30, 2), err: "observation 1: samples that are not packed"},
	}
	for name, c := range map[string]struct {
		batch  *wirepb.Batch
		change func(*wirepb.Batch)
		err    string
	}{
		"bad-box":             {good(), func(b *wirepb.Batch) { b.Box = "bed 4" }, `box "bed 4": character ' ' is not allowed`},
		"bad-epoch":           {good(), func(b *wirepb.Batch) { b.Epoch = 0 }, "epoch 0: want a random number other than 0"},
		"bad-stream":          {good(), func(b *wirepb.Batch) { b.Stream = 9 }, "stream 9: want 1 (event), 2 (numeric) or 3 (wave)"},
		"bad-stream-of-kind":  {good(), func(b *wirepb.Batch) { b.Stream = 3 }, "observation 0: kind numeric in stream wave: it belongs in stream numeric"},
		"bad-sequence":        {good(), func(b *wirepb.Batch) { b.FirstSeq = 0 }, "first sequence number 0: they start at 1"},
		"bad-sequence-end":    {good(), func(b *wirepb.Batch) { b.FirstSeq = 1<<64 - 1 }, "first sequence number 18446744073709551615: too large"},
		"bad-base":            {good(), func(b *wirepb.Batch) { b.BaseUs = -1 }, "base: 0 µs after 1970 plus -1 µs: want a time in the years 1970 to 2200"},
		"bad-time":            {good(), func(b *wirepb.Batch) { b.Observations[0].AtUs = 1 << 62 }, "observation 0: measured-at time"},
		"bad-series":          {good(), func(b *wirepb.Batch) { b.Observations[0].Series = 1 }, "observation 0: series 1: the batch has 1"},
		"bad-code":            {good(), func(b *wirepb.Batch) { b.Series[0].Code = 0 }, "series 0: code 0"},
		"bad-device":          {good(), func(b *wirepb.Batch) { b.Series[0].Device = "a/b" }, `series 0: device "a/b": character '/' is not allowed`},
		"bad-unit":            {good(), func(b *wirepb.Batch) { b.Series[0].Unit = strings.Repeat("%", 65) }, "series 0: unit of 65 bytes: at most 64 are allowed"},
		"bad-exponent":        {good(), func(b *wirepb.Batch) { b.Observations[0].Exponent = 19 }, "observation 0: value: exponent 19: want -18 to 18"},
		"bad-rate":            {wave(), func(b *wirepb.Batch) { b.Series[0].RateMhz = 0 }, "series 0: sample rate 0 mHz: want 1 to 100000000"},
		"bad-scale":           {wave(), func(b *wirepb.Batch) { b.Series[0].Scale = nil }, "series 0: sample scale is 0 or missing"},
		"bad-no-samples":      {wave(), func(b *wirepb.Batch) { b.Observations[0].Deltas = nil }, "observation 0: 0 samples: want 1 to 4096"},
		"bad-many-samples":    {wave(), func(b *wirepb.Batch) { b.Observations[0].Deltas = make([]int32, MaxSamples+1) }, "observation 0: 4097 samples: want 1 to 4096"},
		"bad-sample-overflow": {wave(), func(b *wirepb.Batch) { b.Observations[0].Deltas = []int32{1 << 30, 1 << 30} }, "observation 0: sample 1: 1073741824 plus 1073741824 does not fit 32 bits"},
		"bad-missing":         {wave(), func(b *wirepb.Batch) { b.Observations[0].Missing = []uint32{2, 2} }, "observation 0: missing samples: 2 from 2 on: want runs in rising order within 3 samples"},
		"bad-event":           {good(), func(b *wirepb.Batch) { b.Stream, b.Series[0].Kind = 1, 4 }, "observation 0: an event without its event field"},
		"bad-many": {good(), func(b *wirepb.Batch) {
			b.Observations = make([]*wirepb.Observation, MaxObservations+1)
			fill(b.Observations)
		}, "4097 observations: at most 4096 are allowed"},
	} {
		c.change(c.batch)
		out = append(out, vectorSource{name: name, payload: plain(typeBatch, marshal(t, c.batch)), err: c.err})
	}
	for i := range out {
		out[i].message = "batch"
		out[i].description = "Refused whole."
	}
	return append(out,
		vectorSource{name: "bad-ack-range", description: "Refused whole.", message: "ack", err: "range 0: 5 to 4: want 1 <= first <= last",
			payload: plain(typeAck, marshal(t, &wirepb.Ack{Epoch: 1, Committed: []*wirepb.Committed{{Stream: 1, First: 5, Last: 4}}}))},
		vectorSource{name: "bad-state-device", description: "Refused whole.", message: "state", err: `device "": want 1 to 64 characters`,
			payload: plain(typeState, marshal(t, &wirepb.BoxState{Box: "box-17", Devices: []*wirepb.DeviceState{{}}}))})
}

func fill(obs []*wirepb.Observation) {
	for i := range obs {
		obs[i] = &wirepb.Observation{}
	}
}

func plain(typ byte, body []byte) []byte {
	return append([]byte{headerMagic, Version, encodingPlain, typ}, body...)
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
