"""What can go wrong, said for the person who reads it.

Each message tells what was being done, to what, what is wrong and what to do next, and holds no
secret. Code that talks to the outside raises these; assets turn them into failed runs, the command
line into an exit code.
"""


class EtlError(Exception):
    """Something is wrong that trying again at once won't change."""


class ConfigurationError(EtlError):
    """The environment lacks a setting or has a malformed one."""


class ServiceUnavailable(EtlError):
    """A service stayed unreachable, or went on failing, for as long as we retry."""


class AccessRefused(EtlError):
    """A service does not accept who we say we are."""


class AlarmRefused(EtlError):
    """A webhook does not take an alarm, which trying again won't change."""


class UnexpectedAnswer(EtlError):
    """A service answered something that it should not."""


class SchemaMissing(EtlError):
    """The warehouse lacks the schema, or has an older one."""


class DayNotInSource(EtlError):
    """The source does not have a day that was asked for."""


class ObjectMissing(EtlError):
    """There is no object at an address."""


class ObjectChanged(EtlError):
    """An object is no longer the version that was found."""


class FileRefused(EtlError):
    """A file can't be what it should be; nothing of it is loaded."""
