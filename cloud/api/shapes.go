package api

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// History is what writeHistory writes, for the OpenAPI description; so are the
// types below.
type History struct {
	Bed      *registry.BedID     `json:"bed" nullable:"true"`
	Patient  *registry.PatientID `json:"patient" nullable:"true"`
	From     time.Time           `json:"from"`
	To       time.Time           `json:"to"`
	Patients []Stay              `json:"patients" doc:"Who lay where in the range."`
	Series   []Series            `json:"series"`
	Gaps     []Gap               `json:"gaps" doc:"Where nothing was monitored at all."`
}

// A Stay says who lay where, cut to the range.
type Stay struct {
	Patient registry.PatientID `json:"patient"`
	Bed     registry.BedID     `json:"bed"`
	From    time.Time          `json:"from"`
	To      time.Time          `json:"to"`
}

// A Series is one series of a history.
type Series struct {
	Box     protocol.BoxID    `json:"box"`
	Bed     registry.BedID    `json:"bed"`
	Device  protocol.DeviceID `json:"device"`
	Channel string            `json:"channel"`
	Code    protocol.Code     `json:"code"`
	RefID   string            `json:"ref_id"`
	Label   string            `json:"label"`
	Sign    protocol.Sign     `json:"sign"`
	Unit    string            `json:"unit"`
	Places  int               `json:"places"`
	Kind    string            `json:"kind" enum:"numeric,enumeration,event,unknown"`
	Points  []Point           `json:"points,omitempty" doc:"[milliseconds since 1970, value or null, quality]"`
	Buckets []Bucket          `json:"buckets,omitempty" doc:"Instead of points where there are more than max_points; those without readings are left out."`
	Texts   []TextPoint       `json:"texts,omitempty" doc:"Words of an enumeration, or events."`
	Gaps    []Gap             `json:"gaps"`
}

// A Point is [milliseconds since 1970, value or null, quality].
type Point struct{}

// Schema is that of a point.
func (Point) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, MinItems: new(3), MaxItems: new(3), Items: &huma.Schema{}}
}

// A Bucket summarises the readings of one stretch of time.
type Bucket struct {
	T     float64  `json:"t" doc:"Begin, milliseconds since 1970."`
	Min   *float64 `json:"min" nullable:"true"`
	Max   *float64 `json:"max" nullable:"true"`
	Mean  *float64 `json:"mean" nullable:"true"`
	Count int      `json:"count" doc:"Readings with a number."`
	Bad   int      `json:"bad" doc:"Readings without."`
}

// A TextPoint is a word of an enumeration, or an event.
type TextPoint struct {
	T     float64 `json:"t" doc:"Milliseconds since 1970."`
	Text  string  `json:"text"`
	Phase string  `json:"phase,omitempty" enum:"start,continue,end,once,unknown" doc:"Of an event."`
}

// A Gap is a stretch without numbers, and why.
type Gap struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason" enum:"sensor-off,invalid,calibrating,device-lost,box-offline,dropped,pending,not-monitored,unknown"`
	Detail string    `json:"detail"`
}

// streamed describes an answer that is written by hand.
func (s *Server) streamed(name string, doc any) *huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(doc), true, name)
	return &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
}
