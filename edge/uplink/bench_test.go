package uplink

import (
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// One operation is a backlog of 50,000 readings in 50,000 entries, through a
// real broker to a store that acknowledges, in this one process.
func BenchmarkDrain(b *testing.B) {
	const readings = 50_000
	for b.Loop() {
		b.StopTimer()
		c := newCloud(b)
		dir := b.TempDir()
		r := &rig{t: b, q: openQueue(b, dir)}
		for range readings {
			r.put()
		}
		r.q.Close()
		r.q = openQueue(b, dir)
		used, began := cpu(), time.Now()
		b.StartTimer()
		r.start(testConfig(c.addr))
		poll(b, "drained", func() bool { return r.q.Stats().Entries == 0 })
		b.StopTimer()
		b.ReportMetric(readings*1.2/time.Since(began).Seconds(), "readings/s")
		b.ReportMetric(float64((cpu()-used).Nanoseconds())/(readings*1.2), "cpu-ns/reading")
		b.ReportMetric(float64(c.messages), "messages")
		r.stop()
		c.down()
		r.q.Close()
		b.StartTimer()
	}
}

// One operation is 100 appends of one reading, each its own message: processor
// time of queue, uplink, broker and store together.
func BenchmarkLive(b *testing.B) {
	c := newCloud(b)
	r := newRig(b, c.addr)
	poll(b, "connected", func() bool { return r.u.Status().Connected })
	used := cpu()
	for b.Loop() {
		for range 100 {
			r.put()
		}
		poll(b, "stored", func() bool { return r.q.Stats().Entries == 0 })
	}
	b.ReportMetric(float64((cpu()-used).Microseconds())/float64(r.n), "cpu-us/append")
}
