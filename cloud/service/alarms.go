package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"monitorme/cloud/alert"
	"monitorme/cloud/api"
	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/protocol"
	"monitorme/protocol/alarm"
)

// alarmModule is the alarm engine of this process, or the client of one in
// another.
type alarmModule interface {
	Observe(live.Delivery)
	BoxContact(protocol.BoxID, time.Time)
	BoxState(protocol.BoxState, time.Time)
	Expect(ctx context.Context, placed []protocol.BoxID, at time.Time) error
	Stop(ctx context.Context, box protocol.BoxID, user string, at time.Time) error
	Patient(ctx context.Context, box protocol.BoxID, age int) error
	Active(context.Context, alert.Filter) ([]alert.Record, error)
	History(ctx context.Context, f alert.Filter, from, to time.Time) ([]alert.Record, error)
	Get(ctx context.Context, id string) (alert.Record, error)
	Acknowledge(ctx context.Context, id, user string, at time.Time) (alert.Record, error)
	Subscribe(buffer int) *alert.Subscription
	Alive() (ok bool, detail string)
	Run(context.Context) error
}

var (
	_ alarmModule = (*alert.Engine)(nil)
	_ alarmModule = (*alert.Client)(nil)
)

// forAPI gives the alarms the shape that the API asks for.
type forAPI struct{ alarmModule }

var _ api.Alerts = forAPI{}

func (f forAPI) Active(ctx context.Context, unit protocol.UnitID) ([]api.Alert, error) {
	records, err := f.alarmModule.Active(ctx, alert.Filter{Unit: unit})
	return toAPI(records), err
}

func (f forAPI) History(ctx context.Context, unit protocol.UnitID, from, to time.Time) ([]api.Alert, error) {
	records, err := f.alarmModule.History(ctx, alert.Filter{Unit: unit}, from, to)
	return toAPI(records), err
}

func (f forAPI) Alert(ctx context.Context, id string) (api.Alert, error) {
	return one(f.Get(ctx, id))
}

func (f forAPI) Acknowledge(ctx context.Context, id, user string) (api.Alert, error) {
	return one(f.alarmModule.Acknowledge(ctx, id, user, time.Now().UTC()))
}

func (f forAPI) Health() (bool, string) { return f.Alive() }

// alarmsToScreens tells the screens about every alarm that changes. After it
// fell behind it starts with what stands.
func (s *Service) alarmsToScreens(ctx context.Context) error {
	for {
		sub := s.alerts.Subscribe(4096)
		records, err := s.alerts.Active(ctx, alert.Filter{Hidden: true})
		if err == nil {
			for i := range records {
				s.publishAlert(&records[i])
			}
			err = drain(ctx, sub.C, s.publishAlert)
		}
		sub.Close()
		if err != nil {
			return err
		}
	}
}

func drain(ctx context.Context, c <-chan alert.Record, changed func(*alert.Record)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r, ok := <-c:
			if !ok {
				select { // not at once, in case the engine has stopped
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(100 * time.Millisecond):
					return nil
				}
			}
			changed(&r)
		}
	}
}

// watchPlacements tells the alarms which boxes stand at beds, so that one that
// never speaks is an alarm too, when a patient leaves a bed, so that the next
// one there does not inherit alarms, and how old each is, so that limits for
// adults do not pass for limits.
func (s *Service) watchPlacements(ctx context.Context) error {
	changed, stop := s.registry.Subscribe()
	defer stop()
	lies := map[registry.BedID]registry.PatientID{}
	told := map[protocol.BoxID]int{}
	for {
		current := s.registry.Current()
		var placed []protocol.BoxID
		for _, p := range current.Placements {
			placed = append(placed, p.Box)
			patient, now, _ := current.PatientIn(p.Bed)
			if before := lies[p.Bed]; before != "" && before != now.Patient {
				if err := s.alerts.Stop(ctx, p.Box, "patient left the bed", time.Now().UTC()); err != nil {
					return fmt.Errorf("stop alarms of box %s: %w", p.Box, err)
				}
				delete(told, p.Box)
			}
			lies[p.Bed] = now.Patient
			age := years(patient.Born, time.Now())
			if before, known := told[p.Box]; known && before == age {
				continue
			}
			if err := s.alerts.Patient(ctx, p.Box, age); err != nil {
				return fmt.Errorf("tell the alarms the age at box %s: %w", p.Box, err)
			}
			told[p.Box] = age
		}
		maps.DeleteFunc(told, func(box protocol.BoxID, _ int) bool { return !slices.Contains(placed, box) })
		if err := s.alerts.Expect(ctx, placed, time.Now().UTC()); err != nil {
			return fmt.Errorf("tell the alarms which boxes there are: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// years is the age of somebody born on a day, YYYY-MM-DD, alarm.UnknownAge if
// that is not known.
func years(born string, now time.Time) int {
	day, err := time.Parse(time.DateOnly, born)
	if err != nil {
		return alarm.UnknownAge
	}
	age := now.Year() - day.Year()
	if now.Month() < day.Month() || now.Month() == day.Month() && now.Day() < day.Day() {
		age--
	}
	return max(age, 0)
}

func toAPI(records []alert.Record) []api.Alert {
	out := make([]api.Alert, 0, len(records))
	for i := range records {
		out = append(out, apiAlert(&records[i]))
	}
	return out
}

func one(r alert.Record, err error) (api.Alert, error) {
	if errors.Is(err, alert.ErrNotFound) {
		return api.Alert{}, fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	}
	if err != nil {
		return api.Alert{}, err
	}
	return apiAlert(&r), nil
}

func apiAlert(r *alert.Record) api.Alert {
	term, _ := protocol.Lookup(r.Code)
	a := api.Alert{ID: r.ID, Bed: r.Bed, Unit: r.CareUnit, Label: r.BedLabel, Box: r.Box, Device: r.Device,
		Code: r.Code, RefID: term.RefID, Sign: term.Sign, Rule: r.Rule, Kind: r.Type.String(), Priority: r.Priority.String(),
		Text: r.Text, Value: r.Value, Limit: r.Limit, ValueUnit: r.Unit, Night: r.Night, State: string(r.State),
		Started: r.Started, Received: r.Received, Missed: r.Missed, Hidden: r.Hidden}
	if r.State == alarm.Ended {
		a.Ended = &r.Ended
	}
	if r.AcknowledgedBy != "" {
		a.AcknowledgedBy, a.AcknowledgedAt = &r.AcknowledgedBy, &r.AcknowledgedAt
	}
	return a
}

// encodeAlert is the data of an alert event.
func encodeAlert(r *alert.Record) []byte {
	b, err := json.Marshal(apiAlert(r))
	if err != nil { // plain data
		slog.Error("encode alarm", "err", err)
	}
	return b
}
