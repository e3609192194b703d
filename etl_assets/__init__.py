"""An online shop's orders, from a report API and S3 files to weekly customer retention.

The folders are the steps of the flow. `clients` is what the pipeline talks to; `source` decides
which object holds a day; `staging` reads it; `mart` makes the tables of it; `planning` decides which
day is next; `defs` shows all that to Dagster; `cli` is the command line. The statements are in
`sql/`. `embedded` has what the demo and the tests start in place of the real services; nothing else
but the commands imports it. The map is `docs/architecture.md`.
"""
