"""From staging into the mart, in one transaction.

Here belong the load, its checks, and what each table and column is made of. Nothing here reads a
file or knows Dagster. The idea: readers never see dimensions, facts and weekly rows disagree.
"""
