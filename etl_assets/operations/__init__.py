"""Running the warehouse: migrations, rights, backups.

Here belongs what an administrator does to the whole database. Loading days does not. The idea: each
action is safe to repeat, and says what to do where it stops.
"""
