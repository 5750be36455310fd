# SPDX-License-Identifier: Apache-2.0
"""Whole configurations in the shapes that video origins publish: they load and they serve."""

import pytest

MIME = """types {
    text/html                             html htm shtml;
    text/css                              css;
    application/javascript                js;
    application/json                      json;
    application/vnd.apple.mpegurl         m3u8;
    application/dash+xml                  mpd;
    video/mp2t                            ts;
    video/mp4                             mp4 m4v m4s cmfv;
    audio/mp4                             m4a cmfa;
    text/vtt                              vtt;
    image/jpeg                            jpg jpeg;
}
"""
MEDIA = {
    "conf/mime.types": MIME, "media/hls/live.m3u8": "#EXTM3U\n", "media/hls/seg1.ts": "ts-segment",
    "media/dash/live.mpd": "<MPD/>", "media/dash/init.mp4": "init", "media/dash/seg1.m4s": "m4s",
    "media/vod/a/movie.mp4": "movie", "media/vod/a/movie.vtt": "WEBVTT\n",
    "media/index.html": "player", "media/404.html": "own 404", "media/50x.html": "own 50x",
    "media/thumbs/a.jpg": "jpg", "media/crossdomain.xml": "<x/>",
}

PLAIN_HLS = """
user root;
worker_processes auto;
worker_rlimit_nofile 4096;
error_log error.log warn;
pid nginx.pid;
events { worker_connections 1024; use epoll; multi_accept on; }
http {
    include conf/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" '
                    '"$http_user_agent" "$http_x_forwarded_for"';
    access_log access.log main;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 65;
    types_hash_max_size 2048;
    server_tokens off;
    server {
        listen 127.0.0.1:@PORT@ default_server;
        listen [::1]:@PORT@ default_server;
        server_name _;
        root @PREFIX@/media;
        index index.html index.htm;
        location /hls {
            types {
                application/vnd.apple.mpegurl m3u8;
                video/mp2t ts;
            }
            add_header Cache-Control no-cache;
            add_header 'Access-Control-Allow-Origin' '*' always;
            add_header 'Access-Control-Expose-Headers' 'Content-Length';
        }
        location / { try_files $uri $uri/ =404; }
        error_page 404 /404.html;
        error_page 500 502 503 504 /50x.html;
        location = /50x.html { root @PREFIX@/media; }
        location = /favicon.ico { log_not_found off; access_log off; return 204; }
        location ~ /\\.ht { return 403; }
    }
}
"""

CORS_PREFLIGHT = """
worker_processes 1;
error_log error.log;
pid nginx.pid;
events { worker_connections 512; }
http {
    access_log logs/access.log;
    include conf/mime.types;
    sendfile on;
    sendfile_max_chunk 1m;
    aio threads;
    directio 512;
    output_buffers 1 32k;
    keepalive_timeout 75;
    keepalive_requests 10000;
    reset_timedout_connection on;
    client_body_timeout 10;
    send_timeout 2;
    client_max_body_size 1m;
    server {
        listen @PORT@;
        server_name localhost;
        location /hls/ {
            # CORS setup
            add_header 'Access-Control-Allow-Origin' '*' always;
            add_header 'Access-Control-Expose-Headers' 'Content-Length';
            # allow CORS preflight requests
            if ($request_method = 'OPTIONS') {
                add_header 'Access-Control-Allow-Origin' '*';
                add_header 'Access-Control-Max-Age' 1728000;
                add_header 'Content-Type' 'text/plain charset=UTF-8';
                add_header 'Content-Length' 0;
                return 204;
            }
            alias @PREFIX@/media/hls/;
            add_header Cache-Control no-cache;
            expires -1;
        }
        location /dash/ {
            root @PREFIX@/media;
            add_header Cache-Control no-cache;
            add_header Access-Control-Allow-Origin *;
        }
        location /vod { alias @PREFIX@/media/vod; add_header Accept-Ranges bytes; }
        location /stat { stub_status on; }
    }
}
"""

