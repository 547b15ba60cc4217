"""Embeddings and rankings in this process, from a model that ships inside a package: no key, no server, no download."""

from __future__ import annotations

from orchestrator.spec.provider import EngineFactory
from orchestrator_providers.local.engine import open_engine
from orchestrator_providers.local.profile import PROFILE

__all__ = ["ENGINE"]

ENGINE = EngineFactory(PROFILE, open_engine)
