package hl7

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// A call is what one Run heard: what it emitted, what it wrote, and whether it
// had emitted everything when it wrote.
type call struct {
	obs     []protocol.Observation
	wrote   []byte
	emitted []int // observations that were out at each Write
}

type tapped struct {
	drivers.Port
	c *call
}

func (p *tapped) Write(b []byte) (int, error) {
	p.c.wrote = append(p.c.wrote, b...)
	p.c.emitted = append(p.c.emitted, len(p.c.obs))
	return p.Port.Write(b)
}

// answered runs d at a line at which wire is heard, until the line is closed.
func answered(t *testing.T, d drivers.Driver, wire string) call {
	t.Helper()
	var c call
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		done := make(chan error, 1)
		go func() {
			done <- d.Run(t.Context(), &tapped{host, &c}, func(o protocol.Observation) { c.obs = append(c.obs, o) })
		}()
		go io.Copy(io.Discard, device)
		if _, err := device.Write([]byte(wire)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		device.Close()
		if err := <-done; !errors.Is(err, io.EOF) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return c
}

// at09 makes the clock of an answer that of the sheet: in the bubble it is 2000.
func at09(b []byte) string {
	return strings.ReplaceAll(string(b), "20000101000000", "20261120092801")
}

func TestWorkedAnswer(t *testing.T) {
	c := answered(t, Driver, string(drivertest.Load(t, "testdata/worked.hex")))
	if want := "\x0bMSH|^~\\&|AGT||MON||20261120092801||ACK^R01|1|P|2.6\rMSA|AA|7\r\x1c\r"; at09(c.wrote) != want {
		t.Errorf("answer\n got %q\nwant %q", at09(c.wrote), want)
	}
	if len(c.emitted) != 1 || c.emitted[0] != len(c.obs) || len(c.obs) != 2 {
		t.Errorf("answered when %v of %d observations were out", c.emitted, len(c.obs))
	}
}

// hasty is a sender that hangs up as soon as it has sent.
type hasty struct {
	wire  string
	wrote error
}

func (p *hasty) Read(b []byte) (n int, err error) {
	if n, p.wire = copy(b, p.wire), p.wire[min(len(b), len(p.wire)):]; n == 0 {
		err = io.EOF
	}
	return n, err
}
func (p *hasty) Write([]byte) (int, error)       { return 0, p.wrote }
func (p *hasty) SetReadDeadline(time.Time) error { return nil }

// The port says that the caller hung up, which is no loss of the monitor.
func TestASenderThatWaitsForNoAnswerIsRead(t *testing.T) {
	for wrote, want := range map[error]string{syscall.EPIPE: "EOF", syscall.ECONNRESET: "EOF", syscall.EIO: "acknowledge: input/output error"} {
		err := Driver.Run(t.Context(), &hasty{report("1", obx("72")), &os.SyscallError{Syscall: "write", Err: wrote}}, func(protocol.Observation) {})
		if !strings.HasPrefix(strings.Replace(err.Error(), "write: ", "", 1), want) {
			t.Errorf("%v: Run ended with %v, want %s", wrote, err, want)
		}
	}
}

// Every byte that Run can write is one of these.
var allowed = regexp.MustCompile(`^(?:\x0bMSH\|\^~\\&\|[^|\r]*\|[^|\r]*\|[^|\r]*\|[^|\r]*\|20000101000000\|\|ACK(?:\^[A-Z0-9]{3}(?:\^ACK)?)?\|[0-9]+\|[A-Z]?\|[0-9.]*` +
	`\rMSA\|(?:[AC][AER])\|[^|\r]*(?:\|(?:the header cannot be read|MSH-9, the type of the message, is missing|messages of this type are not taken here, only ORU))?\r\x1c\r)*$`)

func TestRunWritesAcknowledgementsOnly(t *testing.T) {
	header := func(kind, modes string) string {
		return "\x0bMSH|^~\\&|MON||||20261120092800||" + kind + "|55|P|2.3.1|||" + modes + "\r" + doe + obx("72") + "\x1c\r"
	}
	for wire, want := range map[string]string{
		header("ORU^R01", ""):                           "AA",
		header("ORU^R01", "NE|NE"):                      "",
		header("ORU^R01", "AL|NE"):                      "CA",
		header("ORU^R01", "NE|AL"):                      "AA",
		header("ORU^R01", "AL|AL"):                      "CA AA",
		header("ORU^R40^ORU_R40", ""):                   "AA",
		header("ADT^A01", ""):                           "AA",
		header("ACK^R01", ""):                           "",
		header("QRY^R02", ""):                           "AR",
		header("ORM^O01", "AL|AL"):                      "CR AR",
		header("", ""):                                  "AE",
		"\x0bMSH\x1c\r":                                 "",
		"\x0bMSH||\x1c\r":                               "AR",
		"\x0bMSH|^~\\&\x1c\r":                           "AE",
		"\x0bMSH|^~\\&|half":                            "",
		"\x0b\x1c\r\x06\x15noise ENQ\x05":               "",
		report("9", obx("72")) + report("9", obx("72")): "AA AA",
	} {
		c := answered(t, Driver, wire)
		if !allowed.Match(c.wrote) {
			t.Errorf("%q: wrote %q", wire, c.wrote)
		}
		var got []string
		for _, m := range regexp.MustCompile(`MSA\|(..)`).FindAllStringSubmatch(string(c.wrote), -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: answered %q, want %q", wire, got, want)
		}
		for _, n := range c.emitted {
			if n != len(c.obs) {
				t.Errorf("%q: answered before all was emitted", wire)
			}
		}
	}
}

// The monitor of a bed that calls anew for each message stays this bed's.
func TestABedIsRememberedFromCallToCall(t *testing.T) {
	var all []string
	d := Driver.Fresh()
	cuff := "OBX|1|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC||121|266016^MDC_DIM_MMHG^MDC|||||R|||20261120092755\r"
	for _, wire := range []string{of(group("W7^^B12", "1", "72") + cuff), of(group("W7^^B13", "2", "99")), of(group("W7^^B12", "1", "73") + cuff)} {
		for _, o := range answered(t, d, wire).obs {
			all = append(all, o.Value.String())
		}
	}
	if got := strings.Join(all, " "); got != " 72 121  73" { // model, values, event of another bed, a value
		t.Errorf("got %q", got)
	}
	// Another device of the same driver is another bed.
	if c := answered(t, Driver.Fresh(), of(group("W7^^B13", "2", "99"))); len(c.obs) != 2 || c.obs[1].Value != protocol.Int(99) {
		t.Errorf("got %+v", c.obs)
	}
}

// What speaks of a person: it must come out nowhere.
var private = []string{"12345", "Doe", "Jane", "Quentin", "Miller", "19580412", "58041", "Elm Street", "555-0101", "V998", "Dr Acula", "W7", "B12"}

const person = "PID|1|A12345|12345^^^GENHOSP^MR~99912345^^^X||Doe^Jane^Quentin^^^^L|Miller^Ann|19580412|F|Janey||1 Elm Street^^Town||555-0101|||||AC12345\r" +
	"NK1|1|Doe^John\rPV1||I|W7^R1^B12^GENHOSP||||77^Dr Acula|||||||||||V998\r"

func TestNothingPersonalLeavesTheDriver(t *testing.T) {
	leak := strings.Join([]string{
		person, obx("72"),
		"OBX|1|ST|184352^MDC_VENT_MODE^MDC||mode of Jane Doe||||||F\r",
		"OBX|2|ST|67880^MDC_ATTR_ID_MODEL^MDC||monitor of 12345||||||F\r",
		"OBX|3|ST|67972^MDC_ATTR_SYS_ID^MDC||12345||||||F\r",
		"OBX|4|NM|12345^Jane^99X||1||||||F\r", "OBX|5|NM|X^Jane^Doe||1||||||F\r",
		"OBX|6|NM|158888^MDC_X^MDC||5|Jane|||||F\r", "OBX|7|NM|147842^MDC_ECG_HEART_RATE^MDC||72|Doe|||||F\r",
		"OBX|8|NM|150344^MDC_TEMP^MDC|Jane|36.8|Cel|||||F\r", "OBX|9|NM|150344^MDC_TEMP^MDC|Doe|36.9|Cel|||||F\r",
		"OBX|10|ST|2301^MRN^99MNDRY||12345||||||F\r", "OBX|11|TX|8251-1^Note^LN||Jane Doe of Elm Street, born 19580412||||||F\r",
		"NTE|1||Jane Doe\r",
	}, "")
	alarms := "OBR|1|||196616^MDC_EVT_ALARM^MDC\rOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|W7 B12 Jane Doe: SpO2 low|||PM~SP|||F\r" +
		"OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|12345^Alarm of Miller^X|||PM~SP|||F\r"
	var wire string
	for _, from := range []string{"MON", "Monitor of Jane Doe"} {
		for _, s := range []string{leak, alarms} {
			kind := "ORU^R01"
			if s == alarms {
				kind, s = "ORU^R40", person+s
			}
			wire += "\x0bMSH|^~\\&|" + from + "^12345^EUI-64||AGT||20261120092800||" + kind + "|7|P|2.6\r" + s + "\x1c\r"
			wire += "\x0bMSH|^~\\&|" + from + "|||||20261120092800||QRY^" + "R02|8|P|2.6\r" + s + "\x1c\r"
		}
	}
	wire += of("PID|||777\rPV1||I|W8\r" + obx("99")) // another bed
	wire += of("PID|||P88Z\rPV1||I|W7^R1^B12^GENHOSP\r" + obx("73"))
	c := answered(t, Driver, wire)
	values := 0
	for _, o := range c.obs {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind == protocol.KindNumeric {
			values++
		}
		for _, p := range append(private, "777", "P88Z", "W8") {
			if bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(p))) {
				t.Errorf("%q in %s", p, b)
			}
		}
	}
	if values < 4 {
		t.Errorf("only %d values came out", values)
	}
	for _, p := range []string{"12345^", "A12345", "Doe^", "Jane^", "1958", "Elm", "W7", "B12", "PID", "777"} {
		if answers := strings.ReplaceAll(string(c.wrote), "^12345^EUI-64", ""); strings.Contains(answers, p) {
			t.Errorf("%q in the answers %q", p, answers)
		}
	}
}

