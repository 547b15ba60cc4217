"""Readers of the two public price books, into the form of `orchestrator/pricing/book.json`."""
