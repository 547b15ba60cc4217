"""Parts of `scripts/build_model_book.py`."""
