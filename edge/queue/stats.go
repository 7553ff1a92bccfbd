package queue

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

// Stats is what the queue holds and has done since it was opened.
type Stats struct {
	Entries     uint64 // not yet acknowledged
	Bytes       int64
	MaxBytes    int64
	Oldest      time.Time // measured at, of the oldest reading not yet acknowledged; zero: none
	Dropped     uint64    // readings, since the queue was made
	Appended    uint64    // readings
	Acked       uint64
	Rejected    uint64 // readings that protocol refuses
	Quarantined uint64 // readings that could not be read back
	FreeBytes   int64  // of the file system
	DiskBytes   int64  // used by the database
	Full        bool   // Append refuses, or is about to
}

// State is the queue as the cloud is told of it.
func (s Stats) State() protocol.QueueState {
	return protocol.QueueState{Entries: s.Entries, Bytes: uint64(s.Bytes), MaxBytes: uint64(s.MaxBytes), Oldest: s.Oldest, Dropped: s.Dropped}
}

// Stats takes stock. It may read an entry from disk.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken == nil && len(q.dead) > 0 {
		q.flush(false) // so that the oldest entry found is a live one
	}
	s := Stats{Bytes: q.bytes, MaxBytes: q.cfg.MaxBytes, Rejected: q.counts.rejected, Quarantined: q.counts.quarantined,
		FreeBytes: q.guard.free, DiskBytes: q.guard.used}
	s.Full = q.guard.free > 0 && q.guard.free < q.reserve(q.bytes)
	oldest := int64(0)
	for _, id := range streams {
		l := q.logs[id]
		s.Entries += l.entries
		s.Dropped += q.meta.dropped[id]
		s.Appended += q.counts.appended[id]
		s.Acked += q.counts.acked[id]
		if q.broken != nil {
			continue
		}
		if us := q.oldest(l); us > 0 && (oldest == 0 || us < oldest) {
			oldest = us
		}
	}
	if oldest > 0 {
		s.Oldest = time.UnixMicro(oldest).UTC()
	}
	return s
}

// collector gives the queue's metrics when they are asked for.
type collector struct{ q *Queue }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("monitorme_edge_queue_"+name, help, labels, nil)
}

var (
	descEntries     = desc("entries", "Entries not yet acknowledged by the cloud's store.", "stream")
	descBytes       = desc("bytes", "Bytes of readings not yet acknowledged.")
	descMaxBytes    = desc("max_bytes", "Limit of monitorme_edge_queue_bytes.")
	descDisk        = desc("disk_bytes", "Bytes that the database takes on the disk.")
	descFree        = desc("free_bytes", "Free bytes of the file system of the queue.")
	descAppended    = desc("appended_readings_total", "Readings stored.", "stream")
	descAcked       = desc("acked_readings_total", "Readings deleted because the store has them.", "stream")
	descDropped     = desc("dropped_readings_total", "Readings dropped for want of space, since the queue was made.", "stream")
	descRejected    = desc("rejected_readings_total", "Readings that could not be encoded.")
	descQuarantined = desc("quarantined_readings_total", "Readings that could not be read back.")
	descSyncs       = desc("syncs_total", "Flushes to the disk.")
)

func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for i, name := range []string{"event", "numeric", "wave"} {
		id := streams[i]
		gauge(descEntries, float64(c.q.logs[id].entries), name)
		counter(descAppended, c.q.counts.appended[id], name)
		counter(descAcked, c.q.counts.acked[id], name)
		counter(descDropped, c.q.meta.dropped[id], name)
	}
	gauge(descBytes, float64(c.q.bytes))
	gauge(descMaxBytes, float64(c.q.cfg.MaxBytes))
	gauge(descDisk, float64(c.q.guard.used))
	gauge(descFree, float64(c.q.guard.free))
	counter(descRejected, c.q.counts.rejected)
	counter(descQuarantined, c.q.counts.quarantined)
	counter(descSyncs, c.q.counts.syncs)
}
