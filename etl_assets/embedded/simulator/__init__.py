"""A simulator of the report API and of the files it writes into the object store.

`service` is what callers see and what tests steer; `content` says what a source of files is,
`generated` makes files up and `given` serves ready ones; `ledger` remembers over a restart what was
asked for and written; `serving` lets it answer calls, and `faults` misbehave on request.
"""

from etl_assets.embedded.simulator.content import SourceFiles
from etl_assets.embedded.simulator.faults import Call, Fault, Faults
from etl_assets.embedded.simulator.generated import GeneratedOrders
from etl_assets.embedded.simulator.given import GivenFiles
from etl_assets.embedded.simulator.service import Simulator

__all__ = [
    "Call",
    "Fault",
    "Faults",
    "GeneratedOrders",
    "GivenFiles",
    "Simulator",
    "SourceFiles",
]
