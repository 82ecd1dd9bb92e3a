# Two stages: the first has a compiler and builds the environment, the second only runs it, as an ordinary user.
FROM python:3.11-slim-bookworm AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python -m venv /opt/talentfeed
COPY requirements/runtime.lock requirements/runtime.lock
RUN /opt/talentfeed/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.lock
COPY pyproject.toml setup.py README.md ./
COPY data data
COPY engine engine
COPY tracking tracking
COPY api api
RUN /opt/talentfeed/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/talentfeed --create-home talentfeed \
    && mkdir -p /var/lib/talentfeed/data /var/lib/talentfeed/logs \
    && chown -R talentfeed:talentfeed /var/lib/talentfeed
COPY --from=builder /opt/talentfeed /opt/talentfeed
ENV PATH=/opt/talentfeed/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/var/lib/talentfeed/data \
    LOG_DIR=/var/lib/talentfeed/logs
USER talentfeed
WORKDIR /var/lib/talentfeed
VOLUME ["/var/lib/talentfeed/data"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/livez', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["talentfeed"]
CMD ["serve"]
