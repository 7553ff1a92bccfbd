package uplink

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 5 * time.Second  // of each write, pings included
	peerTimeout  = 15 * time.Second // sent bytes may stay unacknowledged by the peer's TCP
)

// dial connects, and shakes hands if cfg is given.
func dial(ctx context.Context, u *url.URL, cfg *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(peerTimeout.Milliseconds()))
		}); cerr != nil {
			return cerr
		}
		return err
	}}
	raw, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if cfg == nil {
		return &conn{Conn: raw}, nil
	}
	c := tls.Client(raw, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("tls handshake: %w", err)
	}
	return &conn{Conn: c}, nil
}

// A conn gives each write a deadline: the client writes pings and
// acknowledgements without one and would wait behind a dead link for ever.
type conn struct{ net.Conn }

func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
