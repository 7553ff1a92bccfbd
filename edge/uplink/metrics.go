package uplink

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

type metrics struct {
	connected, inFlight                            prometheus.Gauge
	sessions, lost, timeouts, badAcks, droppedAcks prometheus.Counter
	messages, bytes                                *prometheus.CounterVec
	latency                                        *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const space, sub = "monitorme_edge", "uplink"
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: space, Subsystem: sub, Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: space, Subsystem: sub, Name: name, Help: help})
	}
	lanes := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: space, Subsystem: sub, Name: name, Help: help}, []string{"lane"})
	}
	m := &metrics{}
	return m, errors.Join(
		register(reg, &m.connected, gauge("connected", "1 while there is a connection to the broker.")),
		register(reg, &m.inFlight, gauge("in_flight_messages", "Messages sent and not yet acknowledged by the store.")),
		register(reg, &m.sessions, counter("sessions_total", "Connections made.")),
		register(reg, &m.lost, counter("lost_total", "Connections lost, and attempts that failed.")),
		register(reg, &m.timeouts, counter("ack_timeouts_total", "Messages to be sent again because no acknowledgement came.")),
		register(reg, &m.badAcks, counter("bad_acks_total", "Acknowledgements that could not be decoded.")),
		register(reg, &m.droppedAcks, counter("dropped_acks_total", "Acknowledgements dropped because too many waited.")),
		register(reg, &m.messages, lanes("messages_total", "Messages sent.")),
		register(reg, &m.bytes, lanes("bytes_total", "Payload bytes sent.")),
		register(reg, &m.latency, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: space, Subsystem: sub, Name: "ack_seconds", Help: "Time from sending to the store's acknowledgement.",
			Buckets: []float64{.005, .02, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"lane"})),
	)
}

// register takes the metric of an earlier Uplink of this process if there is one.
func register[C prometheus.Collector](reg prometheus.Registerer, to *C, c C) error {
	*to = c
	if reg == nil {
		return nil
	}
	err := reg.Register(c)
	if was, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := was.ExistingCollector.(C); ok {
			*to = old
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("register metrics of the uplink: %w", err)
	}
	return nil
}

func (m *metrics) sent(lane protocol.Lane, bytes int) {
	m.messages.WithLabelValues(string(lane)).Inc()
	m.bytes.WithLabelValues(string(lane)).Add(float64(bytes))
}

func (m *metrics) took(lane protocol.Lane, d time.Duration) {
	m.latency.WithLabelValues(string(lane)).Observe(d.Seconds())
}
