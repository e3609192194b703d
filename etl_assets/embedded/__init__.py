"""The servers that the demo, the laptop UI and the tests start in place of the real services.

A real PostgreSQL, a real S3 server and a simulator of the report API listen on 127.0.0.1 and write
all their files below one folder. `services` starts the three; `supervised` makes sure that none of
them outlives the process that started them. Production code imports nothing from here.

This works on Linux and macOS only: the locks are `flock`, and a server learns of its parent's end
from the end of a pipe.
"""
