"""An online shop's orders, from a report API and S3 files to weekly customer retention.

The folders are the steps of the flow. `clients` connects to the services; `source` decides which
object holds a day; `staging` reads it; `mart` builds its tables from staging; `planning` decides
which day is next; `defs` has the Dagster objects; `cli` is the command line. `sql/` has the
statements, in the same folders. `embedded` starts the servers of the demo and the tests; in
production nothing imports it. The map is `docs/architecture.md`.
"""
