package web

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"monitorme/cloud/live"
	"monitorme/protocol"
)

// value makes o the latest of a bed and gives its JSON.
func (f *fakeWard) value(b *fakeBed, code protocol.Code, d protocol.Decimal, text string, q protocol.Quality, age time.Duration) string {
	term, _ := protocol.Lookup(code)
	o := protocol.Observation{Device: "monitor", Code: code, Kind: term.Kind, Unit: term.Unit, Quality: q, Clock: protocol.ClockSynced, At: f.now().Add(-age), Value: d, Text: text}
	j := string(live.AppendValue(nil, &o, f.now()))
	b.values[term.RefID] = j
	return j
}

// slow sets what comes rarely.
func (f *fakeWard) slow(i int) {
	b, good := f.beds[i], protocol.QualityGood
	f.value(b, protocol.NIBPSystolic, protocol.Int(int64(112+i*3)), "", good, time.Duration(i)*time.Minute)
	f.value(b, protocol.NIBPDiastolic, protocol.Int(int64(68+i)), "", good, time.Duration(i)*time.Minute)
	f.value(b, protocol.NIBPMean, protocol.Int(int64(84+i)), "", good, time.Duration(i)*time.Minute)
	f.value(b, protocol.BodyTemperature, protocol.Dec(int64(364+i), -1), "", good, 2*time.Minute)
	f.value(b, protocol.Glucose, protocol.Int(int64(92+i*4)), "", good, time.Minute)
	word := "awake"
	if i%4 == 1 {
		word = "deep"
	}
	f.value(b, protocol.SleepStatus, protocol.Decimal{}, word, good, time.Minute)
}

// play is the ward's life: four times a second waves, twice heart rates, once a tick.
func (f *fakeWard) play() {
	defer f.done.Done()
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-f.quit:
			return
		case <-t.C:
		}
		f.mu.Lock()
		for i, b := range f.beds {
			if b.online && b.name != "" {
				f.playBed(b, i, n)
			}
		}
		if n%4 == 0 {
			f.publish("tick", map[string]any{"server_time": stamp(f.now()), "alerting": map[string]any{"ok": f.alerting == "", "detail": f.alerting}})
		}
		f.mu.Unlock()
	}
}

func (f *fakeWard) playBed(b *fakeBed, i, n int) {
	at := f.now().Add(-250 * time.Millisecond)
	for _, w := range []struct {
		code protocol.Code
		rate float64
		draw func(float64) float64
	}{{protocol.ECGLeadII, 250, ecgAt}, {protocol.Pleth, 125, plethAt}, {protocol.RespirationWave, 60, func(s float64) float64 { return math.Sin(s * 2 * math.Pi / 4) }}} {
		if !b.silent[w.code] {
			f.publish("wave", waveJSON(b, w.code, w.rate, at, w.draw))
		}
	}
	if n%2 != 0 {
		return
	}
	var values []string
	add := func(code protocol.Code, v int64) {
		if !b.silent[code] {
			values = append(values, f.value(b, code, protocol.Int(v), "", protocol.QualityGood, 0))
		}
	}
	add(protocol.HeartRate, int64(64+i*2+n/2%3))
	if n%4 == 0 {
		add(protocol.RespirationRate, int64(12+i%9))
	}
	if n%20 == 0 || b.values["MDC_PULS_OXIM_SAT_O2"] == "" {
		add(protocol.SpO2, int64(99-i%6))
	}
	if len(values) > 0 {
		f.publish("values", fmt.Sprintf(`{"bed":%q,"received":%q,"values":[%s]}`, b.id, stamp(f.now()), strings.Join(values, ",")))
	}
}

func waveJSON(b *fakeBed, code protocol.Code, rate float64, at time.Time, draw func(float64) float64) string {
	n := int(rate / 4)
	samples := make([]string, n)
	begin := float64(at.UnixMicro())/1e6 + b.phase
	for i := range samples {
		samples[i] = strconv.Itoa(int(math.Round(1000 * draw(begin+float64(i)/rate))))
	}
	return fmt.Sprintf(`{"bed":%q,"device":"monitor","channel":"","code":%d,"at":%q,"rate_hz":%g,"scale":0.001,"offset":0,"quality":"good","samples":[%s]}`,
		b.id, code, stamp(at), rate, strings.Join(samples, ","))
}

