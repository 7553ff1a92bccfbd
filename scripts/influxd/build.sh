#!/bin/sh
# Builds a real InfluxDB 2.7 server for the tests and prints its path.
#
# It needs go, cargo, a C compiler and the two package registries, takes a few
# minutes of two cores the first time, and nothing the second time. The
# server has no web interface; the tests need none.
# MONITORME_CACHE moves the cache away from ${XDG_CACHE_HOME:-~/.cache}/monitorme.
set -eu

version=2.7.12
here=$(cd "$(dirname "$0")" && pwd)
cache=${MONITORME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/monitorme}
dir=$cache/influxd-$version
if [ -x "$dir/influxd" ]; then
	echo "$dir/influxd"
	exit 0
fi
for tool in go cargo cc pkg-config; do
	command -v "$tool" >/dev/null || { echo "influxd needs $tool to be built, and it is not in PATH" >&2; exit 1; }
done

# Build in a copy: go and cargo both write beside their manifests.
mkdir -p "$dir/build"
cp "$here/go.mod" "$here/go.sum" "$dir/build/"
cd "$dir/build"

# The wrapper that go's cgo asks for the flags of libflux; it has cargo build
# the library from the sources inside the flux module.
go build -o "$dir/build/pkg-config-flux" github.com/influxdata/pkg-config >&2

# libflux makes every warning an error, and compilers of today warn about it.
# RUSTFLAGS would not reach the parts that cargo builds for its own use.
cat >"$dir/build/rustc-lenient" <<'EOF'
#!/bin/sh
exec "$@" --cap-lints warn
EOF
chmod +x "$dir/build/rustc-lenient"

# libflux also asks rustup for an old toolchain; the stable one does.
RUSTUP_TOOLCHAIN="${RUSTUP_TOOLCHAIN:-stable}" \
RUSTC_WRAPPER="$dir/build/rustc-lenient" \
PKG_CONFIG="$dir/build/pkg-config-flux" \
	go build -trimpath -tags sqlite_foreign_keys,sqlite_json \
	-ldflags "-s -w -X main.version=v$version" \
	-o "$dir/influxd.new" github.com/influxdata/influxdb/v2/cmd/influxd >&2
mv "$dir/influxd.new" "$dir/influxd"
echo "$dir/influxd"
