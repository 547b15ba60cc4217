"""Compiles a price book from two public ones: the packages genai-prices and litellm, or a file of the latter's map.

Nothing here is imported when calls are priced; `orchestrator prices refresh` and `scripts/build_price_book.py` do.
"""