// ecgAt is a plain PQRST at 75/min, mV.
func ecgAt(s float64) float64 {
	p := math.Mod(s, 0.8)
	bump := func(at, width, height float64) float64 { return height * math.Exp(-(p-at)*(p-at)/(2*width*width)) }
	return bump(0.16, 0.02, 0.12) + bump(0.27, 0.008, -0.12) + bump(0.30, 0.009, 1.1) + bump(0.33, 0.009, -0.25) + bump(0.52, 0.04, 0.28)
}

func plethAt(s float64) float64 {
	p := math.Mod(s, 0.8)
	return math.Exp(-(p-0.2)*(p-0.2)/0.008) + 0.35*math.Exp(-(p-0.42)*(p-0.42)/0.01)
}

// raise makes an alarm and tells of it.
func (f *fakeWard) raise(id string, bed int, priority, kind, text string, more map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.beds[bed]
	a := map[string]any{"id": id, "bed": b.id, "unit": "ward-1", "label": b.label, "box": b.box(), "device": "monitor", "code": 147842, "ref_id": "MDC_ECG_HEART_RATE",
		"sign": "heart-rate", "rule": "hr-high", "kind": kind, "priority": priority, "text": text, "value": nil, "limit": nil, "value_unit": "", "night": false, "state": "active",
		"started": stamp(f.now()), "ended": nil, "received": stamp(f.now()), "acknowledged_by": nil, "acknowledged_at": nil, "missed": false, "hidden": false}
	for k, v := range more {
		a[k] = v
	}
	f.alerts = append(f.alerts, a)
	f.publish("alert", a)
}

// with runs change under the lock.
func (f *fakeWard) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// history is a day of two readings a minute, with gaps.
func (f *fakeWard) history(w http.ResponseWriter, r *http.Request) {
	from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("from"))
	to, _ := time.Parse(time.RFC3339, r.URL.Query().Get("to"))
	f.posted = append(f.posted, r.URL.RequestURI())
	middle := from.Add(to.Sub(from) / 2)
	gap := [2]time.Time{middle, middle.Add(to.Sub(from) / 12)}
	numeric := func(code protocol.Code, base, swing float64, reason, detail string) map[string]any {
		term, _ := protocol.Lookup(code)
		points := [][]any{}
		step := max(to.Sub(from)/1200, time.Second)
		for at := from; at.Before(to) && at.Before(f.now()); at = at.Add(step) {
			if at.After(gap[0]) && at.Before(gap[1]) {
				continue
			}
			points = append(points, []any{at.UnixMilli(), math.Round((base+swing*math.Sin(float64(at.Unix())/1700))*10) / 10, "good"})
		}
		return map[string]any{"box": "box-01", "bed": r.PathValue("bed"), "device": "monitor", "channel": "", "code": code, "ref_id": term.RefID, "label": term.Label, "sign": term.Sign,
			"unit": term.Unit, "places": term.Places, "kind": "numeric", "points": points, "gaps": []any{map[string]any{"from": stamp(gap[0]), "to": stamp(gap[1]), "reason": reason, "detail": detail}}}
	}
	buckets := numeric(protocol.SpO2, 96, 1.5, "sensor-off", "the sensor was off, disconnected or faulty")
	var bs []map[string]any
	for _, p := range buckets["points"].([][]any) {
		mean := p[1].(float64)
		bs = append(bs, map[string]any{"t": p[0], "min": mean - 1.2, "max": mean + 0.8, "mean": mean, "count": 6, "bad": 0})
	}
	delete(buckets, "points")
	buckets["buckets"] = bs
	sleep := map[string]any{"box": "box-01", "bed": r.PathValue("bed"), "device": "mattress", "channel": "", "code": protocol.SleepStatus, "ref_id": "MONITORME_SLEEP_STATUS", "label": "Sleep",
		"sign": "sleep", "unit": "", "places": 0, "kind": "enumeration", "gaps": []any{}, "texts": []any{
			map[string]any{"t": from.UnixMilli(), "text": "awake"}, map[string]any{"t": from.Add(to.Sub(from) / 5).UnixMilli(), "text": "light"},
			map[string]any{"t": from.Add(to.Sub(from) / 4).UnixMilli(), "text": "deep"}, map[string]any{"t": from.Add(to.Sub(from) / 3).UnixMilli(), "text": "awake"}}}
	writeJSON(w, map[string]any{"bed": r.PathValue("bed"), "patient": nil, "from": stamp(from), "to": stamp(to), "patients": []any{}, "gaps": []any{},
		"series": []any{numeric(protocol.HeartRate, 78, 12, "box-offline", "the box was out of touch"), buckets, numeric(protocol.BodyTemperature, 37, 0.4, "unknown", "no readings, and no cause is on record"), sleep}})
}
