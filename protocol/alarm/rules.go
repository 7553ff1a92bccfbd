package alarm

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"

	"monitorme/protocol"
)

// A Kind says what a rule looks at.
type Kind string

const (
	High        Kind = "high"         // a number above its limit
	Low         Kind = "low"          // a number below its limit
	SensorOff   Kind = "sensor-off"   // quality sensor-off or missing on a code that was there
	Implausible Kind = "implausible"  // quality invalid, or a unit that is not the rule's
	Doubtful    Kind = "doubtful"     // quality questionable or unknown: seen, but not evaluated
	Stale       Kind = "stale"        // no reading of a code although the box is in touch
	BoxSilent   Kind = "box-silent"   // nothing from the box
	ClockOffset Kind = "clock-offset" // the box's clock is off by more than limit seconds
	TooYoung    Kind = "too-young"    // the patient is younger than limit years: the rules are not for them
	DeviceEvent Kind = "event"        // an alarm or event of a device or of the box
)

var kinds = []Kind{High, Low, SensorOff, Implausible, Doubtful, Stale, BoxSilent, ClockOffset, TooYoung, DeviceEvent}

// A Rule is one alarm rule as it is written in YAML; docs/ALARMS.md explains
// each key. Rules is the checked set of them.
type Rule struct {
	ID   string `yaml:"id"`
	Kind Kind   `yaml:"kind"`
	// Codes are what it is about; none means every code (Implausible, Doubtful
	// and DeviceEvent only), unless another rule of the kind names the code.
	Codes []protocol.Code `yaml:"codes"`
	Unit  protocol.Unit   `yaml:"unit"` // of Limit; a reading in another unit is implausible
	// Family: of the active alarms of one family about one sign at one device
	// only the one of the highest priority is shown; at equal priority, of the
	// rule further up.
	Family   string            `yaml:"family"`
	Priority protocol.Priority `yaml:"priority"` // DeviceEvent: the least; the device may call it more urgent
	Text     string            `yaml:"text"`     // for people; "" is made from label and kind

	Limit  protocol.Decimal `yaml:"limit"`  // an alarm beyond it, not at it
	Bypass protocol.Decimal `yaml:"bypass"` // beyond it the delay is skipped
	Delay  time.Duration    `yaml:"delay"`  // how long the condition must hold
	After  time.Duration    `yaml:"after"`  // Stale: age at which a value is stale; 0 is the term's
	Clear  Clear            `yaml:"clear"`
	Night  *Night           `yaml:"night"`
	// Escalate raises the priority of a technical alarm that nobody
	// acknowledged, so long after it began.
	Escalate []Escalation `yaml:"escalate"`
	// Valid is how old a late reading may be and still ring; 0 is the age at
	// which its term is no longer live.
	Valid    time.Duration `yaml:"valid"`
	Latching bool          `yaml:"latching"` // stays until acknowledged
	Episodic bool          `yaml:"episodic"` // every new measurement beyond the limit is an alarm of its own
	Off      bool          `yaml:"off"`
}

// Clear is the dead band: the value must be back inside by Margin for For.
type Clear struct {
	Margin protocol.Decimal `yaml:"margin"`
	For    time.Duration    `yaml:"for"`
}

// Night is what holds instead while the patient is known to be asleep.
type Night struct {
	Limit protocol.Decimal `yaml:"limit"`
	Delay time.Duration    `yaml:"delay"`
}

// Escalation is one step of Rule.Escalate.
type Escalation struct {
	After    time.Duration     `yaml:"after"`
	Priority protocol.Priority `yaml:"priority"`
}

// Rules is a checked, immutable set of rules. It is safe for concurrent use.
type Rules struct {
	set     set
	version string
	byCode  map[protocol.Code][]*compiled // kinds that look at readings
	always  []*compiled                   // of those, the ones for every code
	stale   map[protocol.Code]*compiled
	events  map[protocol.Code]*compiled
	anyEvt  *compiled
	units   map[protocol.Code]protocol.Unit // of the limits
	silent  *compiled
	clock   *compiled
	young   *compiled
	byID    map[string]*compiled
}

