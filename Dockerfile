# Two images, made for any platform from one machine; docs/container.md says how.
#
#   docker build --target registry -t rollcall .            the command alone: a node, or lbsync for files elsewhere
#   docker build --target balancer -t rollcall-balancer .   HAProxy and the command, for the chart's balancer
#
# The bases are arguments, for mirrors and for pinned digests.
ARG GO_IMAGE=golang:1.26-bookworm
ARG HAPROXY_IMAGE=haproxy:3.2-bookworm

# The Go tool runs on the machine that builds, and compiles for the platform that is asked for.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS=linux
ARG TARGETARCH
ARG TARGETVARIANT
ARG VERSION=devel
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} GOARM=${TARGETVARIANT#v} \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/registry ./cmd/registry \
    && mkdir -p /out/data

FROM ${HAPROXY_IMAGE} AS balancer
ARG VERSION=devel
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rollcall-balancer" \
      org.opencontainers.image.description="HAProxy, and lbsync that keeps it in step with Rollcall" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/registry /usr/local/bin/registry
USER 65532:65532
ENTRYPOINT []
CMD ["registry", "lbsync", "--help"]

FROM scratch AS registry
ARG VERSION=devel
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rollcall" \
      org.opencontainers.image.description="A service registry for load balancers" \
      org.opencontainers.image.documentation="docs/container.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/registry /registry
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
EXPOSE 4001/tcp 7946/tcp 7946/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 CMD ["/registry", "healthcheck"]
ENTRYPOINT ["/registry"]
CMD ["serve", "--listen=0.0.0.0:4001", "--data-dir=/data"]
