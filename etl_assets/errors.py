"""The errors of the pipeline, with messages for its users.

A message says what was being done, to what, what is wrong and what to do next. It contains no
secret. Assets turn these errors into failed runs, and the command line into an exit code.
"""


class EtlError(Exception):
    """A failure that another try at once would not change."""


class ConfigurationError(EtlError):
    """A setting is missing from the environment, or malformed."""


class ServiceUnavailable(EtlError):
    """A service was unreachable, or kept failing, during all tries."""


class AccessRefused(EtlError):
    """A service rejects our credentials."""


class AlarmRefused(EtlError):
    """A webhook rejects an alarm, and would reject it again."""


class UnexpectedAnswer(EtlError):
    """A service gave an answer that it should not give."""


class SchemaMissing(EtlError):
    """The warehouse has no schema, or an older one."""


class DayNotInSource(EtlError):
    """The source does not have a day that was asked for."""


class ObjectMissing(EtlError):
    """The object store has no object at an address."""


class ObjectChanged(EtlError):
    """An object was replaced after it was found."""


class FileRefused(EtlError):
    """A file is not a valid file of its feed; none of its rows is loaded."""
