package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"monitorme/cloud/alert"
	"monitorme/cloud/registry"
)

// A Problem is an error answer by RFC 9457. Its Detail says what to do.
type Problem struct {
	Title    string       `json:"title" example:"Unprocessable Entity" doc:"The kind of problem, the same for each occurrence."`
	Status   int          `json:"status" example:"422" doc:"HTTP status."`
	Detail   string       `json:"detail" example:"from lies after to: exchange them." doc:"What is wrong here and what to do about it."`
	Instance string       `json:"instance,omitempty" example:"urn:request:5QK3Z7M2" doc:"This request, as in the service's log and the audit log."`
	Errors   []FieldError `json:"errors,omitempty" doc:"What is wrong with single fields."`

	headers http.Header
}

// A FieldError is what is wrong with one field of a request.
type FieldError struct {
	Location string `json:"location" example:"query.max_points" doc:"Where: path, query or body, then the field."`
	Message  string `json:"message" example:"expected number <= 20000" doc:"What is expected there."`
}

func (p *Problem) Error() string  { return p.Detail }
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders gives the headers that go with it.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType is application/problem+json.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// Huma makes its own errors through these variables. They are set once, here,
// because they are shared by all of the process.
func init() {
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := newProblem(status, msg, errs...)
		if ctx != nil {
			p.Instance = instance(ctx.Context())
		}
		return p
	}
	huma.DefaultArrayNullable = false // our lists are never null, but for Latest.alerts
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return newProblem(status, msg, errs...) }
}

// newProblem never repeats a value that was sent: it may be a password or a
// name. Details of what failed inside stay inside.
func newProblem(status int, msg string, errs ...error) *Problem {
	p := &Problem{Title: http.StatusText(status), Status: status, Detail: msg}
	switch {
	case status >= 500 && status != http.StatusServiceUnavailable:
		p.Detail = "The service could not do this. Try again; if it stays so, give the request's id to whoever runs the service."
		return p
	case msg == "validation failed":
		p.Detail = "Correct what errors lists, and send the request again."
	case status == http.StatusRequestEntityTooLarge:
		p.Detail = "The request's body is too large. Send less than 64 KiB."
	case status == http.StatusUnsupportedMediaType:
		p.Detail = "Send the body as application/json."
	case msg == "request body is required":
		p.Detail = "The request needs a JSON body, as /docs describes."
	}
	for _, err := range errs {
		if err == nil {
			continue
		}
		f := FieldError{Message: err.Error()}
		if d, ok := err.(huma.ErrorDetailer); ok {
			f = FieldError{Location: d.ErrorDetail().Location, Message: d.ErrorDetail().Message}
		}
		p.Errors = append(p.Errors, f)
	}
	return p
}

func problemf(status int, format string, args ...any) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// answer turns an error of a module into a problem, and logs what is not the
// caller's doing.
func (s *Server) answer(ctx context.Context, err error) error {
	var p *Problem
	detail := sentence(registry.Detail(err))
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
	case errors.Is(err, alert.ErrNotFound):
		p = problemf(http.StatusNotFound, "There is no such alarm. GET /api/v1/alerts lists them.")
	case errors.Is(err, registry.ErrNotFound):
		p = problemf(http.StatusNotFound, "%s", detail)
	case errors.Is(err, registry.ErrConflict):
		p = problemf(http.StatusConflict, "%s", detail)
	case errors.Is(err, registry.ErrInvalid):
		p = problemf(http.StatusUnprocessableEntity, "%s", detail)
	case errors.Is(err, registry.ErrDenied):
		p = problemf(http.StatusForbidden, "%s", detail)
	case ctx.Err() != nil:
		p = problemf(http.StatusServiceUnavailable, "The request was given up before it was answered. Send it again.")
	default:
		s.log.Error("request failed", "request", requestID(ctx), "err", err)
		p = newProblem(http.StatusInternalServerError, "")
	}
	p.Instance = instance(ctx)
	return p
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// writeProblem answers outside of huma.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.Instance = instance(r.Context())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Del("Content-Length")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

func instance(ctx context.Context) string {
	if id := requestID(ctx); id != "" {
		return "urn:request:" + id
	}
	return ""
}
