"""What the demo, the laptop UI and the tests start in place of the real services.

A real PostgreSQL, a real S3 server and a simulator of the report API, all on 127.0.0.1, all of
their files below one folder. `services` starts the three; `supervised` sees to it that none
of them outlives the process that started them. Production code imports nothing from here.

Linux and macOS: the locks are `flock`, and the end of a parent shows as the end of a pipe.
"""
