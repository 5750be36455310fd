# SPDX-License-Identifier: Apache-2.0
#
# Docker's default seccomp profile refuses io_uring; conf/seccomp.json lets it through:
#
#     docker build -t millrace .
#     docker run -p 8080:8080 --security-opt seccomp=conf/seccomp.json \
#         -v /srv/media:/var/lib/millrace/html:ro millrace
FROM debian:trixie-slim AS build
WORKDIR /src
COPY conf/build conf/build
RUN conf/build/setup build
COPY . .
RUN make install PREFIX=/usr DESTDIR=/out

FROM debian:trixie-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends liburing2 libllhttp9.2 libnghttp2-14 libhwloc15 \
        libnuma1 libssl3t64 libpcre2-8-0 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir -p /var/lib/millrace/html /var/lib/millrace/logs \
    && ln -s /dev/stdout /var/lib/millrace/logs/access.log \
    && chown nobody:nogroup /var/lib/millrace/logs
COPY --from=build /out /
USER nobody
EXPOSE 8080
STOPSIGNAL SIGQUIT
CMD ["millrace", "-g", "daemon off; pid logs/millrace.pid;"]
