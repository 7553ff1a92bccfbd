package alert

import (
	"fmt"
	"testing"

	"monitorme/cloud/live"
	"monitorme/protocol"
)

// events sends events of a device on the live lane, or as a backfill.
func (w *ward) events(lane protocol.Lane, sent float64, obs ...protocol.Observation) {
	key := protocol.BoxID("box-1/events")
	first := w.seq[key] + 1
	w.seq[key] += uint64(len(obs))
	w.e.Observe(live.Delivery{Unit: "icu", Lane: lane, Received: sec(sent), Batch: protocol.Batch{Box: "box-1", Epoch: 1,
		Stream: protocol.StreamEvent, FirstSeq: first, Base: obs[0].At, Sent: sec(sent), Observations: obs}})
}

func says(device protocol.DeviceID, channel string, code protocol.Code, at float64, phase protocol.Phase, p protocol.Priority, text string) protocol.Observation {
	return protocol.Observation{Device: device, Channel: channel, Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, At: sec(at),
		Event: &protocol.Event{Phase: phase, Priority: p, Type: protocol.AlarmTechnical, Text: text}}
}

// screen is what a nurse reads.
func (w *ward) screen() (out []string) {
	for _, r := range w.e.active(Filter{}) {
		s := fmt.Sprintf("%s %s %s: %s", r.BedLabel, r.Priority, r.State, r.Text)
		if r.Missed {
			s += " (missed)"
		}
		out = append(out, s)
	}
	return out
}

func TestAlarmsOfAPumpReachTheNurse(t *testing.T) {
	const start, end = protocol.PhaseStart, protocol.PhaseEnd
	w := newWard(t)
	w.events(protocol.LaneLive, 5,
		says("pumps", "1", protocol.EventAlarm, 1, start, protocol.PriorityHigh, "AL_OCCLU occlusion"),
		says("pumps", "2", protocol.EventAlarm, 2, start, protocol.PriorityHigh, "air in line"),
		says("pumps", "2", protocol.EventAlarm, 3, start, protocol.PriorityMedium, "end of infusion"),
		says("pumps", "", protocol.EventBatteryLow, 4, start, protocol.PriorityHigh, "battery empty"),
		says("pumps", "3", 3<<16|0xFEED, 5, protocol.PhaseOnce, protocol.PriorityMedium, "AL_XYZZY"))
	same(t, "device, channel, words, priority", w.screen(),
		"ICU 1 high active: Battery low: battery empty (pumps)",
		"ICU 1 high active: air in line (pumps, channel 2)",
		"ICU 1 high active: AL_OCCLU occlusion (pumps, channel 1)",
		"ICU 1 medium latched: AL_XYZZY (pumps, channel 3)",
		"ICU 1 medium active: end of infusion (pumps, channel 2)")
	w.told()
	w.restart(false)
	w.events(protocol.LaneLive, 10, says("pumps", "2", protocol.EventAlarm, 9, end, protocol.PriorityHigh, "air in line"),
		says("pumps", "1", protocol.EventAlarm, 10, end, protocol.PriorityHigh, "AL_OCCLU occlusion"))
	same(t, "the end of one ends no other, also after a crash", w.screen(),
		"ICU 1 high active: Battery low: battery empty (pumps)",
		"ICU 1 medium latched: AL_XYZZY (pumps, channel 3)",
		"ICU 1 medium active: end of infusion (pumps, channel 2)")
}

