package influx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"monitorme/cloud/series"
	"monitorme/cloud/series/groupcommit"
	"monitorme/protocol"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is a series.Store on an InfluxDB 2 server.
type Store struct {
	cfg     Config
	log     *slog.Logger
	client  influxdb2.Client
	http    *http.Client
	writer  api.WriteAPIBlocking
	querier api.QueryAPI
	metrics *metrics
	// Readings and waveforms are written apart, so that samples do not hold
	// up numbers.
	readings, waves *groupcommit.Committer[line]
	trouble         atomic.Pointer[error] // of the last write
	closed          atomic.Bool
}

var _ series.Store = (*Store)(nil)

// New makes a Store; it speaks to the server when it is used. reg may be nil.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	token, err := cfg.token()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	s := &Store{cfg: cfg, log: log, http: &http.Client{Transport: transport}, metrics: newMetrics(reg)}
	s.client = influxdb2.NewClientWithOptions(cfg.URL, token, influxdb2.DefaultOptions().
		SetHTTPClient(s.http).SetUseGZip(true).SetPrecision(time.Microsecond).SetLogLevel(0).SetApplicationName("monitorme"))
	s.writer = s.client.WriteAPIBlocking(cfg.Org, cfg.Bucket)
	s.querier = s.client.QueryAPI(cfg.Org)
	s.readings, s.waves = groupcommit.New(s.write), groupcommit.New(s.write)
	return s, nil
}

// Append implements series.Store.
func (s *Store) Append(ctx context.Context, box protocol.BoxID, obs []protocol.Observation) error {
	if s.closed.Load() {
		return series.ErrClosed
	}
	good, refused := series.Sift(box, obs)
	var readings, waves []line
	for i := range good {
		l := line{text: string(appendLine(nil, box, &good[i])), index: i}
		if good[i].Kind == protocol.KindSamples {
			waves = append(waves, l)
		} else {
			readings = append(readings, l)
		}
	}
	return series.Sifted(refused, joinRefused(s.readings.Do(ctx, readings), s.waves.Do(ctx, waves)))
}

// joinRefused is the error of an append of two parts: refused only if the
// other part is stored or refused.
func joinRefused(a, b error) error {
	ra, oka := errors.AsType[*series.RefusedError](a)
	rb, okb := errors.AsType[*series.RefusedError](b)
	switch {
	case oka && okb:
		return &series.RefusedError{Indexes: merged(ra.Indexes, rb.Indexes), Reason: ra.Reason}
	case oka && b != nil:
		return b
	case a != nil:
		return a
	}
	return b
}

// Health is nil, or says what is wrong. It takes at most five seconds.
func (s *Store) Health(ctx context.Context) error {
	if s.closed.Load() {
		return series.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if ok, err := s.client.Ping(ctx); err != nil {
		return fmt.Errorf("InfluxDB at %s does not answer: %w", s.cfg.URL, err)
	} else if !ok {
		return fmt.Errorf("InfluxDB at %s answers, but not as InfluxDB does", s.cfg.URL)
	}
	if err := s.trouble.Load(); err != nil && *err != nil {
		return fmt.Errorf("InfluxDB at %s does not take readings: %w", s.cfg.URL, *err)
	}
	return nil
}

// Close ends the connections.
func (s *Store) Close() error {
	if !s.closed.Swap(true) {
		s.client.Close()
		s.http.CloseIdleConnections()
	}
	return nil
}

type metrics struct {
	lines, refused, requests, retries, failures prometheus.Counter
	seconds                                     prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	const namespace = "monitorme_cloud_series_influx_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: namespace + name, Help: help})
	}
	m := &metrics{
		lines:    counter("written_total", "Readings and blocks written."),
		refused:  counter("refused_total", "Readings and blocks that the server will never take."),
		requests: counter("requests_total", "Write requests sent."),
		retries:  counter("retries_total", "Write requests sent again because the server was busy or away."),
		failures: counter("failures_total", "Groups given up, left to their boxes to send again."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: namespace + "write_seconds", Help: "Time to write a group, retries included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16)}),
	}
	if reg != nil {
		reg.MustRegister(m.lines, m.refused, m.requests, m.retries, m.failures, m.seconds)
	}
	return m
}
