package embedded

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	appended, duplicates, groups, journalBytes, sealed, sealedBytes, failures *prometheus.CounterVec
	commitSeconds, sealSeconds                                                *prometheus.HistogramVec
	dropped                                                                   *prometheus.CounterVec
}

const namespace = "monitorme_cloud_series_"

func newMetrics() *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: namespace + name, Help: help}, []string{"lane"})
	}
	seconds := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: namespace + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15)}, []string{"lane"})
	}
	return &metrics{
		appended:      counter("appended_total", "Readings and blocks made durable, duplicates included."),
		duplicates:    counter("duplicates_total", "Readings that were there already."),
		groups:        counter("commits_total", "Synced writes of the journal."),
		journalBytes:  counter("journal_bytes_total", "Bytes written to the journal."),
		sealed:        counter("sealed_total", "Readings and blocks merged into chunks."),
		sealedBytes:   counter("sealed_bytes_total", "Bytes of chunks written, rewritten ones included."),
		failures:      counter("failures_total", "Commits, seals and sweeps that failed and are tried again."),
		dropped:       counter("dropped_days_total", "Days dropped because their time was over."),
		commitSeconds: seconds("commit_seconds", "Time to write and sync one group of appends."),
		sealSeconds:   seconds("seal_seconds", "Time to seal a lane."),
	}
}

// register shows them, and the state of s, to reg.
func (m *metrics) register(reg prometheus.Registerer, s *Store) {
	reg.MustRegister(m.appended, m.duplicates, m.groups, m.journalBytes, m.sealed, m.sealedBytes, m.failures, m.dropped,
		m.commitSeconds, m.sealSeconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: namespace + "unsealed_bytes", Help: "Memory of readings that are not in chunks yet."},
			func() float64 { return float64(s.readings.headBytes.Load() + s.waves.headBytes.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: namespace + "free_bytes", Help: "Free space of the disk of the series."},
			func() float64 { n, _ := s.freeBytes(); return float64(n) }))
}
