package alarm

import (
	"fmt"
	"slices"
	"time"

	"monitorme/protocol"
)

// Bounds that no set of rules may pass. They keep a typing error from switching
// an alarm off in silence.
const (
	maxDelay      = 60 * time.Second
	maxClear      = 5 * time.Minute
	maxNightDelay = 30 * time.Second
	maxValid      = 24 * time.Hour
)

// nightFloor is how far a night limit may go, for the codes that may have one:
// heart rate low and oxygen low, nothing else (docs/ALARMS.md).
var nightFloor = map[protocol.Code]protocol.Decimal{
	protocol.HeartRate: protocol.Int(40),
	protocol.PulseRate: protocol.Int(40),
	149514:             protocol.Int(40), // MDC_PULS_RATE
	protocol.SpO2:      protocol.Int(88),
	150472:             protocol.Int(88), // MDC_PULS_OXIM_SAT_O2_ART_LEFT
	150476:             protocol.Int(88), // MDC_PULS_OXIM_SAT_O2_ART_RIGHT
	160296:             protocol.Int(88), // MDC_PULS_OXIM_SAT_O2_PRE_DUCTAL
	160300:             protocol.Int(88), // MDC_PULS_OXIM_SAT_O2_POST_DUCTAL
}

func (s *set) check() error {
	switch {
	case s.Profile == "":
		return fmt.Errorf("profile: empty, want a name such as adult")
	case s.LateAfter < 10*time.Second || s.LateAfter > 10*time.Minute:
		return fmt.Errorf("late_after: %s, want 10s to 10m", s.LateAfter)
	case s.SleepFor <= 0 || s.SleepFor > 10*time.Minute:
		return fmt.Errorf("sleep_for: %s, want up to 10m", s.SleepFor)
	}
	taken := map[string]string{}
	units := map[protocol.Code]protocol.Unit{}
	for i := range s.Rules {
		r := &s.Rules[i]
		if err := r.check(); err != nil {
			return err
		}
		if r.Off {
			continue
		}
		for _, slot := range r.slots() {
			if other := taken[slot]; other != "" {
				return r.bad("codes", "%s is already that of rule %q; only one may be", slot, other)
			}
			taken[slot] = r.ID
		}
		for _, c := range r.Codes {
			if u := units[c]; r.Unit != "" && u != "" && u != r.Unit {
				return r.bad("unit", "%q, but another rule has %q for code %d", r.Unit, u, uint32(c))
			}
			if r.Unit != "" {
				units[c] = r.Unit
			}
		}
	}
	return nil
}

// slots name what at most one rule may be.
func (r *Rule) slots() []string {
	switch r.Kind {
	case High, Low:
		return nil
	}
	if len(r.Codes) == 0 {
		return []string{string(r.Kind)}
	}
	var s []string
	for _, c := range r.Codes {
		s = append(s, fmt.Sprintf("%s of code %d", r.Kind, uint32(c)))
	}
	return s
}

func (r *Rule) bad(key, format string, args ...any) error {
	return &ruleError{r.ID, key, fmt.Sprintf(format, args...)}
}

func (r *Rule) check() error {
	if !slices.Contains(kinds, r.Kind) {
		return r.bad("kind", "%q is not one of %v", r.Kind, kinds)
	}
	anyCode := r.Kind == Implausible || r.Kind == Doubtful || r.Kind == DeviceEvent || r.Kind == BoxSilent || r.Kind == ClockOffset || r.Kind == TooYoung
	if len(r.Codes) == 0 && !anyCode {
		return r.bad("codes", "empty, a rule of kind %s names its codes", r.Kind)
	}
	if r.Priority == protocol.PriorityNone && r.Kind != DeviceEvent || r.Priority > protocol.PriorityHigh {
		return r.bad("priority", "%s, want low, medium or high", r.Priority)
	}
	if r.Delay > maxDelay {
		return r.bad("delay", "%s, want at most %s", r.Delay, maxDelay)
	}
	if r.Clear.For > maxClear {
		return r.bad("clear", "for: %s, want at most %s", r.Clear.For, maxClear)
	}
	if r.Clear.Margin.Valid && r.Clear.Margin.Mantissa < 0 {
		return r.bad("clear", "margin: %s, want 0 or more", r.Clear.Margin)
	}
	if err := r.checkLimit(); err != nil {
		return err
	}
	if err := r.checkNight(); err != nil {
		return err
	}
	return r.checkEscalate()
}

