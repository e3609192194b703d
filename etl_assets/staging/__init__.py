"""A file of the source into its staging table.

Here belong reading CSV, dropping duplicates, validating rows, COPY and the swap of days. Which
object holds a day does not. The idea: each row ends as an order, as a duplicate or in quarantine.

In the order of the flow: `csv_pieces` cuts a file into pieces, `duplicate_lines` drops repeated
lines, `csv_rows` splits lines into fields, `validation` judges each row, `seen_rows` finds
duplicates by hash, `counting` counts, and `reading` puts these together. `copying` writes the rows,
`guards` refuses what must not be loaded, `swap` replaces the days, and `load` is the step.
"""
