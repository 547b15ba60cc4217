"""Values: what goes in, what comes out. No behaviour, no I/O, cheap to make."""

from orchestrator.types.call import *  # noqa: F403
from orchestrator.types.chat import *  # noqa: F403
from orchestrator.types.collect import *  # noqa: F403
from orchestrator.types.retrieval import *  # noqa: F403
from orchestrator.types.stream import *  # noqa: F403
from orchestrator.types.usage import *  # noqa: F403
