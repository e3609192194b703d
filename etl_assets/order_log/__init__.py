"""The order log: what a file of the source has to look like, and what becomes of each row.

The format is the source's:

    id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,
    quantity,payment_amount[,status]

in UTF-8, in any order of columns, with LF or CRLF. `id` restarts at 1 in every file and counts for
nothing. Files of 2022 have no `uniq_id`; reports, and the first increment after them, no `status`,
which means shipped.

In the order of the flow: `csv_pieces` cuts a file into pieces, `header` says which of its columns
are which, `line_copies` leaves out the lines that are copies, `csv_texts` takes the others apart,
`judging` has the rules for a row, `seen_rows` remembers what came before, and `counting` what
became of it all. `reading` puts them together.
"""
