package protocol

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestObservationAsOneLine(t *testing.T) {
	at := time.Date(2026, 11, 20, 10, 15, 0, 123456000, time.UTC)
	for _, c := range []struct {
		o    Observation
		want string
	}{
		{Observation{Code: SpO2, Kind: KindNumeric, Value: Int(97), Unit: "%", Quality: QualityGood},
			`{"code":"MDC_PULS_OXIM_SAT_O2","code_id":150456,"kind":"numeric","value":97,"unit":"%","quality":"good"}`},
		{Observation{Code: BodyTemperature, Kind: KindNumeric, Channel: "left", Device: "monitor", Value: Dec(3680, -2), Unit: "Cel", Quality: QualityQuestionable, At: at, DeviceTime: at},
			`{"code":"MDC_TEMP_BODY","code_id":150364,"kind":"numeric","channel":"left","device":"monitor","value":36.80,"unit":"Cel","quality":"questionable","at":"2026-11-20T10:15:00.123456Z","device_time":"2026-11-20T10:15:00.123456Z"}`},
		{Observation{Code: SpO2, Kind: KindNumeric, Value: Int(127), Unit: "%", Quality: QualityInvalid},
			`{"code":"MDC_PULS_OXIM_SAT_O2","code_id":150456,"kind":"numeric","value":null,"unit":"%","quality":"invalid"}`},
		{Observation{Code: SpO2, Kind: KindNumeric, Unit: "%", Quality: QualitySensorOff},
			`{"code":"MDC_PULS_OXIM_SAT_O2","code_id":150456,"kind":"numeric","value":null,"unit":"%","quality":"sensor-off"}`},
		{Observation{Code: ECGLeadII, Kind: KindSamples, Unit: "mV", Quality: QualityGood, Samples: &Samples{RateMilliHz: 62500, Scale: Dec(5, -3), Offset: Int(0), Raw: []int32{1, 2, NoSample, -4}}},
			`{"code":"MDC_ECG_ELEC_POTL_II","code_id":131330,"kind":"samples","unit":"mV","quality":"good","rate_hz":62.5,"scale":0.005,"offset":0,"samples":[1,2,null,-4]}`},
		{Observation{Code: SleepStatus, Kind: KindEnumeration, Text: `a"b` + "\n", Quality: QualityGood},
			`{"code":"MONITORME_SLEEP_STATUS","code_id":192769,"kind":"enumeration","text":"a\"b\n","quality":"good"}`},
		{Observation{Code: EventDropped, Kind: KindEvent, Quality: QualityGood, Event: &Event{Phase: PhaseOnce, Priority: PriorityLow, Type: AlarmTechnical, Source: SpO2, Text: "disk full", From: at, To: at.Add(time.Second)}},
			`{"code":"MONITORME_EVT_READINGS_DROPPED","code_id":258305,"kind":"event","quality":"good","event":{"phase":"once","priority":"low","type":"technical","source":"MDC_PULS_OXIM_SAT_O2","text":"disk full","from":"2026-11-20T10:15:00.123456Z","to":"2026-11-20T10:15:01.123456Z"}}`},
		{Observation{Code: 77, Kind: 9, Value: Int(5), Text: "new"},
			`{"code":"MDC_UNKNOWN_77","code_id":77,"kind":"kind-9","value":null,"text":"new","quality":"unknown"}`},
	} {
		got, err := json.Marshal(c.o)
		if err != nil || string(got) != c.want {
			t.Errorf("got  %s\nwant %s (%v)", got, c.want, err)
		}
	}
}

func TestEveryObservationIsValidJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := observations(Stream(rapid.IntRange(1, 3).Draw(t, "stream"))).Draw(t, "observation")
		if b := o.AppendJSON(nil); !json.Valid(b) {
			t.Fatalf("not JSON: %s", b)
		}
	})
}
