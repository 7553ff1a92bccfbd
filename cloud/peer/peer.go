// Package peer is how modules of the cloud talk to each other when they run as
// separate processes: an HTTP client with a deadline, retries with jitter and
// a circuit breaker for each module it calls, and the check of the shared
// token on the other side. In one process nothing of this is used.
package peer

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
)

// Limits of a call.
const (
	callTimeout    = 10 * time.Second // all attempts together, unless the request's context ends first
	attemptTimeout = 5 * time.Second  // until the headers of one attempt
	minBackoff     = 100 * time.Millisecond
	maxBackoff     = 30 * time.Second
	maxRetries     = 6
	breakAfter     = 5                // failures in a row
	breakFor       = 30 * time.Second // then one trial
)

// Config says where the other modules are. All of it is empty in one process.
type Config struct {
	// TokenFile holds the secret that all modules of an installation share.
	TokenFile string `yaml:"token_file"`
	// CAFile is trusted for https addresses besides the system's authorities.
	CAFile string `yaml:"ca_file"`
}

// Token reads the shared secret, or gives "" if none is configured.
func (c Config) Token() (string, error) {
	if c.TokenFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read peers.token_file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < 32 {
		return "", fmt.Errorf("peers.token_file %s: %d characters, want at least 32 (make one with: head -c 32 /dev/urandom | base64)", c.TokenFile, len(token))
	}
	return token, nil
}

// CheckAddress checks the address of a module: https, or http on loopback.
func CheckAddress(key, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%s: %q is not an address, want https://host:port", key, address)
	}
	host := u.Hostname()
	loopback := host == "localhost" || host == "127.0.0.1" || host == "::1"
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return fmt.Errorf("%s: %q is not allowed, want https:// (http:// only on loopback)", key, address)
	}
	return nil
}

// A Client calls one module. It is safe for concurrent use.
type Client struct {
	name, token string
	retry       *retryablehttp.Client
	plain       *http.Client
	breaker     *gobreaker.CircuitBreaker[*http.Response]
	calls       *prometheus.CounterVec
}

// NewClient makes the client for the module called name. It connects when it
// is first used.
func NewClient(name string, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	token, err := cfg.Token()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	transport.ResponseHeaderTimeout = attemptTimeout
	if cfg.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read peers.ca_file: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("peers.ca_file %s holds no certificate", cfg.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	retry := retryablehttp.NewClient()
	retry.HTTPClient = &http.Client{Transport: transport}
	retry.Logger = nil // it would print URLs
	retry.RetryMax, retry.RetryWaitMin, retry.RetryWaitMax = maxRetries, minBackoff, maxBackoff
	retry.Backoff = backoff
	retry.ErrorHandler = retryablehttp.PassthroughErrorHandler

	log = log.With("peer", name)
	c := &Client{name: name, token: token, retry: retry,
		plain: &http.Client{Transport: transport},
		breaker: gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
			Name: name, MaxRequests: 1, Timeout: breakFor,
			ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakAfter },
			OnStateChange: func(_ string, from, to gobreaker.State) {
				log.Warn("circuit breaker changed", "from", from.String(), "to", to.String())
			},
			IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, context.Canceled) },
		})}
	c.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name:        "monitorme_cloud_peer_calls_total",
		Help:        "Calls from module to module, by outcome.",
		ConstLabels: prometheus.Labels{"peer": name},
	}, []string{"outcome"})
	if err := reg.Register(c.calls); err != nil {
		return nil, fmt.Errorf("register metrics of peer %s: %w", name, err)
	}
	return c, nil
}

// backoff doubles from minBackoff with full jitter, and obeys Retry-After up
// to maxBackoff.
func backoff(lo, hi time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable) {
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
			return min(time.Duration(s)*time.Second, hi)
		}
	}
	d := min(lo<<min(attempt, 16), hi)
	return d/2 + rand.N(d/2+1)
}

// errStatus makes an answer of the module count as its failure for the breaker.
var errStatus = errors.New("module failed")

// Do calls the module with retries. Every request must be safe to repeat,
// which those of MonitorMe's modules are: they are reads, or writes that are
// idempotent by their content. The body must be replayable (GetBody set, as
// http.NewRequest does for bytes and strings).
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), callTimeout)
	r, err := retryablehttp.FromRequest(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("call module %s: %w", c.name, err)
	}
	c.authorise(r.Request)
	resp, err := c.breaker.Execute(func() (*http.Response, error) {
		resp, err := c.retry.Do(r)
		if err == nil && resp.StatusCode >= 500 {
			return resp, errStatus
		}
		return resp, err
	})
	switch {
	case errors.Is(err, errStatus):
		c.calls.WithLabelValues("status").Inc()
	case err != nil:
		cancel()
		c.calls.WithLabelValues("error").Inc()
		if resp != nil {
			resp.Body.Close()
		}
		return nil, fmt.Errorf("call module %s: %w", c.name, err)
	default:
		c.calls.WithLabelValues("ok").Inc()
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, nil
}

// Stream opens a response that goes on until the request's context ends: no
// retry, no deadline.
func (c *Client) Stream(req *http.Request) (*http.Response, error) {
	c.authorise(req)
	resp, err := c.plain.Do(req)
	if err != nil {
		return nil, fmt.Errorf("stream from module %s: %w", c.name, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("stream from module %s: status %s", c.name, resp.Status)
	}
	return resp, nil
}

func (c *Client) authorise(r *http.Request) {
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
}

type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// RequireToken lets only callers through that know the token.
func RequireToken(token string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "this address is for MonitorMe's own modules: the shared token is missing or wrong (see peers.token_file)", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
