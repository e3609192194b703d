"""Running the warehouse: migrations, rights, backups.

This package has what an administrator does to a whole database. Loading days is not part of it. The
idea: each action is safe to repeat, and its errors name what to do next.
"""
