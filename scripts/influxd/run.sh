#!/bin/sh
# Runs an InfluxDB server for tests on a free port with a fresh directory, sets
# MONITORME_TEST_INFLUX_URL and runs the command given, for example
#
#	scripts/influxd/run.sh go test ./cloud/series/influx
#
# The server and its data are gone when the command ends.
set -eu

influxd=$("$(dirname "$0")/build.sh")
dir=$(mktemp -d)
pid=
stop() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

"$influxd" --http-bind-address 127.0.0.1:0 --bolt-path "$dir/meta" --sqlite-path "$dir/sqlite" --engine-path "$dir/engine" \
	--reporting-disabled --log-level info >"$dir/log" 2>&1 &
pid=$!
port=
for _ in $(seq 300); do
	port=$(sed -n 's/.*Listening.*port[^0-9]*\([0-9][0-9]*\).*/\1/p' "$dir/log" | head -n 1)
	[ -z "$port" ] || break
	kill -0 "$pid" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
	sleep 0.1
done
[ -n "$port" ] || { echo "influxd did not say where it listens:" >&2; cat "$dir/log" >&2; exit 1; }

MONITORME_TEST_INFLUX_URL=http://127.0.0.1:$port "$@"
