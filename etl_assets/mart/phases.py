"""The phases of a load whose seconds `etl.load` records, in the order in which they happen."""

from collections.abc import Mapping

PHASES = ("read", "drop_duplicates", "parse", "copy", "mart")


def in_order(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds by phase in the order of the phases, which jsonb does not keep."""
    return {phase: seconds[phase] for phase in PHASES if phase in seconds} | dict(seconds)
