#!/usr/bin/env bash
# need.sh TOOL…: makes sure that each tool is there. It installs what a package
# of the system gives when it may, and else names the command to get it.
set -eu

package_of() {
  case "$1" in
    chromium) echo chromium ;;
    node) echo nodejs ;;
    npm) echo npm ;;
    *) echo "$1" ;;
  esac
}

found() {
  case "$1" in
    chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
    *) command -v "$1" ;;
  esac >/dev/null 2>&1
}

for tool in "$@"; do
  found "$tool" && continue
  package=$(package_of "$tool")
  if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
      echo "installing $package" >&2
      apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
      found "$tool" && continue
    fi
    echo "$tool is missing. Install it with: sudo apt-get install $package" >&2
  else
    echo "$tool is missing. Install the package $package of your system." >&2
  fi
  exit 1
done
