#!/bin/sh
# Looks at the HTML of plans and reports in headless Chromium. Installs what is missing where it can.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?the Python that has the product}
shots=${2:-$here/shots}

install() {
    [ "$(id -u)" = 0 ] || { echo "missing: $*; install it and try again" >&2; exit 2; }
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@"
}
command -v node >/dev/null 2>&1 || install nodejs
command -v npm >/dev/null 2>&1 || install npm
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$CHROMIUM" ]; then
    install chromium fonts-dejavu-core
    CHROMIUM=$(command -v chromium)
fi
cd "$here"
npm ci --silent
PAGES=$(mktemp -d)
trap 'rm -rf "$PAGES"' EXIT
(cd "$here/../.." && "$python" -m tests.browser.pages "$PAGES")
rm -rf "$shots"
CHROMIUM=$CHROMIUM PAGES=$PAGES SHOTS=$shots node --test look.mjs
