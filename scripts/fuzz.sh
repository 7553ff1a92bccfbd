#!/usr/bin/env bash
# fuzz.sh [TIME]: runs every fuzz target of the module for TIME each. A new
# interesting input is made smaller in ten tries only: with Go's default of a
# minute each, a run finds nothing but small inputs.
set -eu
time=${1:-30s}
cd "$(dirname "$0")/.."
grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
  for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
    echo "== $(dirname "$file") $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "./$(dirname "$file")"
  done
done
