"""The price book: loaded once, when first asked.

The file is made by `scripts/build_price_book.py`. Its head has `version` (date and digest), `digest` (of all that
follows), `sources` (package, version, date), `vendors` (other names of a vendor) and `fallbacks` (vendors that resell
another's models at its prices); then one row per line, keyed `vendor/model`. The order of rows is that of the rules in
them.

A row holds prices by bucket, as strings: USD per million tokens, or USD each for units. See `rates` for the forms of a
price and `periods` for those of a date. A row marked `unpriced` is there for its rules: it keeps a model whose price
cannot be told (images, hours of speech) from being taken for its namesake.

Vendors have the provider ids of genai-prices (`x-ai`, `together`, `fireworks`, `aws`, `google`, ...) and, where that
knows none, LiteLLM's (`jina_ai`, `dashscope`, `nebius`, ...). LiteLLM's names for the former, such as `xai` or
`together_ai`, are understood too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from orchestrator.errors import ConfigError
from orchestrator.pricing.matching import dashed_date, matches
from orchestrator.pricing.rows import PriceRow

__all__ = ["Book", "bundled"]

_CACHE_SIZE = 4096
"""Model ids come from replies too, so the memory of past look-ups is bounded."""

_MISSING: Any = object()


class Book:
    """Prices of many models. Safe to use from any thread.

    Attributes:
        version: date and digest, as logged with every cost.
        sources: one mapping per source, with `package`, `version` and `date`.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.version: str = data["version"]
        self.sources: tuple[Mapping[str, str], ...] = tuple(data["sources"])
        self._rows: Mapping[str, Mapping[str, Any]] = data["rows"]
        self._vendors: Mapping[str, str] = data["vendors"]
        self._fallbacks: Mapping[str, list[str]] = data["fallbacks"]
        self._names: dict[str, str] = {}
        self._rules: dict[str, list[tuple[list[Any], str]]] = {}
        self._found: dict[tuple[str, str], PriceRow | None] = {}
        self._index()

    @classmethod
    def read(cls, path: str | Path) -> Book:
        """Load a book from a file.

        Raises:
            ConfigError: there is no such file, or it is no price book.
        """
        try:
            return cls(orjson.loads(Path(path).read_bytes()))
        except OSError as error:
            raise ConfigError(f"the price book cannot be read: {error.strerror}", file=str(path)) from error
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ConfigError("the file is not a price book", file=str(path)) from error

    def _index(self) -> None:
        names = self._names
        for name, row in self._rows.items():
            vendor = name.partition("/")[0]
            for id_ in row.get("ids", ()):
                names.setdefault(f"{vendor}/{id_}", name)
            names.setdefault(name.lower(), name)
            for rule in row.get("rules", ()):
                self._rules.setdefault(vendor, []).append((rule, name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[str]:
        """Names of all rows with prices, `vendor/model`."""
        return (name for name, row in self._rows.items() if not row.get("unpriced"))

    def find(self, vendor: str, model: str) -> PriceRow | None:
        """The row for a model id as sent to, or returned by, a vendor; None if the book has no price for it.

        Looks for the id itself first, then goes by the sources' rules for dated snapshots and aliases.
        """
        key = (vendor, model)
        row = self._found.get(key, _MISSING)
        if row is _MISSING:
            row = self._look_up(vendor, model)
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            self._found[key] = row
        return row  # type: ignore[no-any-return]

    def _look_up(self, vendor: str, model: str) -> PriceRow | None:
        name = self.resolve(vendor, model)
        if name is None or self._rows[name].get("unpriced"):
            return None
        row = self._rows[name]
        return PriceRow(name, row, book=self.version, source=row.get("source", "genai-prices"))

    def resolve(self, vendor: str, model: str) -> str | None:
        """Name of the row that speaks for a model, be it only to say that the model has no price we can tell."""
        vendor, model = vendor.lower(), model.lower()
        vendor = self._vendors.get(vendor, vendor)
        sellers = (vendor, *self._fallbacks.get(vendor, ()))
        for id_ in dict.fromkeys((model, dashed_date(model))):
            for seller in sellers:
                name = self._names.get(f"{seller}/{id_}") or self._by_rule(seller, id_)
                if name is not None:
                    return name
        return None

    def _by_rule(self, vendor: str, model: str) -> str | None:
        return next((name for rule, name in self._rules.get(vendor, ()) if matches(model, rule)), None)


_lock = Lock()
_bundled: Book | None = None


def bundled() -> Book:
    """The book that comes with the package, read when first asked for."""
    global _bundled
    if _bundled is None:
        with _lock:
            if _bundled is None:
                _bundled = Book.read(Path(__file__).with_name("book.json"))
    return _bundled
