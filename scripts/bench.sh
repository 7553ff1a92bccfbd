#!/usr/bin/env bash
# bench.sh: prints the figures of docs/PERFORMANCE.md, one group after another.
# It takes about eight minutes; let the machine do nothing else meanwhile.
set -eu
cd "$(dirname "$0")/.."

group() { printf '\n== %s\n' "$1"; shift; "$@" | grep -E '^(Benchmark|---|FAIL|ok|    [a-z_]+\.go)' ; }

echo "machine: $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(go version)"
group 'from the wire to the screen, 20 beds with waveforms' go test -run xxx -bench 'WireToScreen/20' -benchtime 1x -count "${COUNT:-3}" .
group 'the same, 500 beds at kata rates' go test -run xxx -bench 'WireToScreen/500' -benchtime 1x -timeout 20m .
group 'ingest with alarms, to the commit' go test -run xxx -bench Ingest -benchtime 500000x ./cloud/service
group 'the edge with a full bed' go test -run xxx -bench 'Edge' -benchtime 1x .
group 'a silent device at the edge' go test -run xxx -bench Idle -benchtime 1x ./edge/agent
group 'from the plug to the first value' go test -run xxx -bench Plugged -benchtime 20x ./edge/agent
group 'what the edge writes for a byte of readings' env GOMEMLIMIT=32MiB go test -run xxx -bench Amplification -benchtime 7200x ./edge/queue
group 'history of a day through the API' go test -run xxx -bench History -benchtime 20x -count "${COUNT:-3}" ./cloud/api
group 'the embedded store at rest' go test -run xxx -bench 'BytesPer' -benchtime 1x ./cloud/series/embedded
group 'decoders' go test -run xxx -bench . -benchtime 300ms ./drivers/...
