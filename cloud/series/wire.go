package series

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"monitorme/cloud/series/packed"
	"monitorme/protocol"
)

// Between processes the module speaks HTTP below /internal/v1/series/:
//
//	POST append?box=B              body: an append; 204, or a problem
//	GET  keys?box=B&from&to        JSON array of SeriesInfo
//	GET  buckets?KEY&from&to&max   JSON array of Bucket
//	GET  points?KEY&from&to        frames
//	GET  blocks?KEY&from&to        frames
//
// KEY is box, device, channel and code; from and to are microseconds since
// 1970. An append is the series it speaks of, the series of each reading, and
// packed readings. A frame is a length and packed readings; the frame of
// length 0 ends the stream and is followed by the text of an error, empty if
// all went well, so that a stream that was cut is never taken for whole.
const (
	pathPrefix = "/internal/v1/series/"
	maxAppend  = 32 << 20 // bytes of the body of an append
	maxFrame   = 16 << 20 // bytes; the texts of a frame are half of it at most
	framePart  = 1024     // readings in a frame
	frameBlock = 16       // blocks in a frame
)

// problem is the body of an answer that is not 2xx.
type problem struct {
	Detail  string `json:"detail"`
	Indexes []int  `json:"indexes,omitempty"` // of refused observations
	Reason  string `json:"reason,omitempty"`  // why the first was refused
}

var errWire = errors.New("an answer that makes no sense")

// appendObservations appends the body of an append.
func appendObservations(b []byte, obs []protocol.Observation) []byte {
	var keys []byte
	index := map[Key]int64{}
	ids := make([]int64, len(obs))
	var r packed.Builder
	for i := range obs {
		o := &obs[i]
		k := Key{Device: o.Device, Channel: o.Channel, Code: o.Code}
		id, ok := index[k]
		if !ok {
			id = int64(len(index))
			index[k] = id
			keys = packed.AppendString(keys, string(k.Device))
			keys = packed.AppendString(keys, k.Channel)
			keys = binary.AppendUvarint(keys, uint64(k.Code))
		}
		ids[i] = id
		r.Add(o)
	}
	b = binary.AppendUvarint(b, uint64(len(index)))
	b = append(b, keys...)
	b = binary.AppendUvarint(b, uint64(len(ids)))
	b = packed.AppendInts(b, ids)
	return packed.Append(b, r.Readings)
}

// decodeObservations reads what appendObservations wrote.
func decodeObservations(b []byte) ([]protocol.Observation, error) {
	d := packed.NewDecoder(b)
	keys := make([]Key, d.Count(len(b)/3))
	for i := range keys {
		keys[i] = Key{Device: protocol.DeviceID(d.String()), Channel: d.String(), Code: protocol.Code(d.Uvarint())}
	}
	ids := make([]int64, d.Count(packed.MaxPerByte*len(b)))
	d.Ints(ids)
	r, err := d.Readings()
	if err != nil {
		return nil, err
	}
	if len(r.Recs) != len(ids) {
		return nil, fmt.Errorf("%d readings for %d series numbers", len(r.Recs), len(ids))
	}
	obs := make([]protocol.Observation, len(ids))
	for i, id := range ids {
		if id < 0 || id >= int64(len(keys)) {
			return nil, fmt.Errorf("series number %d of %d", id, len(keys))
		}
		k := keys[id]
		obs[i].Device, obs[i].Channel, obs[i].Code = k.Device, k.Channel, k.Code
		if err := r.Observation(i, &obs[i]); err != nil {
			return nil, err
		}
	}
	return obs, nil
}

// A frameWriter writes a stream of frames.
type frameWriter struct {
	w   io.Writer
	r   packed.Builder
	buf []byte
	err error
}

func (f *frameWriter) add(o *protocol.Observation, most int) bool {
	f.r.Add(o)
	if len(f.r.Recs) >= most {
		f.flush()
	}
	return f.err == nil
}

func (f *frameWriter) flush() {
	if len(f.r.Recs) == 0 || f.err != nil {
		return
	}
	f.buf = packed.Append(f.buf[:0], f.r.Readings)
	f.r.Reset()
	if _, f.err = f.w.Write(binary.AppendUvarint(nil, uint64(len(f.buf)))); f.err == nil {
		_, f.err = f.w.Write(f.buf)
	}
}

// end writes the end of the stream.
func (f *frameWriter) end(err error) {
	f.flush()
	if f.err != nil {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	_, f.err = f.w.Write(packed.AppendString([]byte{0}, text))
}

// readFrames yields the observations of a stream of frames, reused between
// calls, until yield returns false.
func readFrames(body io.Reader, yield func(*protocol.Observation) bool) error {
	br := bufio.NewReaderSize(body, 64<<10)
	var buf []byte
	var o protocol.Observation
	for {
		n, err := binary.ReadUvarint(br)
		if err != nil {
			return fmt.Errorf("the stream was cut: %w", noEOF(err))
		}
		if n == 0 {
			return endOfFrames(br)
		}
		if n > maxFrame {
			return fmt.Errorf("%w: a frame of %d bytes", errWire, n)
		}
		if buf, err = readN(br, buf, int(n)); err != nil {
			return fmt.Errorf("the stream was cut: %w", err)
		}
		r, err := packed.Decode(buf)
		if err != nil {
			return err
		}
		for i := range r.Recs {
			if err := r.Observation(i, &o); err != nil {
				return err
			}
			if !yield(&o) {
				return nil
			}
		}
	}
}

func endOfFrames(br *bufio.Reader) error {
	n, err := binary.ReadUvarint(br)
	if err != nil || n > 1<<16 {
		return fmt.Errorf("the stream was cut: %w", noEOF(err))
	}
	text, err := readN(br, nil, int(n))
	if err != nil {
		return fmt.Errorf("the stream was cut: %w", err)
	}
	if len(text) > 0 {
		return errors.New(string(text))
	}
	return nil
}

func readN(r io.Reader, buf []byte, n int) ([]byte, error) {
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], noEOF(err)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
