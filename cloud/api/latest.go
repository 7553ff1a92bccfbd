package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// Latest is all that is known of a bed now.
type Latest struct {
	Bed            registry.BedID  `json:"bed"`
	Unit           protocol.UnitID `json:"unit"`
	Label          string          `json:"label"`
	Box            *protocol.BoxID `json:"box" nullable:"true"`
	BoxOnline      bool            `json:"box_online"`
	BoxLastContact *time.Time      `json:"box_last_contact" nullable:"true" doc:"null if never since the service started."`
	Patient        *LatestPatient  `json:"patient"`
	Values         latestValues    `json:"values"`
	Alerts         []Alert         `json:"alerts" nullable:"true" doc:"Alarms that are not over; null if they cannot be read now, which a screen must say loudly."`
}

// LatestPatient is as much of a patient as a screen in a corridor may show.
type LatestPatient struct {
	ID       registry.PatientID `json:"id"`
	Name     string             `json:"name"`
	Initials string             `json:"initials"`
}

// UnitLatest is all that is known of a unit now.
type UnitLatest struct {
	ServerTime time.Time       `json:"server_time"`
	Unit       protocol.UnitID `json:"unit"`
	Beds       []Latest        `json:"beds"`
}

// Value documents the values that package live encodes.
type Value struct {
	Device      protocol.DeviceID `json:"device"`
	Channel     string            `json:"channel"`
	Code        protocol.Code     `json:"code" doc:"IEEE 11073-10101, context free."`
	RefID       string            `json:"ref_id" example:"MDC_PULS_OXIM_SAT_O2"`
	Label       string            `json:"label" example:"SpO2"`
	Sign        protocol.Sign     `json:"sign" doc:"One of the eight vital signs, or empty."`
	Value       *float64          `json:"value" nullable:"true" doc:"As the device gave it, with its decimal places; null without a number."`
	Text        string            `json:"text" doc:"The word of an enumeration."`
	Unit        string            `json:"unit" doc:"UCUM"`
	Places      int               `json:"places" doc:"Decimal places to show."`
	Quality     string            `json:"quality" enum:"unknown,good,questionable,invalid,missing,sensor-off,calibrating,ongoing,overflow,underflow,demo"`
	Clock       string            `json:"clock" enum:"unknown,synced,corrected,uncertain" doc:"How the time was found."`
	At          time.Time         `json:"at" doc:"Measured at."`
	Received    time.Time         `json:"received"`
	StaleAfterS float64           `json:"stale_after_s" doc:"When older than this it is not live any more; 0: never."`
}

// latestValues are values as package live writes them.
type latestValues []live.Value

// MarshalJSON writes each as live does, so that REST and stream agree.
func (v latestValues) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+320*len(v))
	b = append(b, '[')
	for i := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = live.AppendValue(b, &v[i].Observation, v[i].Received)
	}
	return append(b, ']'), nil
}

// Schema is that of a list of Value.
func (latestValues) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: r.Schema(reflect.TypeFor[Value](), true, "Value")}
}

func (s *Server) routeLatest() {
	const tag = "Now"
	route(s, op{method: http.MethodGet, path: "/api/v1/beds/{bed}/latest", id: "bedLatest", summary: "The latest values of a bed", action: actLatest,
		says: "A value older than its stale_after_s must not be shown as live. Each look is recorded.", errors: []int{404}}, tag,
		func(ctx context.Context, in *BedPath) (*body[Latest], error) {
			b, err := s.bedOf(ctx, registry.BedID(in.Bed))
			if err != nil {
				return nil, err
			}
			alerts := s.activeAlerts(ctx, b.Unit)
			snap := s.Registry.Current()
			if p, _, ok := snap.PatientIn(b.ID); ok {
				s.look(ctx, actLatest, "bed "+in.Bed, p.ID)
			}
			return reply(s.latest(snap, b, alerts))
		})
	route(s, op{method: http.MethodGet, path: "/api/v1/units/{unit}/latest", id: "unitLatest", summary: "The latest values of a unit", action: actLatest, errors: []int{404}}, tag,
		func(ctx context.Context, in *UnitPath) (*body[UnitLatest], error) {
			u, err := s.unitOf(ctx, protocol.UnitID(in.Unit))
			if err != nil {
				return nil, err
			}
			s.look(ctx, actLatest, "unit "+in.Unit, patientsIn(s.Registry.Current(), u.ID)...)
			return reply(s.unitLatest(ctx, u.ID))
		})
	route(s, op{method: http.MethodGet, path: "/api/v1/nomenclature", id: "nomenclature", summary: "The table of signs and codes", action: actNomenclature}, tag,
		func(context.Context, *struct{}) (*body[[]Term], error) { return reply(terms) })
}

