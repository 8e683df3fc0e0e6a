#!/bin/sh
# Installs what the end-to-end tests need beside Go: Node, the client libraries of js/package.json, one in Python, Chromium with a
# font, certutil for the authorities that it trusts, and what the commands of the pages use. What is installed is left alone, so that a second run costs nothing.
set -eu
cd "$(dirname "$0")/js"

# packages installs Debian packages.
packages() {
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	if ! command -v apt-get >/dev/null; then
		echo "e2e-deps: install these by hand: $*" >&2
		exit 1
	fi
	$sudo apt-get update -q
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

command -v node >/dev/null && command -v npm >/dev/null || packages nodejs npm
command -v python3 >/dev/null && command -v curl >/dev/null || packages python3 curl # the commands of docs/
command -v certutil >/dev/null || packages libnss3-tools
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || packages chromium fonts-dejavu-core

# The copy says that the last install was for this list, and that it went well. Optional packages are left out: they
# are native code that nothing here uses.
if ! cmp -s package.json node_modules/.installed; then
	npm install --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error
	cp package.json node_modules/.installed
fi

# The client in Python: python/site is for PYTHONPATH.
websockets=17.4
if [ "$(cat ../python/site/.installed 2>/dev/null)" != $websockets ]; then
	python3 -m pip --version >/dev/null 2>&1 || packages python3-pip
	rm -rf ../python/site
	python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps --target ../python/site "websockets==$websockets"
	echo $websockets >../python/site/.installed
fi

../../admin/uplot.sh
../../admin/library.sh
