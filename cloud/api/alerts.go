package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// Alerts is what the api needs of the alarms.
type Alerts interface {
	// Active lists the alarms of a unit that are not over, the most urgent first.
	Active(ctx context.Context, unit protocol.UnitID) ([]Alert, error)
	// History lists the alarms of a unit that began in [from, to), newest first.
	History(ctx context.Context, unit protocol.UnitID, from, to time.Time) ([]Alert, error)
	// Alert finds one; an error that is alert.ErrNotFound if there is none.
	Alert(ctx context.Context, id string) (Alert, error)
	// Acknowledge notes that a user takes care of an alarm. Doing it again
	// keeps the first.
	Acknowledge(ctx context.Context, id, user string) (Alert, error)
	// Health tells whether alarms are being raised, and if not why.
	Health() (ok bool, detail string)
}

// An Alert is one alarm.
type Alert struct {
	ID             string            `json:"id"`
	Bed            registry.BedID    `json:"bed"`
	Unit           protocol.UnitID   `json:"unit"`
	Label          string            `json:"label"`
	Box            protocol.BoxID    `json:"box"`
	Device         protocol.DeviceID `json:"device"`
	Code           protocol.Code     `json:"code"`
	RefID          string            `json:"ref_id"`
	Sign           protocol.Sign     `json:"sign"`
	Rule           string            `json:"rule"`
	Kind           string            `json:"kind" enum:"physiological,technical"`
	Priority       string            `json:"priority" enum:"high,medium,low"`
	Text           string            `json:"text"`
	Value          protocol.Decimal  `json:"value" doc:"The latest offending value."`
	Limit          protocol.Decimal  `json:"limit" doc:"The limit in force when it was raised."`
	ValueUnit      protocol.Unit     `json:"value_unit" doc:"UCUM unit of value and limit."`
	Night          bool              `json:"night" doc:"The night limit was in force."`
	State          string            `json:"state" enum:"active,latched,ended"`
	Started        time.Time         `json:"started" doc:"When the condition began, as measured."`
	Ended          *time.Time        `json:"ended" nullable:"true"`
	Received       time.Time         `json:"received" doc:"When the service first knew."`
	AcknowledgedBy *string           `json:"acknowledged_by" nullable:"true"`
	AcknowledgedAt *time.Time        `json:"acknowledged_at" nullable:"true"`
	Missed         bool              `json:"missed" doc:"Found in late data: never rung."`
	Hidden         bool              `json:"hidden" doc:"A higher alarm of its family stands for it."`
}

func (s *Server) routeAlerts() {
	const tag = "Alarms"
	route(s, op{method: http.MethodGet, path: "/api/v1/alerts", id: "alerts", summary: "List the alarms of a unit", action: actAlerts,
		says: "state=active gives those that are not over, the most urgent first; state=all those that began in [from, to), newest first, 31 days at most.", errors: []int{404, 422}}, tag, s.listAlerts)
	route(s, op{method: http.MethodPost, path: "/api/v1/alerts/{id}/acknowledge", id: "acknowledge", summary: "Acknowledge an alarm", action: actAcknowledge,
		says: "Says that somebody takes care. An alarm whose condition holds goes on; one that is latched ends. Doing it again keeps the first.", errors: []int{404, 409}}, tag, s.acknowledge)
}

type alertsInput struct {
	Unit  string `query:"unit" required:"true" minLength:"1" maxLength:"64"`
	State string `query:"state" enum:"active,all" default:"active"`
	TimeRange
}

func (s *Server) listAlerts(ctx context.Context, in *alertsInput) (*body[[]Alert], error) {
	u, err := s.unitOf(ctx, protocol.UnitID(in.Unit))
	if err != nil {
		return nil, err
	}
	var alerts []Alert
	if in.State == "all" {
		from, to, err := in.bounds(s.now(), maxHistory)
		if err != nil {
			return nil, err
		}
		alerts, err = s.Alerts.History(ctx, u.ID, from, to)
		if err != nil {
			return nil, err
		}
	} else if alerts, err = s.Alerts.Active(ctx, u.ID); err != nil {
		return nil, err
	}
	snap := s.Registry.Current()
	var seen []registry.PatientID
	for _, a := range alerts {
		if p, since, ok := snap.PatientIn(a.Bed); ok && !a.Started.Before(since.From) && !slices.Contains(seen, p.ID) {
			seen = append(seen, p.ID)
		}
	}
	s.look(ctx, actAlerts, "unit "+in.Unit, seen...)
	if alerts == nil {
		alerts = []Alert{}
	}
	return reply(alerts)
}

func (s *Server) acknowledge(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"128"`
}) (*body[Alert], error) {
	a, err := s.Alerts.Alert(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.inUnit(ctx, a.Unit); err != nil {
		return nil, err
	}
	if a, err = s.Alerts.Acknowledge(ctx, in.ID, who(ctx).Name); err != nil {
		return nil, err
	}
	var patient registry.PatientID
	if p, since, ok := s.Registry.Current().PatientIn(a.Bed); ok && !a.Started.Before(since.From) {
		patient = p.ID
	}
	s.audit(ctx, registry.AuditRecord{Action: string(actAcknowledge), Object: "alert " + a.ID, Patient: patient})
	return reply(a)
}