MAP_AND_EXTENSIONS = """
worker_processes auto;
worker_cpu_affinity auto;
error_log error.log crit;
pid nginx.pid;
events { worker_connections 2048; accept_mutex off; }
http {
    include conf/mime.types;
    default_type application/octet-stream;
    map $sent_http_content_type $cache_control {
        default                         "public, max-age=60";
        ~^video/                        "public, max-age=31536000, immutable";
        application/vnd.apple.mpegurl   "public, max-age=1, stale-while-revalidate=5";
        application/dash+xml            "public, max-age=1";
    }
    map $http_origin $cors_origin {
        default "";
        ~^https?://([a-z0-9-]+\\.)*example\\.org(:\\d+)?$ $http_origin;
    }
    map $uri $loggable { ~\\.ts$ 0; default 1; }
    log_format json escape=json '{"time":"$time_iso8601","uri":"$uri","status":$status,'
        '"bytes":$body_bytes_sent,"rt":$request_time,"ua":"$http_user_agent"}';
    access_log access.log json buffer=32k flush=1s if=$loggable;
    open_file_cache max=10000 inactive=20s;
    open_file_cache_valid 2s;
    open_file_cache_min_uses 2;
    open_file_cache_errors on;
    sendfile on; tcp_nopush on; tcp_nodelay on;
    server_names_hash_bucket_size 128;
    server {
        listen 127.0.0.1:@PORT@ reuseport backlog=1024 so_keepalive=on deferred;
        server_name video.example.org *.video.example.org;
        root @PREFIX@/media;
        add_header Cache-Control $cache_control;
        add_header Access-Control-Allow-Origin $cors_origin always;
        add_header Vary Origin;
        location ~* \\.(m3u8|mpd)$ { expires 1s; add_header Cache-Control $cache_control;
                                     add_header X-Kind playlist; }
        location ~* \\.(ts|m4s|mp4)$ { expires max; etag on; max_ranges 8; limit_rate_after 5m;
                                       limit_rate 0; }
        location ~ ^/redirect/(.+)$ { return 302 http://cdn.example.org/$1$is_args$args; }
        location = /health { access_log off; default_type text/plain; return 200 "ok\\n"; }
        location @missing { return 404 "no such segment\\n"; }
        location /dash/ { try_files $uri @missing; }
    }
    server {
        listen 127.0.0.1:@PORT@ default_server;
        server_name "";
        return 444;
    }
}
"""

ALIAS_TREE = """
error_log error.log;
pid nginx.pid;
events { }
http {
    access_log logs/access.log;
    include conf/mime.types;
    server {
        listen 127.0.0.1:@PORT@;
        server_name ~^(?<channel>[a-z0-9]+)\\.live\\.example$;
        root @PREFIX@/media/$channel;
        location / { add_header X-Channel $channel; }
    }
    server {
        listen 127.0.0.1:@PORT@ default_server;
        absolute_redirect off;
        location ^~ /static/thumbs/ { alias @PREFIX@/media/thumbs/; expires 30d; }
        location ~ ^/play/(?<file>[\\w.]+)$ { alias @PREFIX@/media/vod/a/$file; }
        location = /crossdomain.xml { root @PREFIX@/media; default_type text/xml; }
        location /v/ { alias @PREFIX@/media/vod/; location ~ \\.vtt$ { return 403; } }
        location /old/ { return 301 /new/; }
        location / { root @PREFIX@/media; }
    }
}
"""

GZIP = """
error_log error.log;
pid nginx.pid;
events { worker_connections 1024; }
http {
    access_log logs/access.log;
    include conf/mime.types;
    gzip on;
    gzip_vary on;
    gzip_min_length 1000;
    gzip_proxied any;
    gzip_comp_level 6;
    gzip_types text/plain application/vnd.apple.mpegurl application/dash+xml;
    server { listen 127.0.0.1:@PORT@; root @PREFIX@/media; location / { gzip off; } }
}
"""

SHAPES = {"plain hls": PLAIN_HLS, "cors preflight": CORS_PREFLIGHT,
          "maps and extensions": MAP_AND_EXTENSIONS, "alias tree": ALIAS_TREE, "gzip": GZIP}


@pytest.fixture
def shape(launch):
    return lambda name: launch(full=SHAPES[name], files=MEDIA)


