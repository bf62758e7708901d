# The image that runs `rotator daemon` (or any other command). Build it with `docker build .`, or deploy/build-image.sh where there is
# neither Docker nor a registry. Pin the base by digest in earnest: --build-arg BASE=debian:bookworm-slim@sha256:...
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv ca-certificates
WORKDIR /src
COPY requirements/build.txt requirements/image.txt requirements/
# The two secrets are for machines whose pip needs settings of its own; without them they are empty places.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem,target=/run/ca.pem \
    python3 -m venv /build && python3 -m venv --without-pip /opt/rotator \
    && /build/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/build.txt \
    && /build/bin/pip --python /opt/rotator/bin/python install --no-cache-dir --no-compile --no-deps --require-hashes --only-binary :all: -r requirements/image.txt
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY rotator rotator
COPY plugins plugins
RUN /build/bin/python -m hatchling build --target wheel --directory /dist \
    && /build/bin/pip --python /opt/rotator/bin/python install --no-cache-dir --no-compile --no-index --no-deps /dist/*.whl \
    && /opt/rotator/bin/python -m compileall -q /opt/rotator/lib --invalidation-mode unchecked-hash

FROM ${BASE}
LABEL org.opencontainers.image.title="rotator" \
      org.opencontainers.image.description="Automated credential rotation: mint, store, verify, revoke - crash-safe and shown to an auditor" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update && apt-get install -y --no-install-recommends python3-minimal libpython3-stdlib ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && groupadd --gid 10001 rotator \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/rotator --no-create-home --shell /usr/sbin/nologin rotator \
    && install -d -o rotator -g rotator -m 0700 /var/lib/rotator \
    && install -d -m 0755 /etc/rotator
COPY --from=build /opt/rotator /opt/rotator
ENV PATH=/opt/rotator/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ROTATOR_CONFIG=/etc/rotator/rotator.yaml \
    ROTATOR_STATE=/var/lib/rotator
USER 10001:10001
WORKDIR /var/lib/rotator
VOLUME /var/lib/rotator
# SIGTERM ends the present steps: give `docker stop` time for the longest call (--stop-timeout).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s --retries=3 CMD ["rotator", "daemon", "--healthy"]
CMD ["rotator", "daemon"]
