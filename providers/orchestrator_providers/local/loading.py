"""Loads a model from the files of an installed package, once per process.

The package itself is not imported: wordllama's import sets up the application's root logger and brings an HTTP client,
and its loader looks for the tokenizer in a folder that its wheel does not have, then asks the network for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from orchestrator.errors import ConfigError, InvalidRequest
from orchestrator_providers.local.errors import INSTALL, not_loaded
from orchestrator_providers.local.profile import KIND, LocalModel

__all__ = ["Model", "load", "require"]

_LIBRARIES = ("numpy", "safetensors", "tokenizers")

_lock = threading.Lock()
_loaded: WeakValueDictionary[str, Model] = WeakValueDictionary()


class Model:
    """A loaded model: its table of vectors in the half precision it comes in, and its tokenizer. Safe in any thread."""

    def __init__(self, np: Any, table: Any, tokenizer: Any) -> None:
        self._np = np
        self._table = table
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str], dimensions: int) -> tuple[Any, int]:
        """One vector of length 1 per text, as rows of a float32 matrix, and how many tokens that took.

        Raises:
            InvalidRequest: a text has no tokens, so no direction.
        """
        np = self._np
        rows = np.empty((len(texts), dimensions), dtype=np.float32)
        count = 0
        for row, text in zip(rows, texts, strict=True):
            # One by one: a batch would start a pool of threads, which warns at every fork after it.
            tokens = self._tokenizer.encode(text, add_special_tokens=False).ids
            if not tokens:
                raise InvalidRequest("a text without any token cannot be embedded")
            count += len(tokens)
            row[:] = self._table.take(np.asarray(tokens), axis=0).mean(axis=0, dtype=np.float32)[:dimensions]
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(norms, np.finfo(np.float32).tiny), count


def require(model: LocalModel, find: Callable[[str], Any] = find_spec) -> None:
    """Check that everything is installed, without importing it.

    Raises:
        ConfigError: it is not; gives the command.
    """
    missing = [name for name in (model.package, *_LIBRARIES) if find(name) is None]
    if missing:
        packages = ", ".join(missing)
        raise ConfigError(f"kind {KIND!r} needs packages that are not installed ({packages}): {INSTALL}")


def load(name: str, model: LocalModel) -> Model:
    """The model of that name. Blocks the first time; call it from a thread. It goes when nobody holds it any more.

    Raises:
        ConfigError: its files are missing or damaged.
    """
    with _lock:
        found = _loaded.get(name)
        if found is None:
            found = _loaded[name] = _read(name, model)
    return found


def _read(name: str, model: LocalModel) -> Model:
    import numpy as np  # noqa: PLC0415 - an extra, and slow to import
    from safetensors import safe_open  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415

    try:
        folder = _folder(model.package)
        with safe_open(folder / model.weights, framework="np") as weights:
            table = weights.get_tensor(model.tensor)
        tokenizer = Tokenizer.from_file(str(folder / model.tokenizer))
    except Exception as error:
        raise not_loaded(name, error) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Model(np, table, tokenizer)


def _folder(package: str) -> Path:
    found = find_spec(package)
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        raise FileNotFoundError(package)
    return Path(places[0])


def _fresh_lock() -> None:
    # A fork while a model is loaded leaves the child a lock that nobody will ever release.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh_lock)
