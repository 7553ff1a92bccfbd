package service

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"monitorme/cloud/pki"
	"monitorme/cloud/registry"
	"monitorme/protocol"
)

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// demoConfig prepares a demonstration in a fresh directory.
func demoConfig(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	d := Demo{DataDir: filepath.Join(dir, "cloud"), BoxesDir: filepath.Join(dir, "boxes"), ConfigFile: filepath.Join(dir, "cloud.yaml"),
		Unit: "ward-1", Beds: 2, HTTP: freeAddress(t), MQTT: freeAddress(t)}
	if err := PrepareDemo(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(d.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// run runs the modules that cfg names until the test ends.
func run(t *testing.T, cfg Config) *Service {
	t.Helper()
	s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler), "test")
	if err != nil {
		t.Fatalf("%v: %v", cfg.Target, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v: Run = %v", cfg.Target, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%v: Close = %v", cfg.Target, err)
		}
	})
	return s
}

func within(t *testing.T, what string, ask func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// ready asks a process whether it is ready.
func ready(address string) error {
	resp, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	return nil
}

// A nurse is a browser that is signed in.
type nurse struct {
	t      *testing.T
	url    string
	client *http.Client
}

func signIn(t *testing.T, address string) *nurse {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := &nurse{t, "http://" + address, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	within(t, "sign in", func() error {
		resp, err := n.client.Post(n.url+"/api/v1/session", "application/json", strings.NewReader(`{"user":"nurse","password":"demo"}`))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNoContent {
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
		return nil
	})
	return n
}

func (n *nurse) get(path string) (string, error) {
	resp, err := n.client.Get(n.url + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// sees waits until the answer to path holds all of want.
func (n *nurse) sees(path string, want ...string) {
	n.t.Helper()
	within(n.t, path, func() error {
		body, err := n.get(path)
		if err != nil {
			return err
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				return fmt.Errorf("no %s in %s", w, body)
			}
		}
		return nil
	})
}

// box-01 publishes n heart rates of 150/min, one each 100 ms up to now, and gives
// the channel of its acknowledgements.
func publish(t *testing.T, cfg Config, n int) <-chan protocol.Ack {
	t.Helper()
	ca, err := pki.Open(filepath.Join(cfg.DataDir, "pki"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := ca.Issue("box-01", pki.RoleBox)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(id.CertPEM, id.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	acks := make(chan protocol.Ack, 100)
	client := paho.NewClient(paho.NewClientOptions().AddBroker("tls://" + cfg.Broker.Listen).SetClientID("box-01").SetProtocolVersion(4).
		SetTLSConfig(&tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{pair}}).SetAutoReconnect(false))
	within(t, "connect", func() error {
		token := client.Connect()
		token.WaitTimeout(10 * time.Second)
		return token.Error()
	})
	t.Cleanup(func() { client.Disconnect(0) })
	token := client.Subscribe(protocol.Topic("ward-1", "box-01", protocol.LaneAck), 1, func(_ paho.Client, m paho.Message) {
		if a, err := protocol.DecodeAck(m.Payload()); err == nil {
			acks <- *a
		}
	})
	if !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal("subscribe: ", token.Error())
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	state, err := protocol.AppendState(nil, &protocol.BoxState{Box: "box-01", Online: true, Session: 1, Boot: 1, Epoch: 7, Sent: now, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	b := protocol.Batch{Box: "box-01", Epoch: 7, Stream: protocol.StreamNumeric, FirstSeq: 1, Base: now, Clock: protocol.ClockSynced, Sent: now}
	for i := range n {
		b.Observations = append(b.Observations, protocol.Observation{Device: "monitor", Code: protocol.HeartRate, Unit: "/min", Kind: protocol.KindNumeric,
			Quality: protocol.QualityGood, Value: protocol.Int(150), At: now.Add(time.Duration(i+1-n) * 100 * time.Millisecond), Clock: protocol.ClockSynced})
	}
	payload, err := protocol.AppendBatch(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	// Published again until the ingest is there: nothing may hang on one message.
	send := func() {
		client.Publish(protocol.Topic("ward-1", "box-01", protocol.LaneState), 1, true, state).WaitTimeout(5 * time.Second)
		client.Publish(protocol.Topic("ward-1", "box-01", protocol.LaneLive), 1, false, payload).WaitTimeout(5 * time.Second)
	}
	send()
	out := make(chan protocol.Ack, 1)
	go func() {
		for range 30 {
			select {
			case a := <-acks:
				out <- a
				return
			case <-time.After(time.Second):
				send()
			}
		}
		close(out)
	}()
	return out
}

func checkWholeWay(t *testing.T, cfg Config) {
	t.Helper()
	n := signIn(t, cfg.HTTP.Listen)
	ack, ok := <-publish(t, cfg, 80)
	if !ok {
		t.Fatal("no acknowledgement")
	}
	if want := (protocol.Committed{Stream: protocol.StreamNumeric, Range: protocol.Range{First: 1, Last: 80}}); ack.Epoch != 7 || !slices.Equal(ack.Committed, []protocol.Committed{want}) {
		t.Errorf("ack = %+v", ack)
	}
	n.sees("/api/v1/beds/ward-1-bed-01/latest", `"value":150`, `"box_online":true`)
	n.sees("/api/v1/alerts?unit=ward-1&state=active", `HR high`)
	from := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	body, err := n.get("/api/v1/beds/ward-1-bed-01/history?sign=heart-rate&from=" + from)
	var h struct{ Series []struct{ Points [][3]any } }
	if err = errors.Join(err, json.Unmarshal([]byte(body), &h)); err != nil {
		t.Fatal(err)
	}
	if len(h.Series) != 1 || len(h.Series[0].Points) != 80 {
		t.Errorf("history: %s", body)
	}
}

func TestOneProcessDoesEverything(t *testing.T) {
	cfg := demoConfig(t)
	s := run(t, cfg)
	within(t, "ready", func() error { return ready(s.Address("http")) })
	checkWholeWay(t, cfg)
}

func TestEachModuleRunsAloneAndAllTogetherDoEverything(t *testing.T) {
	base := demoConfig(t)
	internal := map[string]string{}
	for _, m := range Modules {
		internal[m] = freeAddress(t)
	}
	base.Peers.Registry, base.Peers.Series = "http://"+internal["registry"], "http://"+internal["series"]
	base.Peers.Alert, base.Peers.Ingest = "http://"+internal["alert"], "http://"+internal["ingest"]
	base.MQTT.Broker = "tls://" + base.Broker.Listen
	base.MQTT.ClientID = "ingest"
	for _, m := range Modules {
		cfg := base
		cfg.Target = []string{m}
		cfg.Internal.Listen = internal[m]
		s := run(t, cfg)
		within(t, m+" answers its health check", func() error {
			resp, err := http.Get("http://" + s.Address("internal") + "/healthz")
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return errors.New(resp.Status)
			}
			return nil
		})
	}
	for _, m := range Modules {
		within(t, m+" ready", func() error { return ready(internal[m]) })
	}
	checkWholeWay(t, base)
}

func TestAModuleOfAnotherInstallationIsRefused(t *testing.T) {
	cfg := demoConfig(t)
	cfg.Target, cfg.Internal.Listen = []string{"registry"}, freeAddress(t)
	s := run(t, cfg)
	within(t, "registry", func() error { return ready(s.Address("internal")) })
	resp, err := http.Get("http://" + s.Address("internal") + "/internal/v1/registry/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d without the token, want 401", resp.StatusCode)
	}
}

func TestAlarmsAndScreensWorkWithoutTheStore(t *testing.T) {
	cfg := demoConfig(t)
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "series"), []byte("a file where the directory should be"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := run(t, cfg)
	within(t, "alive", func() error {
		resp, err := http.Get("http://" + s.Address("http") + "/healthz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "degraded") {
			return fmt.Errorf("the broken store is not told: %s", body)
		}
		return nil
	})
	if err := ready(s.Address("http")); err == nil {
		t.Error("ready although the store is not open")
	}
	n := signIn(t, cfg.HTTP.Listen)
	acks := publish(t, cfg, 80)
	n.sees("/api/v1/beds/ward-1-bed-01/latest", `"value":150`)
	n.sees("/api/v1/alerts?unit=ward-1&state=active", `HR high`)
	select {
	case a := <-acks:
		t.Errorf("acknowledged %+v, which is stored nowhere", a)
	default:
	}
}

func TestABusyPortIsNamedBeforeAnythingStarts(t *testing.T) {
	cfg := demoConfig(t)
	l, err := net.Listen("tcp", cfg.HTTP.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = New(t.Context(), cfg, slog.New(slog.DiscardHandler), "test")
	if err == nil || !strings.Contains(err.Error(), cfg.HTTP.Listen) || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("New = %v, want the address and the key that changes it", err)
	}
}

func TestAPartThatPanicsIsStartedAgain(t *testing.T) {
	calls := make(chan int, 10)
	n := 0
	p := &part{name: "test", run: func(ctx context.Context) error {
		n++
		calls <- n
		if n == 1 {
			panic("a bug of ours")
		}
		return idle(ctx)
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.keep(ctx, slog.New(slog.DiscardHandler)) }()
	<-calls
	within(t, "its failure is told", func() error {
		if err := p.health(); err == nil || !strings.Contains(err.Error(), "a bug of ours") {
			return fmt.Errorf("health = %v", err)
		}
		return nil
	})
	if again := <-calls; again != 2 {
		t.Errorf("run %d", again)
	}
	within(t, "it is well again", p.health)
	cancel()
	<-done
}

func TestAConfigurationSaysWhatIsWrongAndWhere(t *testing.T) {
	for text, want := range map[string][]string{
		"http:\n  lisen: 127.0.0.1:1\n":                            {"lisen", "[2:3]"},
		"target: [all\n":                                           {"[1:"},
		"target: [ingester]\n":                                     {"target", "ingester", "registry, series"},
		"series: {store: prometheus}\n":                            {"series.store", "prometheus", "embedded or influxdb"},
		"log: {level: loud}\n":                                     {"log.level", "loud"},
		"http: {listen: nowhere}\n":                                {"http.listen", "nowhere"},
		"broker: {max_clients: 0}\n":                               {"broker.max_clients"},
		"target: [api]\npeers: {series: 'http://far.example:1'}\n": {"peers.series", "https://"},
	} {
		path := filepath.Join(t.TempDir(), "cloud.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path)
		if err == nil {
			err = cfg.Validate()
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("configuration %q: error %v, want it to say %q", text, err, w)
			}
		}
	}
}

func TestADemonstrationIsForLoopbackOnly(t *testing.T) {
	err := PrepareDemo(t.Context(), Demo{DataDir: t.TempDir(), BoxesDir: t.TempDir(), ConfigFile: filepath.Join(t.TempDir(), "c"), Unit: "ward-1", Beds: 1, HTTP: "0.0.0.0:8080", MQTT: "127.0.0.1:8883"})
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("PrepareDemo = %v", err)
	}
}

func TestTheDataOfADemonstrationIsNotServedAsARealSite(t *testing.T) {
	cfg := demoConfig(t)
	cfg.Demo = false
	_, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler), "test")
	if err == nil || !strings.Contains(err.Error(), "public password") {
		t.Errorf("New = %v", err)
	}
	cfg.Demo, cfg.HTTP.Listen = true, "0.0.0.0:0"
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("Validate = %v", err)
	}
}

func TestOnlyKnownBoxesMayConnect(t *testing.T) {
	cfg := demoConfig(t)
	s := run(t, cfg)
	if err := s.authorise(string(registry.DemoBox(1)), "any"); err != nil {
		t.Errorf("a registered box: %v", err)
	}
	if err := s.authorise("box-99", "any"); err == nil {
		t.Error("a box that nobody registered may connect")
	}
}

func TestTheSampleConfigurationIsValid(t *testing.T) {
	paths, err := filepath.Glob("../../systemd/cloud*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sample configuration in systemd: %v", err)
	}
	for _, path := range paths {
		cfg, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestEveryModuleHasAPortOfItsOwn(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(defaultPorts)), slices.Sorted(slices.Values(Modules)); !slices.Equal(got, want) {
		t.Errorf("default ports of %v, want of %v", got, want)
	}
}
