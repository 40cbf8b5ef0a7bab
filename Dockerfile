# The image of the service: Python, the locked packages, ordersync. Nothing that built them is in it.
#
#   docker build -t ordersync .        or: make image
#   docker run --rm ordersync --help
#
# A package index that is not PyPI is named by the usual variables of pip, as build arguments
# (--build-arg PIP_INDEX_URL=…): they live in the first stage only.
# For reproducible builds pin BASE by digest: --build-arg BASE=python:3.13-slim-trixie@sha256:…

ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_TRUSTED_HOST
# requirements-otel.txt: the same with traces.
ARG REQUIREMENTS=requirements.txt
WORKDIR /build
COPY requirements-build.txt ${REQUIREMENTS} ./
# Two environments: what builds stays here, what runs has no pip.
RUN python -m venv /build/tools \
 && /build/tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-build.txt \
 && python -m venv --without-pip /opt/ordersync \
 && /build/tools/bin/pip --python /opt/ordersync/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes -r "${REQUIREMENTS}"
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
RUN /build/tools/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /build/wheel . \
 && /build/tools/bin/pip --python /opt/ordersync/bin/python install --no-cache-dir --no-deps --no-index /build/wheel/*.whl

# The base without what only builds or documents. A layer on top could hide it, not remove it: hence `scratch` below.
FROM ${BASE} AS root
RUN rm -rf /var/cache/* /var/lib/apt/lists/* /var/log/* /usr/share/python-wheels /usr/share/locale /usr/share/man \
      /usr/lib/python3/dist-packages/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
      /usr/lib/python3*/ensurepip /usr/local/bin/pip* /usr/bin/pip* /root/.cache /tmp/* \
 && find /usr/share/doc -type f ! -name copyright -delete \
 && groupadd --gid 10001 ordersync \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ordersync

FROM scratch
ARG BASE
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ordersync" \
      org.opencontainers.image.description="Carries order events from RabbitMQ into HubSpot's CRM: in order, in batches, with a receipt for every event." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# hadolint ignore=DL3067
COPY --from=root / /
COPY --from=build /opt/ordersync /opt/ordersync
ENV PATH=/opt/ordersync/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
STOPSIGNAL SIGTERM
# Probes are the orchestrator's: /livez and /readyz on port 8080.
ENTRYPOINT ["ordersync"]
CMD ["run"]
