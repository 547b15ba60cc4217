"""Any vendor that litellm reaches, as an engine: litellm does the I/O, everything around it stays ours."""

from orchestrator.spec.provider import EngineFactory
from orchestrator_providers.litellm.engine import open_engine
from orchestrator_providers.litellm.profile import PROFILE

__all__ = ["ENGINE"]

ENGINE = EngineFactory(PROFILE, open_engine)
