"""Public doubles for tests and rehearsals: nothing here reaches a real vendor."""

from orchestrator.testing.simulator import *  # noqa: F403
