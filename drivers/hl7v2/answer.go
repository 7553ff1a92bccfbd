package hl7v2

import (
	"strconv"
	"time"
)

// An Outcome is what became of a message.
type Outcome uint8

const (
	Accepted Outcome = iota // AA, CA
	Failed                  // AE, CE: it may be sent again
	Rejected                // AR, CR: it need not be sent again
)

const letters = "AER" // in the order of Outcome

// A Replier builds the answers to messages. Its zero value is ready.
type Replier struct {
	Sent uint64 // answers built; also the control id of the last one
}

// Append appends to b, framed, the answers that m asks for, which may be none:
// one AA, AE or AR where MSH-15 and MSH-16 are empty, else the accept and the
// application acknowledgement that they ask for. An acknowledgement is never
// answered. at stands in the answer as it is, without an offset. text, which
// says why in a case other than Accepted, must not be about a patient: of the
// message itself an answer has only what its header says of the two systems,
// its type, version and control id.
func (r *Replier) Append(b []byte, m *Message, o Outcome, text string, at time.Time) []byte {
	accept, application := m.header.Field(15), m.header.Field(16)
	switch {
	case m.Is("ACK", "") || m.Is("MCF", ""):
		return b
	case accept.Empty() && application.Empty():
		return r.append(b, m, 'A', o, text, at)
	}
	if o > Rejected {
		o = Rejected
	}
	if wanted(accept, o) {
		b = r.append(b, m, 'C', o, text, at)
	}
	if wanted(application, o) {
		b = r.append(b, m, 'A', o, text, at)
	}
	return b
}

func wanted(condition Value, o Outcome) bool {
	return condition.Is("AL") || condition.Is("SU") && o == Accepted || condition.Is("ER") && o != Accepted
}

func (r *Replier) append(b []byte, m *Message, kind byte, o Outcome, text string, at time.Time) []byte {
	r.Sent++
	h, d := m.header, m.how.Delimiters
	if d.Field == 0 {
		d = Usual
	}
	b = append(b, Start)
	b = append(append(b, head...), d.Field, d.Component)
	for _, c := range []byte{d.Repetition, d.Escape, d.Sub} {
		if c != 0 {
			b = append(b, c)
		}
	}
	for _, n := range []int{5, 6, 3, 4} { // from whom it was for, to whom it came from
		b = appendRaw(append(b, d.Field), h.Field(n), 180)
	}
	b = at.AppendFormat(append(b, d.Field), "20060102150405")
	b = append(append(b, d.Field, d.Field), "ACK"...)
	if event := h.Field(9).Component(2); !event.Empty() {
		b = appendRaw(append(b, d.Component), event, 3)
		if !h.Field(9).Component(3).Empty() {
			b = append(append(b, d.Component), "ACK"...)
		}
	}
	b = strconv.AppendUint(append(b, d.Field), r.Sent, 10)
	b = appendRaw(append(b, d.Field), h.Field(11), 3)
	b = appendRaw(append(b, d.Field), h.Field(12), 20)
	b = append(append(b, "\rMSA"...), d.Field, kind, letters[min(o, Rejected)], d.Field)
	b = appendRaw(b, m.ControlID(), 199)
	if o != Accepted && text != "" {
		b = append(b, d.Field)
		b = append(b, text...)
	}
	return append(b, '\r', End, '\r')
}

// appendRaw repeats a field as it was, if it is printable and not too long:
// a receiver may compare it byte by byte.
func appendRaw(b []byte, v Value, limit int) []byte {
	if len(v.raw) > limit {
		return b
	}
	for _, c := range v.raw {
		if c < ' ' || c == 0x7F {
			return b
		}
	}
	return append(b, v.raw...)
}
