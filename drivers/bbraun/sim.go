package bbraun

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated rack with its ComDevice. Its zero value has three
// pumps, stuffs and must be asked.
type Device struct {
	Bed    string        // its bed id; "" is SpaceCom1
	Plain  bool          // without character stuffing
	Cyclic time.Duration // > 0: it sends all by itself, this often
	Pumps  []Pump        // nil are three

	// For tests; nil changes nothing.
	bed   func(at time.Time) string                                 // the bed id changes
	spoil func(n int, block []byte) []byte                          // what becomes of the nth block on the line
	deaf  func(n int) bool                                          // the nth ACK is lost
	extra func(place string, at time.Time) []string                 // more parameters, as NAME,value
	gone  func(place string, at time.Time) (failure int, gone bool) // a pump cannot be read
}

// A Pump is one pump of a simulated rack.
type Pump struct {
	Place     string // pillar and slot: "11", "1A"
	Model     string
	Serial    string
	Drug      string
	DrugShort string
	Syringe   int    // mL; 0 is a volumetric pump
	Dose      string // with its unit's number; "" has none
	DoseUnit  int
}

var usualPumps = []Pump{
	{Place: "11", Model: "688N030003", Serial: "48213", Drug: "Noradrenalin 0.1 mg/ml", DrugShort: "NorAdr", Syringe: 50, Dose: "0.05", DoseUnit: 71},
	{Place: "12", Model: "688N030003", Serial: "48377", Drug: "Propofol 2 %", DrugShort: "Propofol", Syringe: 50, Dose: "2.5", DoseUnit: 69},
	{Place: "1A", Model: "686N030003", Serial: "51090", Drug: "Edetat / Diluent D5", DrugShort: "Edet"},
}

// Simulate plays the rack for the patient at the far end of wire until ctx ends
// or the wire fails. What the patient does not have while a heart beats is
// made up; without that the rack is empty.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.Bed == "" {
		d.Bed = "SpaceCom1"
	}
	if d.Pumps == nil {
		d.Pumps = usualPumps
	}
	r := &playing{Device: d, patient: patient, start: time.Now(), there: map[string]bool{}}
	r.framer = framer.Framer{Max: maxFrame, Frame: r.heard}
	played := play.Device{Answer: func(b, p []byte, at time.Time) []byte {
		r.out, r.at = b, at
		r.framer.Feed(p)
		return r.out
	}}
	if d.Cyclic > 0 {
		played.Parts = []play.Part{{Every: d.Cyclic, First: d.Cyclic / 2, Append: func(b []byte, at time.Time) []byte {
			r.out, r.at = b, at
			r.begin(r.all())
			return r.out
		}}}
	}
	return play.Run(ctx, wire, played)
}

// A playing is a rack in play.
type playing struct {
	Device
	patient drivers.Patient
	start   time.Time
	there   map[string]bool // the pumps of the last answer
	framer  framer.Framer
	opener  opener

	out    []byte
	at     time.Time
	blocks []string // of the answer, the first one is on the line
	sent   int
	acks   int
}

func (r *playing) heard(b []byte) int {
	switch b[0] {
	case ack:
		if r.acks++; (r.deaf == nil || !r.deaf(r.acks)) && len(r.blocks) > 0 {
			r.blocks = r.blocks[1:]
			r.send()
		}
		return 1
	case nak:
		r.send()
		return 1
	}
	bl, n := r.opener.open(b)
	if n == framer.BadSum {
		r.begin([]string{r.record("00", "GNERR", "68")})
	}
	if n <= 0 {
		return n
	}
	request := string(bl.info)
	switch wrong := bl.form == plain && !r.Plain || bl.form == stuffed && r.Plain; {
	case wrong:
		r.begin([]string{r.record("00", "GNERR", "68")})
	case request == askAlive:
		r.begin([]string{r.record("00", "GNACK", "0")})
	case string(bl.bed) != r.bedID() || r.Cyclic > 0: // not spoken to
	case request == askVersion:
		r.begin([]string{r.seconds() + ",50100,V3.36"})
	case request == askPumps:
		r.begin(r.all())
	}
	return n
}

