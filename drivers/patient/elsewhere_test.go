package patient

import (
	"math"
	"testing"
	"time"

	"monitorme/protocol"
)

func TestWhatOnlySomeDevicesLookForIsPlausible(t *testing.T) {
	m := body(t, "stable adult", 1)
	codes := []protocol.Code{tempCore, tempSkin, co2EndTidal, co2Inspired, tidal, tidalIn, tidalOut, minuteVol, minuteIn, minuteOut,
		bispectral, bisQuality, bisSuppression, bisMuscle, bisBursts, eegEdge, eegPower}
	for c := range sameAs {
		if term, _ := protocol.Lookup(c); term.Kind == protocol.KindNumeric {
			codes = append(codes, c)
		}
	}
	for _, c := range codes {
		term, ok := protocol.Lookup(c)
		if !ok {
			t.Fatalf("code %d has no term", c)
		}
		for h := range 24 {
			at := noon.Add(time.Duration(h) * time.Hour)
			if v, ok := m.Numeric(c, at); !ok || math.IsNaN(v) || !term.Plausible(protocol.DecimalOf(v, 2), term.Unit) {
				t.Errorf("%s at %s: %g, %v", term.RefID, at.Format("15:04"), v, ok)
			}
		}
	}
}

func TestTheCapnogramEndsAtTheEndTidalValueAndStopsWithTheBreath(t *testing.T) {
	m := body(t, "stable adult", 1, "apnoea@+60s/40s,severity=1")
	wave := make([]float64, 20*50)
	if !m.Wave(co2, noon.Add(20*time.Second), 50, wave) {
		t.Fatal("no capnogram")
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range wave {
		low, high = min(low, v), max(high, v)
	}
	end, _ := m.Numeric(co2EndTidal, noon.Add(30*time.Second))
	if low < 0 || low > 0.5 || math.Abs(high-end) > 3 || end < 30 || end > 46 {
		t.Errorf("from %.1f to %.1f mmHg, end-tidal %.1f", low, high, end)
	}
	m.Wave(co2, noon.Add(85*time.Second), 50, wave[:100])
	for _, v := range wave[:100] {
		if v > 0.01 {
			t.Fatalf("%.1f mmHg without a breath", v)
		}
	}
	if v, ok := m.Numeric(co2EndTidal, noon.Add(95*time.Second)); !ok || v != 0 {
		t.Errorf("end-tidal %g, %v without a breath", v, ok)
	}
}

func TestFlowIsTheChangeOfTheVolume(t *testing.T) {
	m := body(t, "stable adult", 1)
	const rate = 50
	vol, in := make([]float64, 30*rate), make([]float64, 30*rate)
	if !m.Wave(volume, noon, rate, vol) || !m.Wave(flow, noon, rate, in) {
		t.Fatal("no waves")
	}
	most := 0.0
	for i := range len(vol) - 1 {
		if change := (vol[i+1] - vol[i]) * rate * 60 / 1000; math.Abs(change-in[i]) > 0.5 {
			t.Fatalf("sample %d: volume changes by %.1f L/min, flow is %.1f", i, change, in[i])
		}
		most = max(most, vol[i])
	}
	if want, _ := m.Numeric(tidal, noon); math.Abs(most-want) > 0.2*want {
		t.Errorf("a breath of %.0f mL, tidal volume %.0f", most, want)
	}
}

func TestASensorThatIsOffTakesAllOfItsSignAway(t *testing.T) {
	m := body(t, "stable adult", 1, "sensor-off:respiration-rate@+0s/1h")
	for _, c := range []protocol.Code{co2EndTidal, protocol.MustCode("MDC_CO2_RESP_RATE"), protocol.RespirationRate} {
		if v, ok := m.Numeric(c, noon.Add(time.Minute)); ok {
			t.Errorf("%d is %g", c, v)
		}
	}
}
