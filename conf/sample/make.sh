#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the sample library in build/sample: 30 s of test pattern with sound in three renditions,
# as HLS and DASH over the same CMAF segments and as one mp4, and a page that plays them with
# hls.js and dash.js. What is there already is not made again; remove the folder to start over.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
sample=${1:-$here/../../build/sample}
mkdir -p "$sample"
sample=$(cd "$sample" && pwd)
work=$sample-work

need() {
    command -v "$1" >/dev/null || { echo "sample: $1 is missing. Cure: make setup" >&2; exit 1; }
}

# One decode-free source, split and scaled, so that all outputs are cut at the same frames.
make_video() {
    need ffmpeg
    echo "sample: encoding 30 s of test pattern"
    rm -rf "$work" && mkdir -p "$work/video"
    (
        cd "$work/video"
        ffmpeg -hide_banner -loglevel error -nostdin \
            -f lavfi -i testsrc2=size=640x360:rate=25 \
            -f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000 \
            -filter_complex "[0:v]split=4[a][b0][c0][m];[b0]scale=426:240[b];[c0]scale=256:144[c]" \
            -map "[a]" -map "[b]" -map "[c]" -map 1:a -t 30 \
            -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0 \
            -b:v:0 800k -maxrate:v:0 900k -bufsize:v:0 1600k \
            -b:v:1 400k -maxrate:v:1 450k -bufsize:v:1 800k \
            -b:v:2 200k -maxrate:v:2 225k -bufsize:v:2 400k \
            -c:a aac -b:a 96k -ac 2 \
            -f dash -seg_duration 2 -hls_playlist 1 -use_template 1 -use_timeline 1 \
            -adaptation_sets "id=0,streams=v id=1,streams=a" \
            -init_seg_name 'init-$RepresentationID$.m4s' \
            -media_seg_name 'chunk-$RepresentationID$-$Number%05d$.m4s' manifest.mpd \
            -map "[m]" -map 1:a -t 30 \
            -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -b:v 800k \
            -c:a aac -b:a 96k -ac 2 -movflags +faststart sample.mp4
    )
    rm -rf "$sample/video" && mv "$work/video" "$sample/video"
    rm -rf "$work"
}

make_players() {
    need npm
    echo "sample: fetching hls.js and dash.js"
    rm -rf "$work" && mkdir -p "$work"
    cp "$here/package.json" "$here/package-lock.json" "$work/"
    (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$work/node_modules/hls.js/dist/hls.min.js" "$sample/"
    # Last, because its presence says that both are there.
    cp "$work/node_modules/dashjs/dist/modern/umd/dash.all.min.js" "$sample/"
    rm -rf "$work"
}

[ -f "$sample/video/sample.mp4" ] || make_video
[ -f "$sample/dash.all.min.js" ] || make_players
cp "$here/index.html" "$sample/index.html"
chmod -R a+rX "$sample"
echo "sample: ready in $sample"
