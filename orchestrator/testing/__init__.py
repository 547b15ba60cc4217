"""Public doubles for tests and rehearsals: nothing here reaches a real vendor.

- `Simulator`: vendors as real HTTP servers on loopback, with faults, limits and a token ledger.
- `use`: routes that answer from a script, for an application's tests.
- `ScriptedTransport`, `VirtualClock`, `CapturedEvents`: network, time and log as values.
"""

from orchestrator.testing.clock import *  # noqa: F403
from orchestrator.testing.scripted import *  # noqa: F403
from orchestrator.testing.simulator import *  # noqa: F403
