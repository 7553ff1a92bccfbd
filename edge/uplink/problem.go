package uplink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

var (
	errAckRefused = errors.New("the broker refuses the subscription to the acknowledgements of this box")
	errSilent     = errors.New("the broker does not answer")
	errKicked     = errors.New("the broker closes each connection soon after it is made")
)

// explain says what is wrong in words for the person at the box, with what to
// do about it. It gives the same words for the same trouble.
func explain(err error, broker string) string {
	var (
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		alert    tls.AlertError
		dns      *net.DNSError
		timeout  net.Error
		explains string
	)
	switch {
	case errors.Is(err, errAckRefused):
		explains = errAckRefused.Error() + ": check unit and box against its certificate and the broker's rules"
	case errors.Is(err, errKicked):
		explains = errKicked.Error() + ": another box uses this name, or this one may not publish in its unit"
	case errors.As(err, &unknown):
		explains = "the broker's certificate is not signed by a known authority: check ca_file"
	case errors.As(err, &host):
		explains = "the broker's certificate is for another name: " + host.Error()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		explains = "the broker's certificate is expired or not yet valid: check the clock of this box, then the broker"
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls"):
		explains = "the broker refuses this box's certificate: " + tlsAlert(err)
	case strings.Contains(err.Error(), "client certificate"), strings.Contains(err.Error(), "ca_file"):
		explains = err.Error()
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		explains = "the broker does not speak MQTT 3.1.1"
	case errors.Is(err, packets.ErrorRefusedIDRejected), errors.Is(err, packets.ErrorRefusedNotAuthorised), errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword):
		explains = "the broker refuses this box (" + err.Error() + "): check its certificate and that the cloud knows it"
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		explains = "the broker is not available"
	case errors.As(err, &dns):
		explains = fmt.Sprintf("the name %s cannot be resolved: check the network and the name", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		explains = "nobody listens at " + broker
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		explains = "there is no network to " + broker
	case errors.Is(err, errSilent), errors.As(err, &timeout) && timeout.Timeout():
		explains = "the broker at " + broker + " does not answer"
	default:
		explains = "connection to " + broker + ": " + err.Error()
	}
	return explains
}

func tlsAlert(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, "tls: "); i >= 0 {
		return s[i+len("tls: "):]
	}
	return s
}