func (r *Rule) checkLimit() error {
	limit := r.Kind == High || r.Kind == Low
	switch {
	case r.Unit != "" && !limit:
		return r.bad("unit", "only rules of kind high and low have it")
	case r.Limit.Valid != (limit || r.Kind == ClockOffset || r.Kind == TooYoung):
		return r.bad("limit", "%q, rules of kind high, low, clock-offset and too-young have one, others do not", r.Limit)
	case (r.Bypass.Valid || r.Episodic) && !limit:
		return r.bad("bypass", "bypass and episodic are for rules of kind high and low")
	case r.Valid != 0 && !limit || r.Valid > maxValid:
		return r.bad("valid", "%s, want up to %s, for rules of kind high and low only", r.Valid, maxValid)
	case limit && r.Unit == "":
		return r.bad("unit", "empty, want the UCUM unit of the limit, such as /min")
	case r.Kind == ClockOffset && r.Limit.Compare(protocol.Int(0)) <= 0:
		return r.bad("limit", "%s, want seconds above 0", r.Limit)
	case r.Kind == TooYoung && (r.Limit.Compare(protocol.Int(1)) < 0 || r.Limit.Compare(protocol.Int(25)) > 0):
		return r.bad("limit", "%s, want 1 to 25 years", r.Limit)
	case r.Bypass.Valid && r.Kind == Low && r.Bypass.Compare(r.Limit) >= 0:
		return r.bad("bypass", "%s, want below the limit %s", r.Bypass, r.Limit)
	case r.Bypass.Valid && r.Kind == High && r.Bypass.Compare(r.Limit) <= 0:
		return r.bad("bypass", "%s, want above the limit %s", r.Bypass, r.Limit)
	case r.After != 0 && r.Kind != Stale:
		return r.bad("after", "only rules of kind stale have it")
	case r.Kind == Stale && (r.After < 0 || r.After > 24*time.Hour):
		return r.bad("after", "%s, want up to 24h", r.After)
	}
	// So that scaling to a common exponent stays exact.
	for i, d := range [...]protocol.Decimal{r.Limit, r.Bypass, r.Clear.Margin} {
		if d.Exponent < -6 || d.Exponent > 3 || d.Mantissa > 1e9 || d.Mantissa < -1e9 {
			return r.bad([...]string{"limit", "bypass", "clear"}[i], "%s, want at most 6 decimal places and 9 digits", d)
		}
	}
	return nil
}

func (r *Rule) checkNight() error {
	if r.Night == nil {
		return nil
	}
	if r.Kind != Low || r.Priority == protocol.PriorityHigh {
		return r.bad("night", "only low limits of priority low or medium may be relaxed at night")
	}
	if r.Night.Delay > maxNightDelay || r.Night.Delay < r.Delay {
		return r.bad("night", "delay: %s, want the daytime delay %s to %s", r.Night.Delay, r.Delay, maxNightDelay)
	}
	for _, c := range r.Codes {
		floor, ok := nightFloor[c]
		switch {
		case !ok:
			return r.bad("night", "code %d may not be relaxed at night, only heart rate low and oxygen low", uint32(c))
		case !r.Night.Limit.Valid || r.Night.Limit.Compare(r.Limit) > 0 || r.Night.Limit.Compare(floor) < 0:
			return r.bad("night", "limit: %q, want %s to the daytime limit %s", r.Night.Limit, floor, r.Limit)
		case r.Bypass.Valid && r.Bypass.Compare(r.Night.Limit) >= 0:
			return r.bad("night", "limit: %s, want above the bypass %s", r.Night.Limit, r.Bypass)
		}
	}
	return nil
}

func (r *Rule) checkEscalate() error {
	if len(r.Escalate) == 0 {
		return nil
	}
	if r.Kind == High || r.Kind == Low {
		return r.bad("escalate", "only technical rules climb with time")
	}
	if len(r.Escalate) > 3 {
		return r.bad("escalate", "%d steps, want at most 3", len(r.Escalate))
	}
	after, priority := r.Delay, r.Priority
	for _, e := range r.Escalate {
		if e.After <= after || e.After > time.Hour || e.Priority <= priority || e.Priority > protocol.PriorityHigh {
			return r.bad("escalate", "after %s to %s: want later than %s, at most 1h, and a priority above %s", e.After, e.Priority, after, priority)
		}
		after, priority = e.After, e.Priority
	}
	return nil
}
