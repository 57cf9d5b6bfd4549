# `make wheels` on the host first: nothing in here needs a network.  Then
#   docker build --build-arg DIGEST=sha256:... -t lockstep .
# DIGEST pins the default base; BASE may be any image that has Python 3.13 with venv as `python3`.
# docs/image.md has more.
ARG DIGEST=""
ARG BASE=docker.io/library/python:3.13-slim-trixie${DIGEST:+@${DIGEST}}

FROM ${BASE} AS dependencies
# pip lives in a place of its own, which stays behind.
RUN python3 -m venv --without-pip /opt/lockstep && python3 -m venv /opt/pip
COPY dist/wheels/dependencies /wheels
# Bytecode is not to be judged by times: layers round them, and a read-only root keeps no new one.
RUN /opt/pip/bin/pip --python /opt/lockstep/bin/python3 install --no-index --no-cache-dir \
      --no-compile --find-links /wheels --require-hashes --requirement /wheels/requirements.lock \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/lockstep/lib

FROM dependencies AS own
COPY dist/wheels/lockstep-*.whl /own/
# A tree that holds Lockstep alone; what it needs must be there already, in the versions it wants.
RUN /opt/pip/bin/pip --python /opt/lockstep/bin/python3 install --no-index --no-cache-dir \
      --no-compile --root /own /own/lockstep-*.whl \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /own /own/opt/lockstep/lib

FROM ${BASE} AS runtime
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && mkdir /data && chown 65532:65532 /data
COPY --from=dependencies /opt/lockstep /opt/lockstep
# The root may be read-only: Git's objects and artifacts go to /data, all else to /tmp.
ENV PATH=/opt/lockstep/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    LOCKSTEP_STORAGE_PATH=/data
VOLUME /data /tmp
EXPOSE 8080 9090 9091 9292 9440
USER 65532:65532
# Not urllib's urlopen: it would ask the proxy that the environment names.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python3", "-c", "import os, sys\nfrom http.client import HTTPConnection\n_, _, port = os.environ.get('LOCKSTEP_HEALTH_ADDR', ':9440').rpartition(':')\nasked = HTTPConnection('127.0.0.1', int(port), timeout=2)\nasked.request('GET', '/healthz')\nsys.exit(asked.getresponse().status != 200)"]
ENTRYPOINT ["lockstep"]
CMD ["run"]

# All that a new version changes is this last, small layer.
FROM runtime
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="lockstep" \
      org.opencontainers.image.description="An event-driven GitOps engine, a drop-in for Flux" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=own /own/opt/lockstep /opt/lockstep