@pytest.mark.parametrize("name", SHAPES)
def test_is_accepted_by_a_check(prepare, name):
    done = prepare(full=SHAPES[name], files=MEDIA).run("-t")
    assert done.returncode == 0, done.stderr
    assert "[emerg]" not in done.stderr and "[error]" not in done.stderr


def test_plain_hls(shape):
    server = shape("plain hls")
    playlist = server.fetch("/hls/live.m3u8")
    assert playlist["Content-Type"] == "application/vnd.apple.mpegurl"
    assert playlist["Cache-Control"] == "no-cache"
    assert playlist["Access-Control-Allow-Origin"] == "*"
    assert server.fetch("/hls/seg1.ts", "Range: bytes=0-1").body == b"ts"
    assert server.fetch("/").body == b"player"
    missing = server.fetch("/hls/none.ts")
    assert (missing.status, missing.body) == (404, b"own 404")
    assert server.fetch("/favicon.ico").status == 204
    assert server.fetch("/.htaccess").status == 403
    assert server.log_line("GET /hls/none.ts").endswith('404 7 "-" "-" "-"')


def test_cors_preflight(shape):
    server = shape("cors preflight")
    preflight = server.fetch("/hls/live.m3u8", "Origin: http://p", method="OPTIONS")
    assert (preflight.status, preflight["Access-Control-Max-Age"]) == (204, "1728000")
    playlist = server.fetch("/hls/live.m3u8")
    assert playlist.all("Cache-Control") == ["no-cache", "no-cache"]
    assert playlist["Access-Control-Allow-Origin"] == "*"
    assert server.fetch("/dash/live.mpd")["Content-Type"] == "application/dash+xml"
    assert server.fetch("/vod/a/movie.mp4").body == b"movie"
    assert server.fetch("/stat").body.startswith(b"Active connections: 1 \n")


def test_maps_and_extensions(shape):
    server = shape("maps and extensions")

    def get(path, *headers):
        return server.fetch(path, *headers, host="video.example.org")

    segment = get("/dash/seg1.m4s", "Origin: https://player.example.org")
    assert segment["Access-Control-Allow-Origin"] == "https://player.example.org"
    assert segment.all("Cache-Control") == ["max-age=315360000",
                                            "public, max-age=31536000, immutable"]
    assert "Access-Control-Allow-Origin" not in get("/dash/seg1.m4s", "Origin: https://e.example")
    playlist = get("/hls/live.m3u8")
    assert playlist["X-Kind"] == "playlist"
    assert playlist.all("Cache-Control")[-1].endswith("stale-while-revalidate=5")
    assert get("/redirect/a/b?x=1")["Location"] == "http://cdn.example.org/a/b?x=1"
    assert get("/health").body == b"ok\n"
    assert get("/dash/none.vtt").body == b"no such segment\n"
    assert get("/dash/none.m4s").status == 404
    get("/hls/seg1.ts")
    line = server.log_line("/hls/live.m3u8")
    assert '"status":200' in line and "seg1.ts" not in server.read("access.log")
    with server.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: unknown\r\n\r\n")
        assert client.rest() == b""


def test_alias_tree(shape):
    server = shape("alias tree")
    assert server.fetch("/live.m3u8", host="hls.live.example")["X-Channel"] == "hls"
    assert server.fetch("/static/thumbs/a.jpg")["Cache-Control"] == "max-age=2592000"
    assert server.fetch("/play/movie.mp4")["Content-Type"] == "video/mp4"
    assert server.fetch("/play/../index.html").body == b"player"
    assert server.fetch("/crossdomain.xml")["Content-Type"] == "text/xml"
    assert server.fetch("/v/a/movie.mp4").body == b"movie"
    assert server.fetch("/v/a/movie.vtt").status == 403
    assert server.fetch("/old/x")["Location"] == "/new/"


def test_gzip_off_where_it_says_so(shape):
    answer = shape("gzip").fetch("/hls/live.m3u8", "Accept-Encoding: gzip")
    assert answer.body == b"#EXTM3U\n" and "Content-Encoding" not in answer
