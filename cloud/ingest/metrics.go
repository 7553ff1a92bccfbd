package ingest

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	messages, readings, refused, deferred            *prometheus.CounterVec
	delay                                            *prometheus.HistogramVec
	stored, duplicates, storeErrors, acks, ackErrors prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, in *Ingest) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_ingest_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "monitorme_cloud_ingest_" + name, Help: help}, []string{label})
		reg.MustRegister(c)
		return c
	}
	m := &metrics{
		messages:    vec("messages_total", "Messages taken, by lane.", "lane"),
		readings:    vec("readings_total", "Readings in them, by lane.", "lane"),
		refused:     vec("refused_total", "Messages refused into the quarantine, by what was wrong.", "what"),
		deferred:    vec("deferred_total", "Batches left to be sent again because the store's queue was full, by lane.", "lane"),
		stored:      counter("stored_total", "Readings the store has committed."),
		duplicates:  counter("duplicates_total", "Batches that came again after they were committed."),
		storeErrors: counter("store_errors_total", "Appends that failed; the box sends again."),
		acks:        counter("acks_total", "Acknowledgements sent."),
		ackErrors:   counter("ack_errors_total", "Acknowledgements that could not be sent."),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "monitorme_cloud_ingest_handle_seconds", Help: "From a message's arrival until alarms and screens have it.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 4, 8)}, []string{"lane"}),
	}
	reg.MustRegister(m.delay,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "monitorme_cloud_ingest_live_queue", Help: "Live batches waiting for the store."},
			func() float64 { return float64(len(in.live)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "monitorme_cloud_ingest_backfill_queue", Help: "Backfill batches waiting for the store."},
			func() float64 { return float64(len(in.backlog)) }))
	return m
}
