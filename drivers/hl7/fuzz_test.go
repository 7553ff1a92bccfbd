package hl7

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// FuzzResults puts segments behind a header and a patient: what comes out is in
// order, the same when cut, and nothing of the patient; what is answered is an
// acknowledgement.
func FuzzResults(f *testing.F) {
	f.Add(obx("72"), "R01", uint8(7))
	f.Add("OBX|1|NA|131330^MDC_ECG_ELEC_POTL_II^MDC|1.1.1.131330|1^-2^32767^0.5|266418^MDC_DIM_MILLI_VOLT^MDC|||||R\r"+
		"OBX||NM|0^MDC_ATTR_SAMP_RATE^MDC|1.1.1.131330.1|250||||||R\rOBX||NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|1.1.1.131330.2|0.005||||||R\r", "R01", uint8(50))
	f.Add("OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.150456.1|Qzyxw low|||L~PM~SP|||F\rOBX|2|NM|150456^^MDC|1.1.1.150456.2|86\rOBX|3|ST|68481^^MDC|1.1.1.150456.3|start\r", "R40", uint8(3))
	f.Add("OBX|1|CWE|196616^^MDC||8Q8Q8^Qzyxw^99X|||PH\r", "R40", uint8(1))
	f.Add("OBX|1|SN|8867-4^Qzyxw^LN|Qzyxw|>^300|bpm|||||P|||20261120092759.5+0100|||^APERIODIC\r", "R01", uint8(9))
	f.Add("OBX|1|ST|184352^MDC_VENT_MODE^MDC||Qzyxw\\X51\\||QUES~ALINH\rPID|||Other\rPV1||I|W8\rOBX|1|NM|158888^^MDC|Qzyxw|5|Qzyxw", "R01", uint8(2))
	f.Fuzz(func(t *testing.T, segments, event string, step uint8) {
		header := func(id string) string {
			return "\x0bMSH|^~\\&|MON||AGT||20261120092800||ORU^" + event + "|" + id + "|P|2.6\r"
		}
		if strings.ContainsAny(event, "|^~\\&\r\n\x0b\x1c") || strings.Contains(segments, "\x0b") || strings.Contains(segments, "\x1c") || strings.Contains(segments, "PID") {
			t.Skip("the patient would be another one")
		}
		const who = "PID|||8Q8Q8^^^HOSP||Qzyxw^Jklmn||19580412|F\rPV1||I|W7^^B12\r"
		wire := []byte(header("1") + who + segments + "\x1c\r" + header("2") + who + segments + "\x1c\r")
		read := func(piece int) (obs []protocol.Observation, answers []byte) {
			d := mustCompile(defaults()).newDecoder(newMemory())
			d.answering, d.now = true, time.Unix(1, 0)
			for part := range slices.Chunk(wire, piece) {
				d.Decode(slices.Clone(part), func(o protocol.Observation) { obs = append(obs, o) })
			}
			return obs, d.answers
		}
		obs, answers := read(len(wire))
		cut, same := read(int(step) + 1)
		if len(obs) != len(cut) || string(answers) != string(same) {
			t.Errorf("cut in %d: %d observations, whole %d", step+1, len(cut), len(obs))
		}
		for i, o := range obs {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			b, _ := json.Marshal(o)
			if again, _ := json.Marshal(cut[min(i, len(cut)-1)]); string(b) != string(again) {
				t.Errorf("cut: %s, whole: %s", again, b)
			}
			for _, p := range []string{"qzyxw", "jklmn", "8q8q8", "19580412"} {
				if strings.Contains(strings.ToLower(o.Text+" "+o.Channel+" "+string(o.Unit)), p) || o.Event != nil && strings.Contains(strings.ToLower(o.Event.Text), p) {
					t.Errorf("%q in %s", p, b)
				}
			}
		}
		var m hl7v2.Message
		acks := hl7v2.Framer{Message: func(b []byte) bool {
			return m.Parse(b) == nil && m.Is("ACK", "") && !strings.Contains(string(b), "8Q8Q8")
		}}
		acks.Feed(answers)
		if s := acks.Stats(); s.Frames != 2 || s.Skipped != 0 {
			t.Errorf("answers %q: %+v", answers, s)
		}
	})
}
