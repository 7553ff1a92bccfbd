package agent

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/edge/clock"
	"monitorme/edge/health"
	"monitorme/protocol"
)

// status is what the page shows now.
func (b *box) status() health.Status {
	now := b.clock.Now()
	s := health.Status{
		Box: b.cfg.Box, Unit: b.cfg.Unit, Version: b.cfg.Version, Now: now.Wall, Started: now.Wall.Add(-time.Since(b.started)),
		Clock:    health.Clock{Trusted: now.Quality == protocol.ClockSynced, Text: "no time server has answered yet; times may be wrong and are corrected later"},
		Uplink:   b.uplinkStatus(),
		Queue:    b.queueState(),
		Problems: []string{},
		Devices:  make([]health.Device, len(b.devices)),
	}
	switch {
	case b.cfg.Clock.Trust == clock.TrustAlways:
		s.Clock.Text = "trusted as configured"
	case s.Clock.Trusted:
		s.Clock.Text = "set by a time server"
	}
	if p := b.collect.Problem(); p != "" {
		s.Problems = append(s.Problems, "Readings cannot be stored: "+p+". Monitoring goes on; the newest readings are kept in memory. Free space on the disk or replace it.")
	}
	for i, d := range b.devices {
		s.Devices[i] = d.page()
	}
	return s
}

func (b *box) queueState() protocol.QueueState {
	waves, numbers, events := b.collect.dropped()
	s := protocol.QueueState{MaxBytes: uint64(b.cfg.Queue.MaxBytes)}
	if q := b.depot.current(); q != nil {
		s = q.Stats().State()
	}
	s.Dropped += waves + numbers + events
	return s
}

// states are the devices in the state document for the cloud.
func (b *box) states() []protocol.DeviceState {
	s := make([]protocol.DeviceState, len(b.devices))
	for i, d := range b.devices {
		s[i] = d.state()
	}
	return s
}

func (d *device) state() protocol.DeviceState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return protocol.DeviceState{
		Device: d.id, Driver: d.driver.Name, Status: d.status, Since: d.since, Problem: d.problem,
		Port: d.port, Model: d.model, SkippedBytes: d.total().Skipped, ClockOffset: d.clock,
	}
}

// page is the device as the status page shows it.
func (d *device) page() health.Device {
	p := health.Device{DeviceState: d.state(), Values: []health.Value{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	p.Word, p.Socket, p.Title, p.Recognised = p.Status.String(), d.socket, d.driver.Title, d.recognised()
	if d.end == nil { // not plugged in; the problem says where it was
		p.Socket = ""
	}
	p.Frames, p.BadSums = d.total().Frames, d.total().BadSums
	for _, r := range d.latest {
		p.Values = append(p.Values, r.show())
	}
	slices.SortFunc(p.Values, func(a, b health.Value) int {
		return cmp.Or(cmp.Compare(signOrder(a.Code), signOrder(b.Code)), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Channel, b.Channel))
	})
	return p
}

func signOrder(c protocol.Code) int {
	t, _ := protocol.Lookup(c)
	if i := slices.Index(protocol.Signs, t.Sign); i >= 0 {
		return i
	}
	return len(protocol.Signs)
}

// show makes a value of the page: a number only while it is good and fresh.
func (r *reading) show() health.Value {
	t, _ := protocol.Lookup(r.Code)
	age := time.Since(r.arrived) + max(r.Delay, 0)
	v := health.Value{Channel: r.Channel, Code: r.Code, Label: t.Label, Unit: r.Unit, At: r.At, AgeMS: age.Milliseconds(),
		Stale: t.StaleAfter > 0 && age > t.StaleAfter, Doubt: r.Quality == protocol.QualityQuestionable}
	switch {
	case v.Stale:
		v.Text = "no current value"
	case r.Kind == protocol.KindEnumeration:
		v.Text = r.Text
	case r.Quality.HasNumber() && r.Value.Valid:
		v.Value = r.Value
	default:
		v.Text = r.Quality.String()
	}
	return v
}

// gauges are the box's own metrics.
type gauges struct{ b *box }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("monitorme_edge_"+name, help, labels, nil)
}

var (
	descStatus  = desc("device_receiving", "1 while valid frames arrive from the device.", "device", "driver")
	descFrames  = desc("device_frames_total", "Valid frames of the device.", "device", "driver")
	descSkipped = desc("device_skipped_bytes_total", "Bytes that belonged to no valid frame.", "device", "driver")
	descBad     = desc("device_bad_sums_total", "Frames whose check failed.", "device", "driver")
	descOpened  = desc("device_openings_total", "Times the port of the device was opened.", "device", "driver")
	descPanics  = desc("device_panics_total", "Times the driver failed inside and was started again.", "device", "driver")
	descProbes  = desc("device_probes_total", "Times it was listened which device is at a port of driver auto.", "device")
	descFound   = desc("device_recognised", "1 for the driver that a device of driver auto was recognised as.", "device", "driver")
	descRefused = desc("device_refused_total", "Observations of the driver that the wire format cannot carry.", "device", "driver")
	descWaiting = desc("collector_waiting", "Observations in memory that the queue has not taken.")
	descDropped = desc("collector_dropped_total", "Observations dropped because the queue took none and the memory was full.", "stream")
)

// Describe implements prometheus.Collector.
func (g gauges) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descStatus, descFrames, descSkipped, descBad, descOpened, descPanics, descProbes, descFound, descRefused, descWaiting, descDropped} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (g gauges) Collect(c chan<- prometheus.Metric) {
	for _, d := range g.b.devices {
		d.mu.Lock()
		receiving, t, openings, panics, refused, driver := 0.0, d.total(), d.openings, d.panics, d.refused, d.driver.Name
		if d.status == protocol.DeviceReceiving {
			receiving = 1
		}
		if d.auto != nil { // counters keep their labels whatever is recognised
			c <- prometheus.MustNewConstMetric(descProbes, prometheus.CounterValue, float64(d.auto.rounds), string(d.id))
			if d.auto.why != "" {
				c <- prometheus.MustNewConstMetric(descFound, prometheus.GaugeValue, 1, string(d.id), driver)
			}
			driver = driverAuto
		}
		d.mu.Unlock()
		send := func(desc *prometheus.Desc, kind prometheus.ValueType, v float64) {
			c <- prometheus.MustNewConstMetric(desc, kind, v, string(d.id), driver)
		}
		send(descStatus, prometheus.GaugeValue, receiving)
		send(descFrames, prometheus.CounterValue, float64(t.Frames))
		send(descSkipped, prometheus.CounterValue, float64(t.Skipped))
		send(descBad, prometheus.CounterValue, float64(t.BadSums))
		send(descOpened, prometheus.CounterValue, float64(openings))
		send(descPanics, prometheus.CounterValue, float64(panics))
		send(descRefused, prometheus.CounterValue, float64(refused))
	}
	c <- prometheus.MustNewConstMetric(descWaiting, prometheus.GaugeValue, float64(g.b.collect.waiting()))
	waves, numbers, events := g.b.collect.dropped()
	for stream, n := range map[protocol.Stream]uint64{protocol.StreamWave: waves, protocol.StreamNumeric: numbers, protocol.StreamEvent: events} {
		c <- prometheus.MustNewConstMetric(descDropped, prometheus.CounterValue, float64(n), stream.String())
	}
}