// activeAlerts gives nil, not an empty list, if the alarms cannot be read: the
// values are shown without them, and the screen says so.
func (s *Server) activeAlerts(ctx context.Context, unit protocol.UnitID) []Alert {
	alerts, err := s.Alerts.Active(ctx, unit)
	if err != nil {
		s.log.Error("alarms not read", "request", requestID(ctx), "unit", unit, "err", err)
		return nil
	}
	if alerts == nil {
		alerts = []Alert{}
	}
	return alerts
}

func (s *Server) unitLatest(ctx context.Context, unit protocol.UnitID) UnitLatest {
	alerts := s.activeAlerts(ctx, unit)
	snap := s.Registry.Current()
	out := UnitLatest{ServerTime: s.now().UTC().Truncate(time.Millisecond), Unit: unit, Beds: []Latest{}}
	for _, b := range snap.BedsOf(unit) {
		out.Beds = append(out.Beds, s.latest(snap, b, alerts))
	}
	return out
}

// latest joins what is known of a bed. A value measured before the patient lay
// there, or before the box stood there, is somebody else's and left out.
func (s *Server) latest(snap *registry.Snapshot, b registry.Bed, alerts []Alert) Latest {
	out := Latest{Bed: b.ID, Unit: b.Unit, Label: b.Label, Values: latestValues{}}
	var since time.Time
	if p, a, ok := snap.PatientIn(b.ID); ok {
		out.Patient = &LatestPatient{p.ID, p.Name, p.Initials()}
		since = a.From
	}
	if p, ok := snap.BoxAt(b.ID); ok {
		now := s.Hub.Box(p.Box)
		since = later(since, p.From)
		out.Box, out.BoxOnline, out.BoxLastContact = &p.Box, now.Online, optionalTime(now.LastContact)
		out.Values = slices.DeleteFunc(latestValues(now.Values), func(v live.Value) bool { return measured(v).Before(since) })
	}
	if alerts != nil {
		out.Alerts = []Alert{}
	}
	for _, a := range alerts {
		if a.Bed == b.ID {
			out.Alerts = append(out.Alerts, a)
		}
	}
	return out
}

// measured is when a value was measured, as far as is known: of a box whose
// clock was never set, the arrival says more.
func measured(v live.Value) time.Time {
	if v.Clock == protocol.ClockUncertain {
		return v.Received
	}
	return v.At
}

// A Term describes one code.
type Term struct {
	Code        protocol.Code `json:"code"`
	RefID       string        `json:"ref_id"`
	Label       string        `json:"label"`
	Name        string        `json:"name"`
	Sign        protocol.Sign `json:"sign" doc:"One of the eight vital signs, or empty."`
	Kind        string        `json:"kind" enum:"numeric,samples,enumeration,event"`
	Unit        protocol.Unit `json:"unit" doc:"UCUM"`
	Places      int           `json:"places"`
	Colour      string        `json:"colour"`
	Low         *float64      `json:"low" nullable:"true" doc:"Below this a value is not physiology; null: no range."`
	High        *float64      `json:"high" nullable:"true"`
	StaleAfterS float64       `json:"stale_after_s" doc:"0: no expectation."`
}

var terms = func() []Term {
	out := make([]Term, 0, len(protocol.Terms))
	for _, t := range protocol.Terms {
		v := Term{Code: t.Code, RefID: t.RefID, Label: t.Label, Name: t.Name, Sign: t.Sign, Kind: kindName(t.Kind), Unit: t.Unit, Places: t.Places, Colour: t.Colour, StaleAfterS: t.StaleAfter.Seconds()}
		if t.Low != 0 || t.High != 0 {
			v.Low, v.High = &t.Low, &t.High
		}
		out = append(out, v)
	}
	return out
}()

func kindName(k protocol.Kind) string {
	switch k {
	case protocol.KindNumeric:
		return "numeric"
	case protocol.KindSamples:
		return "samples"
	case protocol.KindEnumeration:
		return "enumeration"
	case protocol.KindEvent:
		return "event"
	}
	return "unknown"
}
