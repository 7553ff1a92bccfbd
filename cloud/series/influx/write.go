package influx

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"monitorme/cloud/series"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
)

const (
	maxLines = 5000
	maxBody  = 8 << 20 // bytes before compression

	firstWait     = 100 * time.Millisecond
	longestWait   = 5 * time.Second
	requestAtMost = 10 * time.Second
)

// A line is one observation in line protocol, on its way in.
type line struct {
	text  string
	index int // in the observations of its Append
	part  int // of the group
}

// write writes a group and says of each part what became of it.
func (s *Store) write(parts [][]line) []error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.WriteTimeout)
	defer cancel()
	start := time.Now()
	var all []line
	for i, p := range parts {
		for _, l := range p {
			l.part = i
			all = append(all, l)
		}
	}
	o := outcome{errs: make([]error, len(parts))}
	for len(all) > 0 {
		n, size := 0, 0
		for n < len(all) && n < maxLines && (n == 0 || size < maxBody) {
			size += len(all[n].text)
			n++
		}
		s.send(ctx, all[:n], &o)
		all = all[n:]
	}
	s.metrics.seconds.Observe(time.Since(start).Seconds())
	s.trouble.Store(&o.trouble)
	if o.trouble != nil {
		s.metrics.failures.Inc()
	}
	return o.errs
}

// An outcome collects what became of the parts of a group.
type outcome struct {
	errs    []error
	trouble error // the last that is not the fault of a line
}

// refuse marks one line; an error that is retryable stays.
func (o *outcome) refuse(l line, reason error) {
	switch e := o.errs[l.part].(type) {
	case nil:
		o.errs[l.part] = &series.RefusedError{Indexes: []int{l.index}, Reason: reason}
	case *series.RefusedError:
		e.Indexes = append(e.Indexes, l.index)
	}
}

// fail marks all parts of the lines as retryable.
func (o *outcome) fail(lines []line, err error) {
	o.trouble = err
	for _, l := range lines {
		o.errs[l.part] = err
	}
}

// send writes lines in one request, and halves them when the server refuses
// them until it is known which it refuses.
func (s *Store) send(ctx context.Context, lines []line, o *outcome) {
	err := s.sendPatiently(ctx, lines)
	switch {
	case err == nil:
		s.metrics.lines.Add(float64(len(lines)))
	case !isRefusal(err):
		o.fail(lines, fmt.Errorf("write to InfluxDB bucket %s: %w", s.cfg.Bucket, err))
	case len(lines) == 1:
		s.metrics.refused.Inc()
		o.refuse(lines[0], err)
	default:
		s.send(ctx, lines[:len(lines)/2], o)
		s.send(ctx, lines[len(lines)/2:], o)
	}
}

// isRefusal tells errors that are the lines' from those that are the
// server's or the configuration's.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*influxhttp.Error](err)
	return ok && (e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity || e.StatusCode == http.StatusRequestEntityTooLarge)
}

// sendPatiently sends one request, again while the server is busy or away and
// ctx lasts.
func (s *Store) sendPatiently(ctx context.Context, lines []line) error {
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.text
	}
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		once, cancel := context.WithTimeout(ctx, requestAtMost)
		err := s.writer.WriteRecord(once, texts...)
		cancel()
		s.metrics.requests.Inc()
		if err == nil {
			return nil
		}
		delay, again := retryAfter(err, wait)
		deadline, _ := ctx.Deadline()
		if !again || time.Now().Add(delay).After(deadline) {
			return err
		}
		s.metrics.retries.Inc()
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return err
		}
	}
}

// retryAfter says whether an error may pass, and how long to wait.
func retryAfter(err error, wait time.Duration) (time.Duration, bool) {
	delay := wait/2 + rand.N(wait/2)
	e, ok := errors.AsType[*influxhttp.Error](err)
	if !ok || e.StatusCode == 0 {
		return delay, true // the network
	}
	if e.StatusCode == http.StatusTooManyRequests || e.StatusCode >= 500 {
		if e.RetryAfter > 0 {
			delay = min(time.Duration(e.RetryAfter)*time.Second, longestWait)
		}
		return delay, true
	}
	return 0, false
}

func merged(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return all
}
