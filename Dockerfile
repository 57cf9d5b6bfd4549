# `make wheels` on the host first: nothing in here needs a network.  Then
#   docker build --build-arg DIGEST=sha256:... -t lockstep .
# DIGEST pins the default base; BASE may be any image that has Python 3.13 with venv as `python3`.
ARG DIGEST=""
ARG BASE=docker.io/library/python:3.13-slim-trixie${DIGEST:+@${DIGEST}}

FROM ${BASE} AS build
RUN python3 -m venv /opt/lockstep
COPY dist/wheels /wheels
RUN /opt/lockstep/bin/pip install --no-index --no-cache-dir --find-links /wheels \
      --require-hashes --requirement /wheels/requirements.lock \
 && /opt/lockstep/bin/pip install --no-index --no-cache-dir --no-deps /wheels/lockstep-*.whl \
 && /opt/lockstep/bin/pip check \
 && /opt/lockstep/bin/pip uninstall --yes pip

FROM ${BASE}
LABEL org.opencontainers.image.title="lockstep" \
      org.opencontainers.image.description="An event-driven GitOps engine, a drop-in for Flux" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/lockstep /opt/lockstep
RUN mkdir /data && chown 65532:65532 /data
# The root may be read-only: Git's objects and artifacts go to /data, all else to /tmp.
ENV PATH=/opt/lockstep/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    LOCKSTEP_STORAGE_PATH=/data
VOLUME /data /tmp
EXPOSE 8080 9090 9292 9440
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9440/healthz')"]
ENTRYPOINT ["lockstep"]
CMD ["run"]