func TestAnAlarmOfAVentilatorDuringAnOutage(t *testing.T) {
	w := newWard(t)
	apnoea := protocol.MustCode("MDC_EVT_APNEA")
	w.events(protocol.LaneLive, 0, says("vent", "", protocol.EventBoxStarted, 0, protocol.PhaseOnce, 0, ""))
	over := says("vent", "", protocol.EventAlarm, 10, protocol.PhaseStart, protocol.PriorityHigh, "disconnected")
	gone := says("vent", "", protocol.EventAlarm, 40, protocol.PhaseEnd, protocol.PriorityHigh, "disconnected")
	still := says("vent", "", apnoea, 50, protocol.PhaseStart, protocol.PriorityHigh, "APNEA")
	w.events(protocol.LaneBackfill, 300, over, gone, still)
	same(t, "what is over is told, what holds rings", w.screen(),
		"ICU 1 high active: Apnoea, says the monitor: APNEA (vent)",
		"ICU 1 low latched: Happened while out of touch: disconnected (vent) (missed)")
	w.flushed()
	var n int
	if err := w.e.journal.rd.QueryRow("SELECT count(*) FROM transitions WHERE what IN ('missed', 'told', 'raised')").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d transitions, %v: want disconnected missed and told, apnoea missed and raised", n, err)
	}
}

func TestAReconnectionOfAWardIsNoFlood(t *testing.T) {
	w := newWard(t)
	const beds = 50
	for i := range beds {
		id := protocol.BoxID(fmt.Sprintf("bay-%d", i))
		w.places[id] = live.Place{Unit: "icu", Bed: "b", Label: string(id)}
		// An outage of half an hour with a tachycardia every 5 min, and cuff pressures that were low for a while.
		var obs []protocol.Observation
		for s := 0.0; s < 1800; s += 2 {
			rate := int64(80)
			if int(s)%300 < 60 {
				rate = 140
			}
			obs = append(obs, reading(protocol.HeartRate, s, rate))
		}
		for k, v := range []int64{85, 80, 120} {
			o := reading(protocol.NIBPSystolic, 1800+float64(k), v)
			o.Unit = "mm[Hg]"
			obs = append(obs, o)
		}
		for len(obs) > 0 {
			n := min(len(obs), 100)
			d := w.delivery(id, obs[:n]...)
			obs = obs[n:]
			d.Lane, d.Sent, d.Received = protocol.LaneBackfill, sec(1810), sec(1810)
			w.e.Observe(d)
		}
	}
	for s := 1810.0; s < 1825; s++ {
		w.set(s)
		for id := range w.places {
			w.e.BoxContact(id, sec(s))
		}
		w.e.tick()
	}
	rung := 0
	for drained := false; !drained; {
		select {
		case r := <-w.sub.C:
			if r.State == "active" {
				rung++
			}
		default:
			drained = true
		}
	}
	if n := len(w.e.active(Filter{})); rung != 0 || n != 2*beds {
		t.Errorf("%d alarms rang, %d stand: want none, and two silent lines for each bed", rung, n)
	}
}

func TestWhatWasMeasuredAtAnotherBedIsNotTold(t *testing.T) {
	w := newWard(t)
	w.e.Expect(t.Context(), []protocol.BoxID{"box-1", "box-2"}, t0)
	w.places["box-1"] = live.Place{Unit: "icu", Bed: "icu-9", Label: "ICU 9"}
	w.e.Expect(t.Context(), []protocol.BoxID{"box-1", "box-2"}, sec(600))
	cuff := func(at float64, v int64) live.Delivery {
		o := reading(protocol.NIBPSystolic, at, v)
		o.Unit = "mm[Hg]"
		d := w.delivery("box-1", o)
		d.Lane, d.Sent, d.Received = protocol.LaneBackfill, sec(900), sec(900)
		return d
	}
	w.e.Observe(cuff(500, 60))
	w.set(911)
	w.e.BoxContact("box-1", sec(911))
	w.e.BoxContact("box-2", sec(911))
	w.e.tick()
	same(t, "of before the move", w.screen())
	w.e.Observe(cuff(700, 85))
	w.set(922)
	w.e.BoxContact("box-1", sec(922))
	w.e.BoxContact("box-2", sec(922))
	w.e.tick()
	same(t, "of after it", w.screen(), "ICU 9 medium active: Systolic pressure low, 3 min old when it came")
}
