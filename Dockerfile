# rotatord as an image with nothing in it but the binary, CA certificates and an unprivileged user.
#
#   docker build --build-arg VERSION=v1.2.3 -t rotatord .
#
# Where the binary was built already, or no base image can be had, "make image-root" lays out what goes into the image,
# and the stage prebuilt takes it:
#
#   make image-root && docker build --target prebuilt --build-arg ROOT=dist/image -t rotatord .
#
# Run it with a volume for its journal and with its configuration:
#
#   docker run --read-only -v rotatord:/var/lib/rotatord -v ./rotatord.yaml:/etc/rotatord/rotatord.yaml:ro rotatord

ARG GO_VERSION=1.26

# The binary is built on the machine's own platform for the target's, which Go does without emulation.
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
ARG VERSION=unknown
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/usr/bin/rotatord ./cmd/rotatord
RUN mkdir -p /out/var/lib/rotatord /out/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

# What both images share. There is no shell: the health check is the binary itself.
FROM scratch AS base
ENV PATH=/usr/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 9650
ENTRYPOINT ["/usr/bin/rotatord"]
CMD ["run", "--config", "/etc/rotatord/rotatord.yaml"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/bin/rotatord", "healthcheck", "--url", "http://127.0.0.1:9650/-/healthy"]

FROM base AS prebuilt
ARG ROOT=dist/image
COPY ${ROOT}/etc /etc
COPY ${ROOT}/usr /usr
COPY --chown=65532:65532 ${ROOT}/var/lib/rotatord /var/lib/rotatord
WORKDIR /var/lib/rotatord
USER 65532:65532

# The last stage is what a plain build makes.
FROM base AS image
COPY --from=build /out/etc /etc
COPY --from=build /out/usr /usr
COPY --from=build --chown=65532:65532 /out/var/lib/rotatord /var/lib/rotatord
WORKDIR /var/lib/rotatord
USER 65532:65532
