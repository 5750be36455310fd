#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts the built server in the foreground on the sample library and says where to look.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
run=$root/build/run
binary=${MILLRACE_BINARY:-$root/build/release/millrace}

mkdir -p "$run/logs"
[ -e "$run/html" ] || ln -s ../sample "$run/html"

# Workers started by root become nobody, who may not be let into a checkout below /root.
options="daemon off; pid logs/millrace.pid;"
if [ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --regid=65534 --clear-groups \
    test -r "$run/html/index.html"; then
    echo "run: only root may read $root, so the workers stay root (trying it out only)"
    options="$options user root;"
fi

cat <<END

  player      http://localhost:8080/
  HLS         http://localhost:8080/video/master.m3u8
  DASH        http://localhost:8080/video/manifest.mpd
  mp4         http://localhost:8080/video/sample.mp4
  status      http://127.0.0.1:8081/status (from this machine only)
  access log  $run/logs/access.log
  stop        Ctrl-C

END
exec "$binary" -p "$run/" -c "$root/conf/millrace.conf" -g "$options"