func (r *playing) bedID() string {
	if r.bed != nil {
		return r.bed(r.at)
	}
	return r.Bed
}

func (r *playing) begin(blocks []string) {
	r.blocks = blocks
	r.send()
}

// send sends the first block that is not acknowledged.
func (r *playing) send() {
	if len(r.blocks) == 0 {
		return
	}
	f := stuffed
	if r.Plain {
		f = plain
	}
	b := appendBlock(nil, r.bedID(), r.blocks[0], len(r.blocks) == 1, f)
	if r.sent++; r.spoil != nil {
		b = r.spoil(r.sent, b)
	}
	r.out = append(r.out, b...)
}

func (r *playing) seconds() string {
	return strconv.Itoa(int(r.at.Sub(r.start)/time.Second) + 12)
}

func (r *playing) record(place, name, value string) string {
	return r.seconds() + ",501" + place + "," + name + "," + value
}

// all is the answer to MEM:GET: a block for each pump, one for each that was
// removed since the last answer, or one that says that there is none.
func (r *playing) all() (blocks []string) {
	_, alive := r.patient.Numeric(protocol.HeartRate, r.at)
	_, infuses := r.patient.Numeric(rate, r.at)
	for i, p := range r.Pumps {
		failure, gone := 39, !alive && !infuses
		if r.gone != nil && !gone {
			failure, gone = r.gone(p.Place, r.at)
		}
		switch {
		case !gone:
			blocks = append(blocks, r.pump(&r.Pumps[i]))
		case failure != 39 || r.there[p.Place]:
			blocks = append(blocks, r.record(p.Place, "GNERR", strconv.Itoa(failure)))
		}
		r.there[p.Place] = !gone
	}
	if blocks == nil {
		blocks = []string{r.record("00", "GNERR", "11")}
	}
	return blocks
}

const boluses = 20 * time.Second // between two

// pump is the block of a pump.
func (r *playing) pump(p *Pump) (b string) {
	add := func(name, value string) {
		if b != "" {
			b += string(rune(separator))
		}
		b += r.record(p.Place, name, value)
	}
	number := func(name string, code protocol.Code, usual float64, places int) {
		v, ok := r.patient.Numeric(code, r.at)
		if !ok {
			v = usual
		}
		if code == timeLeft {
			v *= 60
		}
		add(name, strconv.FormatFloat(v, 'f', places, 64))
	}
	const perHour, whole = 8, 100
	done := perHour * math.Mod(r.at.Sub(r.start).Hours(), 12)
	add("GNMODEL", p.Model)
	add("INNR", p.Serial)
	number("INRT", rate, perHour, 2)
	number("INVTB", volumeLeft, whole-done, 1)
	number("INVI", infused, done, 2)
	number("INRMT", timeLeft, (whole-done)/perHour*60, 0)
	number("INP2", pressure, 12, 0)
	number("INBORT", bolusRate, 600, 1)
	number("INBOVAL", bolus, 1.5, 2)
	add("INBOCNT", strconv.Itoa(int(r.at.Sub(r.start)/boluses)%10))
	add("INSOL", p.Drug)
	add("INSOLSN", p.DrugShort)
	if p.Syringe > 0 {
		add("INSYR", strconv.Itoa(p.Syringe))
		number("INVOLACT", inSyringe, 31, 1)
	}
	if p.Dose != "" {
		add("INDOCAL", "1")
		add("INDORT", p.Dose)
		add("INDORTU", fmt.Sprintf("%05d", p.DoseUnit))
	} else {
		add("INDOCAL", "0")
		add("INDORT", "_NV")
	}
	for _, flag := range []string{"DSSTATUS,00051", "INM1,1", "INM2,0", "INM3,1", "INM6,0", "INM8,1", "INM10,0", "PATID,_NV", "INA2,0", "INA3,0", "INA12,0", "INA15,0"} {
		b += string(rune(separator)) + r.seconds() + ",501" + p.Place + "," + flag
	}
	if r.extra != nil {
		for _, more := range r.extra(p.Place, r.at) {
			b += string(rune(separator)) + r.seconds() + ",501" + p.Place + "," + more
		}
	}
	return b
}
