"""Transports over HTTP clients, and the framing of streams. Importing this package imports no HTTP client.

`orchestrator.transport.aiohttp` is the default; `orchestrator.transport.httpx` serves users who bring a client.
"""
