package agent

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"monitorme/protocol"
)

// cloud is a broker with a store behind it that acknowledges everything.
type cloud struct {
	t      *testing.T
	addr   string
	server *mqtt.Server

	mu     sync.Mutex
	got    map[string]int // observations by "stream/seq"
	values []string
	state  protocol.BoxState
}

// open lets everybody in.
type open struct{ mqtt.HookBase }

func (open) Provides(b byte) bool { return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck }

func (open) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

func (open) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, got: map[string]int{}, server: mqtt.New(&mqtt.Options{InlineClient: true, Logger: quiet})}
	l := listeners.NewTCP(listeners.Config{ID: "t", Address: "127.0.0.1:0"})
	for _, err := range []error{c.server.AddHook(new(open), nil), c.server.AddListener(l), c.server.Serve(),
		c.server.Subscribe(protocol.TopicRoot+"/#", 1, c.take)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.addr = "tcp://" + l.Address()
	t.Cleanup(func() { c.server.Close() })
	return c
}

func (c *cloud) take(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) {
	unit, box, lane, err := protocol.ParseTopic(p.TopicName)
	if err != nil {
		c.t.Error(err)
		return
	}
	switch lane {
	case protocol.LaneAck:
		return
	case protocol.LaneState:
		s, err := protocol.DecodeState(p.Payload)
		if err != nil {
			c.t.Error(err)
			return
		}
		c.mu.Lock()
		c.state = *s
		c.mu.Unlock()
		return
	}
	b, err := protocol.DecodeBatch(p.Payload)
	if err != nil {
		c.t.Error(err)
		return
	}
	c.mu.Lock()
	for i, o := range b.Observations {
		c.got[fmt.Sprint(b.Stream, "/", b.FirstSeq+uint64(i))]++
		if o.Code == protocol.PulseRate {
			c.values = append(c.values, o.Value.String())
		}
	}
	c.mu.Unlock()
	ack, err := protocol.AppendAck(nil, &protocol.Ack{Epoch: b.Epoch, Committed: []protocol.Committed{
		{Stream: b.Stream, Range: protocol.Range{First: b.FirstSeq, Last: b.LastSeq()}}}})
	if err != nil {
		c.t.Error(err)
		return
	}
	go c.server.Publish(protocol.Topic(unit, box, protocol.LaneAck), ack, false, 1)
}

func (c *cloud) boxState() protocol.BoxState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func TestReadingsReachTheCloudAndLeaveTheQueue(t *testing.T) {
	dir := t.TempDir()
	tt := newTerminal(t, filepath.Join(dir, "ttyUSB0"))
	c := newCloud(t)
	cfg := boxConfig(dir, tt.link)
	cfg.Uplink.Broker = c.addr
	b, stop := running(t, cfg)
	eventually(t, "opened", func() bool { return b.devices[0].opens() == 1 })
	var say strings.Builder
	const n = 100
	for i := range n {
		fmt.Fprintln(&say, i)
	}
	tt.say(say.String())
	eventually(t, "all in the cloud", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.values) >= n
	})
	eventually(t, "all acknowledged", func() bool { return b.queueState().Entries == 0 })
	eventually(t, "the cloud sees the device", func() bool {
		s := c.boxState()
		return s.Online && len(s.Devices) == 1 && s.Devices[0].Status == protocol.DeviceReceiving
	})
	tt.unplug()
	eventually(t, "the cloud hears of the loss", func() bool {
		s := c.boxState()
		return len(s.Devices) == 1 && s.Devices[0].Status == protocol.DeviceFailed && strings.Contains(s.Devices[0].Problem, "plug it in")
	})
	if up := b.status().Uplink; !up.Connected || !strings.Contains(up.Text, "confirmed readings") {
		t.Errorf("%+v", up)
	}
	if late := b.checks.Late(); len(late) != 0 {
		t.Errorf("late: %v", late)
	}
	stop()
	if s := c.boxState(); s.Online || !s.Leaving {
		t.Errorf("a box that was stopped says %+v", s)
	}
}
