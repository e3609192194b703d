"""An online shop's orders, from a report API and S3 files to weekly customer retention.

The flow, in the order of the graph: `resources` (the report API, the object store, the warehouse)
are what the `assets` talk to; `source` decides which object holds a day, `order_log` reads one;
`automation` decides which day is next; `cli` is the command line. The statements are SQL, in
`sql/`. `embedded` holds what the demo and the tests start in place of the real services; nothing
else imports it.
"""
