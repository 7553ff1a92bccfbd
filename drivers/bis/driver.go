// Package bis is the driver of Aspect (Covidien, Medtronic) BIS Vista and BIS
// View monitors over their binary serial protocol. docs/devices/bis.md
// describes it and says what is made of it.
//
// It sends one request: to send the processed variables. It derives no sleep
// stage from the index, which measures sedation.
package bis

import (
	"encoding/binary"
	"fmt"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var (
	index       = protocol.MustCode("MONITORME_BISPECTRAL_INDEX")
	signal      = protocol.MustCode("MONITORME_BIS_SIGNAL_QUALITY")
	suppression = protocol.MustCode("MONITORME_SUPPRESSION_RATIO")
	edge        = protocol.MustCode("MDC_EEG_FREQ_PWR_SPEC_CRTX_SPECTRAL_EDGE")
	total       = protocol.MustCode("MDC_EEG_PWR_SPEC_TOT")
	emg         = protocol.MustCode("MONITORME_EMG_POWER")
	bursts      = protocol.MustCode("MONITORME_BURST_COUNT")
)

// Driver is for both monitors.
var Driver = drivers.Driver{
	Name:    "bis",
	Title:   "BIS Vista and BIS View monitors, binary protocol",
	Models:  []string{"BIS Vista", "BIS View"},
	Sheet:   "docs/devices/bis.md",
	Line:    drivers.Line{Baud: 57600},
	Asks:    true,
	Silence: 10 * time.Second,
	Checked: true,
	Codes: []protocol.Code{index, signal, suppression, edge, total, emg, bursts,
		protocol.IdentityModel, protocol.EventAlarm},
	NewDecoder: func() drivers.Decoder { return newDecoder() },
	Run:        drivers.Converse(func() drivers.Asker { return newDecoder() }),
	Simulate:   simulate,
}

// Packet types and messages.
const (
	packetData = 1
	packetNAK  = 3

	askProcessed     = 0x73
	messageProcessed = 0x34
	messageSpectra   = 0x35

	spectraLen = 244
	maxLen     = 560 // more than the longest message
	headLen    = 20
	routing    = 4
)

var le = binary.LittleEndian

// appendFrame appends a frame that carries a message.
func appendFrame(b []byte, sequence uint16, message uint32, number uint16, data []byte) []byte {
	from := len(b)
	b = append(b, 0xBA, 0xAB)
	b = le.AppendUint16(b, sequence)
	b = le.AppendUint16(b, uint16(12+len(data)))
	b = le.AppendUint16(b, packetData)
	b = le.AppendUint32(b, routing)
	b = le.AppendUint32(b, message)
	b = le.AppendUint16(b, number)
	b = le.AppendUint16(b, uint16(len(data)))
	b = append(b, data...)
	return le.AppendUint16(b, checksum.Sum16(b[from+2:]))
}

// request is all that is ever sent.
var request = appendFrame(nil, 0, askProcessed, 0, []byte{0})

type decoder struct {
	framer  framer.Framer
	emit    drivers.Emit
	told    bool
	refused int // length of the data that was told to be unsupported

	frames uint64
	heard  time.Duration
	next   time.Duration // the next request
	renew  time.Duration
}

func newDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: 8 + maxLen + 2, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame reads a frame. The mark at its start may stand in data as well, so that
// its length counts.
func (d *decoder) frame(b []byte) int {
	switch {
	case b[0] != 0xBA || len(b) > 1 && b[1] != 0xAB:
		return framer.Skip
	case len(b) < 8:
		return framer.More
	}
	size, kind := int(le.Uint16(b[4:])), le.Uint16(b[6:])
	if kind < packetData || kind > packetNAK || kind == packetData && (size < 12 || size > maxLen) || kind != packetData && size != 0 {
		return framer.Skip
	}
	if kind == packetData && len(b) >= headLen && int(le.Uint16(b[18:]))+12 != size {
		return framer.Skip
	}
	n := 8 + size
	if len(b) < n+2 {
		return framer.More
	}
	if checksum.Sum16(b[2:n]) != le.Uint16(b[n:]) {
		return framer.BadSum
	}
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "BIS Vista or View"})
	}
	if kind == packetData {
		d.message(le.Uint32(b[12:]), b[headLen:n])
	}
	return n + 2
}

func (d *decoder) message(id uint32, data []byte) {
	size := len(data)
	switch id {
	case messageSpectra:
		size -= spectraLen
	case messageProcessed:
	default:
		return
	}
	switch size {
	case 120:
		d.trend(data, 24)
	case 156:
		d.trend(data, 36)
	default:
		if d.refused != len(data) {
			d.refused = len(data)
			d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &protocol.Event{
				Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: index,
				Text: fmt.Sprintf("values of %d bytes are not read: bilateral sensors are not supported", len(data))}})
		}
	}
}

// firstTrend is where the trend blocks begin: channel 1, channel 2, both.
const firstTrend = 48

// notThere is the highest raw value that means that there is none.
const notThere = -3277

// trend emits the block of channel 1, or that of both channels if the first has
// no index.
func (d *decoder) trend(data []byte, size int) {
	t := data[firstTrend : firstTrend+size]
	if short(t, 6) <= notThere {
		if both := data[firstTrend+2*size : firstTrend+3*size]; short(both, 6) > notThere {
			t = both
		}
	}
	q := protocol.QualityUnknown
	sqi := int64(int32(le.Uint32(t[16:])))
	switch {
	case sqi <= notThere:
	case sqi < 500:
		q = protocol.QualityInvalid
	default:
		q = protocol.QualityGood
	}
	d.number(index, "1", short(t, 6), -1, q)
	d.number(signal, "%", sqi, -1, protocol.QualityGood)
	d.number(suppression, "%", short(t, 0), -1, q)
	d.number(edge, "Hz", short(t, 2), -2, q)
	d.number(total, "dB", short(t, 12), -2, q)
	d.number(emg, "dB", short(t, 14), -2, q)
	if size == 36 {
		d.number(bursts, "/min", short(t, 24), 0, q)
	}
}

func short(b []byte, at int) int64 { return int64(int16(le.Uint16(b[at:]))) }

func (d *decoder) number(code protocol.Code, unit protocol.Unit, raw int64, exponent int8, q protocol.Quality) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: q, Value: protocol.Dec(raw, exponent)}
	if raw <= notThere {
		o.Quality, o.Value = protocol.QualityMissing, protocol.Decimal{}
	}
	d.emit(o)
}

// Ask implements drivers.Asker: once a minute, and when nothing has come for
// five seconds.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if n := d.framer.Stats().Frames; n != d.frames {
		d.frames, d.heard = n, now
	}
	if now >= d.renew || now-d.heard >= 5*time.Second && now >= d.next {
		d.next, d.renew = now+5*time.Second, now+time.Minute
		b = append(b, request...)
	}
	return b, time.Second
}