// set is a file of rules.
type set struct {
	Profile   string        `yaml:"profile"`
	LateAfter time.Duration `yaml:"late_after"` // readings that are older when sent are late
	SleepFor  time.Duration `yaml:"sleep_for"`  // how long a sleep status counts
	Rules     []Rule        `yaml:"rules"`
}

//go:embed rules.yaml
var defaultYAML []byte

// Default is the adult set with the start limits of docs/ALARMS.md. A site's
// clinical lead must confirm or replace them.
func Default() *Rules { return parseDefault() }

var parseDefault = sync.OnceValue(func() *Rules {
	r, err := Parse("rules.yaml", defaultYAML)
	if err != nil {
		panic(err) // a test parses it
	}
	return r
})

// Version is a hash of the set: the same rules have the same version.
func (r *Rules) Version() string { return r.version }

// Profile names the set: "adult", or "adult+icu" with an override.
func (r *Rules) Profile() string { return r.set.Profile }

// List is a copy of the rules, in their order.
func (r *Rules) List() []Rule { return slices.Clone(r.set.Rules) }

// compiled is a rule with its numbers made ready.
type compiled struct {
	Rule
	rank               int // place in the file
	limit, clear       float64
	nightLimit, nightC float64
	bypass             float64 // NaN: none
	delay, nightDelay  int64   // µs
	clearFor           int64
	after              int64
}

func compile(s set) *Rules {
	r := &Rules{set: s, byCode: map[protocol.Code][]*compiled{}, stale: map[protocol.Code]*compiled{},
		events: map[protocol.Code]*compiled{}, units: map[protocol.Code]protocol.Unit{}, byID: map[string]*compiled{}}
	canonical, _ := json.Marshal(s) // plain data, cannot fail
	sum := sha256.Sum256(canonical)
	r.version = hex.EncodeToString(sum[:6])
	for i, rule := range s.Rules {
		c := &compiled{Rule: rule, rank: i, limit: rule.Limit.Float64(), bypass: rule.Bypass.Float64(),
			delay: rule.Delay.Microseconds(), clearFor: rule.Clear.For.Microseconds(), after: rule.After.Microseconds()}
		c.clear = edge(rule, rule.Limit)
		if rule.Night != nil {
			c.nightLimit, c.nightC = rule.Night.Limit.Float64(), edge(rule, rule.Night.Limit)
			c.nightDelay = rule.Night.Delay.Microseconds()
		}
		r.byID[rule.ID] = c
		if !rule.Off {
			r.place(c)
		}
	}
	// A rule for every code leaves out the codes that a rule of its kind names.
	for code, named := range r.byCode {
		for _, a := range r.always {
			if !slices.ContainsFunc(named, func(c *compiled) bool { return c.Kind == a.Kind }) {
				r.byCode[code] = append(r.byCode[code], a)
			}
		}
	}
	return r
}

func (r *Rules) place(c *compiled) {
	switch c.Kind {
	case BoxSilent:
		r.silent = c
	case ClockOffset:
		r.clock = c
	case TooYoung:
		r.young = c
	case Stale:
		for _, code := range c.Codes {
			r.stale[code] = c
		}
	case DeviceEvent:
		for _, code := range c.Codes {
			r.events[code] = c
		}
		if len(c.Codes) == 0 {
			r.anyEvt = c
		}
	default:
		for _, code := range c.Codes {
			r.byCode[code] = append(r.byCode[code], c)
			if c.Unit != "" {
				r.units[code] = c.Unit
			}
		}
		if len(c.Codes) == 0 {
			r.always = append(r.always, c)
		}
	}
}

// readings are the rules that look at readings of a code.
func (r *Rules) readings(code protocol.Code) []*compiled {
	if rules, ok := r.byCode[code]; ok {
		return rules
	}
	return r.always
}

