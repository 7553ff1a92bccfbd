package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

type wavesInput struct {
	BedPath
	TimeRange
	Code uint32 `query:"code" doc:"Only this waveform."`
}

func (s *Server) waves(ctx context.Context, in *wavesInput) (*huma.StreamResponse, error) {
	bed := registry.BedID(in.Bed)
	if _, err := s.bedOf(ctx, bed); err != nil {
		return nil, err
	}
	if in.From.IsZero() {
		return nil, problemf(http.StatusUnprocessableEntity, "from is missing. Name the begin; the range may be %s at most.", human(maxWaves))
	}
	from, to, err := in.bounds(s.now(), maxWaves)
	if err != nil {
		return nil, err
	}
	rv := &review{bed: bed, from: from, to: to}
	if err := s.place(ctx, rv, bed, from, to); err != nil {
		return nil, err
	}
	patients, err := s.Registry.PatientsAt(ctx, bed, from, to)
	if err != nil {
		return nil, err
	}
	s.look(ctx, actWaves, "bed "+in.Bed, patientsOf(patients)...)
	ctx, cancel := context.WithTimeout(ctx, s.reviewWithin)
	done, err := s.takePlace(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer cancel()
		defer done()
		r, w := humago.Unwrap(hc)
		out := newOutput(w, r, s.reviewWithin)
		if err := s.writeWaves(ctx, out, rv, protocol.Code(in.Code)); err != nil {
			s.cut(ctx, err)
		}
		if err := out.close(); err != nil {
			s.cut(ctx, err)
		}
	}}, nil
}

func (s *Server) writeWaves(ctx context.Context, out *output, rv *review, code protocol.Code) error {
	out.buf = append(out.buf, `{"bed":`...)
	out.buf = live.AppendString(out.buf, string(rv.bed))
	out.buf = append(out.buf, `,"from":`...)
	out.buf = live.AppendTime(out.buf, rv.from)
	out.buf = append(out.buf, `,"to":`...)
	out.buf = live.AppendTime(out.buf, rv.to)
	out.buf = append(out.buf, `,"blocks":[`...)
	first := true
	for _, w := range rv.windows {
		keys, err := s.Series.Keys(ctx, w.box, w.from, w.to)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.Kind != protocol.KindSamples || code != 0 && k.Code != code {
				continue
			}
			var failed error
			err := s.Series.Blocks(ctx, k.Key, w.from, w.to, func(b *series.Block) bool {
				if !first {
					out.buf = append(out.buf, ',')
				}
				first = false
				out.buf = appendBlock(out.buf, k.Key, b)
				failed = out.flush(64 << 10)
				return failed == nil
			})
			if err = firstError(failed, err); err != nil {
				return err
			}
		}
	}
	out.buf = append(out.buf, "]}\n"...)
	return nil
}

func appendBlock(b []byte, k series.Key, block *series.Block) []byte {
	term, _ := protocol.Lookup(k.Code)
	b = append(b, `{"box":`...)
	b = live.AppendString(b, string(k.Box))
	b = append(b, `,"device":`...)
	b = live.AppendString(b, string(k.Device))
	b = append(b, `,"channel":`...)
	b = live.AppendString(b, k.Channel)
	b = append(b, `,"code":`...)
	b = strconv.AppendUint(b, uint64(k.Code), 10)
	b = append(b, `,"ref_id":`...)
	b = live.AppendString(b, term.RefID)
	b = append(b, `,"label":`...)
	b = live.AppendString(b, term.Label)
	b = append(b, `,"unit":`...)
	b = live.AppendString(b, string(block.Unit))
	b = append(b, `,"t":`...)
	b = appendMillis(b, block.At)
	b = append(b, `,"at":`...)
	b = live.AppendTime(b, block.At)
	b = append(b, `,"rate_hz":`...)
	b = strconv.AppendFloat(b, block.RateHz(), 'f', -1, 64)
	b = append(b, `,"scale":`...)
	b = appendDecimal(b, block.Scale, "1")
	b = append(b, `,"offset":`...)
	b = appendDecimal(b, block.Offset, "0")
	b = append(b, `,"quality":"`...)
	b = append(b, block.Quality.String()...)
	b = append(b, `","samples":[`...)
	for i, raw := range block.Raw {
		if i > 0 {
			b = append(b, ',')
		}
		if raw == protocol.NoSample {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, int64(raw), 10)
		}
	}
	return append(b, "]}"...)
}

func appendDecimal(b []byte, d protocol.Decimal, otherwise string) []byte {
	if !d.Valid {
		return append(b, otherwise...)
	}
	return d.Append(b)
}

// Waves is what writeWaves writes, for the OpenAPI description.
type Waves struct {
	Bed    registry.BedID `json:"bed"`
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	Blocks []WaveBlock    `json:"blocks"`
}

// A WaveBlock is one block of samples.
type WaveBlock struct {
	Box     protocol.BoxID    `json:"box"`
	Device  protocol.DeviceID `json:"device"`
	Channel string            `json:"channel"`
	Code    protocol.Code     `json:"code"`
	RefID   string            `json:"ref_id"`
	Label   string            `json:"label"`
	Unit    string            `json:"unit" doc:"UCUM"`
	T       float64           `json:"t" doc:"Instant of the first sample, milliseconds since 1970."`
	At      time.Time         `json:"at" doc:"The same, to the millisecond."`
	RateHz  float64           `json:"rate_hz"`
	Scale   float64           `json:"scale"`
	Offset  float64           `json:"offset"`
	Quality string            `json:"quality"`
	Samples []*int32          `json:"samples" doc:"null is a missing sample."`
}
