"""A simulator of the report API and of the files that the API writes into the object store.

`service` is the API, which tests control. `content` defines the protocol for source files,
`generated` generates the files and `given` serves existing ones. `deliveries` writes them, `ledger`
records what was requested and written, across restarts. `serving` runs the HTTP server, and
`faults` makes calls fail on request.
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
