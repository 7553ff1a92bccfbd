package main

import (
	"path/filepath"
	"testing"
)

// config is a box that cannot reach its cloud, with a device that is not there
// and one that is switched off.
func config(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	return write(t, "edge.yaml", `box: bed-07
unit: icu
devices:
  - {id: oximeter, driver: bytewise, port: /dev/tty-that-is-not-there}
  - {id: spare, driver: bytewise, port: usb-spare, enabled: false}
queue: {dir: `+filepath.Join(dir, "queue")+`, min_free_bytes: 1048576}
health: {listen: ""}
`)
}
