package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// An output collects an answer and sends it in pieces, compressed if it is
// long and the client asked for it.
type output struct {
	buf []byte
	w   http.ResponseWriter
	zip *gzip.Writer
	ask bool
}

// gzipFrom is from which size an answer is compressed.
const gzipFrom = 16 << 10

var (
	buffers = sync.Pool{New: func() any { b := make([]byte, 0, 96<<10); return &b }}
	zippers = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return z }}
)

// newOutput begins an answer that must be taken within a time: a slow reader
// holds a place of those who look back.
func newOutput(w http.ResponseWriter, r *http.Request, within time.Duration) *output {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within)) // where the connection can
	w.Header().Set("Content-Type", "application/json")
	w.Header().Add("Vary", "Accept-Encoding")
	return &output{buf: (*buffers.Get().(*[]byte))[:0], w: w, ask: acceptsGzip(r.Header.Get("Accept-Encoding"))}
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			f, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && f > 0
		}
	}
	return false
}

// flush sends what is collected if it is more than least bytes.
func (o *output) flush(least int) error {
	if len(o.buf) <= least {
		return nil
	}
	if o.ask && o.zip == nil && len(o.buf) >= gzipFrom {
		o.w.Header().Set("Content-Encoding", "gzip")
		o.zip = zippers.Get().(*gzip.Writer)
		o.zip.Reset(o.w)
	}
	o.ask = false // decided with the first bytes
	var err error
	if o.zip != nil {
		_, err = o.zip.Write(o.buf)
	} else {
		_, err = o.w.Write(o.buf)
	}
	o.buf = o.buf[:0]
	return err
}

// close sends the rest, and lets the connection live on.
func (o *output) close() error {
	err := o.flush(0)
	if o.zip != nil {
		err = firstError(err, o.zip.Close())
		zippers.Put(o.zip)
	}
	rc := http.NewResponseController(o.w)
	if flushed := rc.Flush(); !errors.Is(flushed, http.ErrNotSupported) {
		err = firstError(err, flushed)
	}
	rc.SetWriteDeadline(time.Time{})
	if cap(o.buf) <= 1<<20 {
		buffers.Put(&o.buf)
	}
	return err
}
