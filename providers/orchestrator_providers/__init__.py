"""The provider kinds that come with `orchestrator`: one folder each, found by name in `orchestrator.registry`."""