// staleAfter is the age in µs at which a value of a code is no longer live, 0
// if no age is known.
func (r *Rules) staleAfter(code protocol.Code) int64 {
	if c := r.stale[code]; c != nil && c.after > 0 {
		return c.after
	}
	term, _ := protocol.Lookup(code)
	return term.StaleAfter.Microseconds()
}

// validFor is how old in µs a late number of a code may be and still ring, 0 if
// no limit is about it. What never becomes stale counts for maxValid.
func (r *Rules) validFor(code protocol.Code) (valid int64) {
	limited := false
	for _, c := range r.byCode[code] {
		limited = limited || c.Kind == High || c.Kind == Low
		valid = max(valid, c.Valid.Microseconds())
	}
	if !limited || valid > 0 {
		return valid
	}
	if stale := r.staleAfter(code); stale > 0 {
		return stale
	}
	return maxValid.Microseconds()
}

// edge is where a value is back inside by the margin.
func edge(r Rule, limit protocol.Decimal) float64 {
	m := r.Clear.Margin
	if !m.Valid || !limit.Valid {
		return limit.Float64()
	}
	if r.Kind == High || r.Kind == ClockOffset {
		m.Mantissa = -m.Mantissa
	}
	exp := min(limit.Exponent, m.Exponent)
	sum := scaled(limit, exp) + scaled(m, exp)
	return protocol.Dec(sum, exp).Float64()
}

// scaled is the mantissa of d at exponent exp, which is not above d's.
func scaled(d protocol.Decimal, exp int8) int64 {
	m := d.Mantissa
	for range d.Exponent - exp {
		m *= 10
	}
	return m
}

// A verdict is what one reading says about a condition.
type verdict uint8

const (
	neutral verdict = iota // nothing: it neither raises nor ends
	inside                 // back inside by the margin
	band                   // inside the limit, but not by the margin
	beyond
	far // beyond the bypass: at once
)

// number judges a number against a limit rule.
func (c *compiled) number(x float64, night bool) verdict {
	limit, clear := c.limit, c.clear
	if night {
		limit, clear = c.nightLimit, c.nightC
	}
	bypass := c.bypass
	if c.Kind == Low {
		x, limit, clear, bypass = -x, -limit, -clear, -bypass
	}
	switch {
	case x > bypass: // never with NaN
		return far
	case x > limit:
		return beyond
	case x <= clear:
		return inside
	}
	return band
}

// judge is what a reading says about a rule. seen: the code had a number
// before. alien: the number is not in the unit of the limits.
func (c *compiled) judge(o *protocol.Observation, x float64, seen, alien, night bool) verdict {
	q := o.Quality
	switch c.Kind {
	case High, Low:
		switch {
		case alien:
			return neutral
		case q == protocol.QualityGood && o.Value.Valid:
			return c.number(x, night)
		case q == protocol.QualityOverflow && c.Kind == High, q == protocol.QualityUnderflow && c.Kind == Low:
			// The device says it is further out than the bound it gives. A
			// bound short of the limit says nothing.
			if v := c.number(x, night); !o.Value.Valid || v >= beyond {
				return max(v, beyond)
			}
		case q == protocol.QualityOverflow, q == protocol.QualityUnderflow:
			if o.Value.Valid && c.number(x, night) == inside { // beyond the other end
				return inside
			}
		}
		return neutral
	case SensorOff:
		return pick(seen && (q == protocol.QualitySensorOff || q == protocol.QualityMissing), q.HasNumber())
	case Implausible:
		return pick(q == protocol.QualityInvalid || alien, q.HasNumber())
	case Doubtful:
		return pick(q == protocol.QualityQuestionable || q == protocol.QualityUnknown, q == protocol.QualityGood)
	}
	return neutral
}

func pick(bad, good bool) verdict {
	switch {
	case bad:
		return beyond
	case good:
		return inside
	}
	return neutral
}

// delayIn is the delay in force in µs.
func (c *compiled) delayIn(night bool) int64 {
	if night {
		return c.nightDelay
	}
	return c.delay
}

const forever = math.MaxInt64 / 4