func TestNamesWithoutSpacesAroundThemDoNotLeave(t *testing.T) {
	for _, name := range []string{"张伟^^", "张^伟", "x^欧阳"} {
		wire := strings.NewReplacer("Doe^Jane^Q", name, "|P|2.6\r", "|P|2.6||||||UNICODE UTF-8\r").Replace(report("", "OBX|1|ST|184352^MDC_VENT_MODE^MDC||患者张伟欧阳通气||||||F\r"))
		expect(t, name, told(Driver, wire), "Mode missing")
	}
}

// Without answers the simulated monitor sends the same message again, and
// nothing else.
func TestTheSimulatedMonitorWaitsForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Device{NoWaves: true}.Simulate(ctx, device, drivertest.NewPatient()) }()
		var heard bytes.Buffer
		go io.Copy(&heard, host)
		time.Sleep(35*time.Second + time.Millisecond)
		synctest.Wait()
		if n, same := strings.Count(heard.String(), "\x0b"), strings.Count(heard.String(), "ORU_R01|1|P"); n != 4 || same != 4 {
			t.Errorf("%d messages, %d of them the first", n, same)
		}
		stop()
		<-done
		host.Close()
	})
}

func TestAlarmsOfTheSimulatedMonitorBeginAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		p := drivertest.NewPatient()
		var phases []string
		go func() { done <- Driver.Simulate(ctx, device, p) }()
		go func() {
			done <- Driver.Run(ctx, host, func(o protocol.Observation) {
				if o.Code == protocol.EventHigh && o.Event.Source == protocol.HeartRate && o.Event.Priority == protocol.PriorityHigh {
					phases = append(phases, o.Event.Phase.String())
				}
			})
		}()
		for _, rate := range []float64{72, 170, 72} {
			p.Set(protocol.HeartRate, rate)
			time.Sleep(12500 * time.Millisecond)
		}
		stop()
		<-done
		<-done
		expect(t, "alarm", phases, "start", "continue", "end")
	})
}

func TestStoredMessagesAreAsOldAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		done := make(chan error, 1)
		d := Driver.Fresh()
		var delays []time.Duration
		go func() {
			done <- d.Run(t.Context(), host, func(o protocol.Observation) {
				if o.Code == protocol.HeartRate {
					delays = append(delays, o.Delay)
				}
			})
		}()
		go io.Copy(io.Discard, device)
		send := func(clock string) { device.Write([]byte(at(clock, obx("72")))) }
		send("20261120092800")
		time.Sleep(10 * time.Minute)
		device.Write([]byte(strings.NewReplacer("20261120092800", "20261120094500", "W7^^B12", "W8").Replace(report("", obx("99"))))) // another monitor's clock
		send("20261120092801")                                                                                                        // stored
		send("20261120093300")
		send("20261120093800")
		synctest.Wait()
		device.Close()
		<-done
		want := []time.Duration{0, 599 * time.Second, 5 * time.Minute, 0}
		if !slices.Equal(delays, want) {
			t.Errorf("delays %v, want %v", delays, want)
		}
	})
}

// Messages that are built to be slow: each was seen to take minutes, or to give
// a million observations.
func TestHostileMessagesAreBounded(t *testing.T) {
	const text = "OBX||NM|158888^^MDC||5|Xyz\r"
	for name, c := range map[string]struct {
		wire string
		most int
	}{
		"long names": {of("PID|||11"+strings.Repeat("~"+strings.Repeat("q", 2000), 200)+"\r", strings.Repeat(text, 20000)), 20002},
		"many names": {of("PID|||11|||"+strings.Repeat("ab&cd^", 50000)+"\r", strings.Repeat(text, 20000)), 20002},
		"slow wave":  {of("OBX||NA|150452^^MDC||" + strings.Repeat("^", 500000) + "\rOBX||NM|0^MDC_ATTR_SAMP_RATE^MDC||0.001\r"), 3},
		"patients":   {of(strings.Repeat("PID|||1\rOBX\r", 50000)), 3},
		"escapes":    {of("OBX||ST|184352^MDC_VENT_MODE^MDC||" + strings.Repeat(`\X\`, 300000) + "\r"), 3},
	} {
		n := 0
		start := time.Now()
		Driver.NewDecoder().Decode([]byte(c.wire), func(protocol.Observation) { n++ })
		if took := time.Since(start); n > c.most || took > time.Minute {
			t.Errorf("%s: %d observations in %v", name, n, took)
		}
	}
}
