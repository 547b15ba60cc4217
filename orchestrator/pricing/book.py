"""The price book: loaded once, when first asked.

The file is made by `sources.build`. Its head has `version` (date and digest), `digest` (of all that follows),
`sources` (package, version, date), `vendors` (other names of a vendor), `fallbacks` (vendors that resell another's
models at its prices) and `strict_places` (where a vendor's usual prices never hold, by how the place begins); then one
row per line, keyed `vendor/model`. The order of rows is that of the rules in them.

A row holds prices by bucket, as strings: USD per million tokens, or USD each for units. See `rates` for the forms of a
price and `periods` for those of a date. `places` has factors on token prices by where they are processed (`*`: any
place but the whole world); a row with `at` has the prices of one place, and is keyed `vendor/place/model`. A row marked
`unpriced` is there for its rules: it keeps a model whose price
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
from orchestrator.pricing.matching import bare, dashed_date, matches
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
        self._strict: Mapping[str, list[str]] = data.get("strict_places", {})
        self._priced_by_place: set[str] = set()
        self._sellers = {name.partition("/")[0] for name in self._rows}
        self._found: dict[tuple[str, str, str | None], PriceRow | None] = {}
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
        names = self._names = {name.lower(): name for name in reversed(list(self._rows))}
        for name, row in self._rows.items():
            vendor = name.partition("/")[0]
            place = row.get("at")
            if place and f"/{place}/" in name and not self._is_strict(vendor, place):
                self._priced_by_place.add(name.lower().replace(f"/{place}/", "/", 1))
            for id_ in row.get("ids", ()):
                names.setdefault(f"{vendor}/{id_}", name)
            for rule in row.get("rules", ()):
                self._rules.setdefault(vendor, []).append((rule, name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[str]:
        """Names of all rows with prices, `vendor/model`."""
        return (name for name, row in self._rows.items() if not row.get("unpriced"))

    def find(self, vendor: str, model: str, place: str | None = None) -> PriceRow | None:
        """The row for a model id as sent to, or returned by, a vendor; None if the book has no price for it.

        Looks for the id itself first, then goes by the sources' rules for dated snapshots and aliases.

        Args:
            vendor: by the book's name or another usual one.
            model: the id.
            place: where requests are processed, in the vendor's words (`eu`, `us-gov-west-1`, `global`); None if
                that makes no difference to the price.
        """
        key = (vendor, model, place)
        row = self._found.get(key, _MISSING)
        if row is _MISSING:
            row = self._look_up(vendor, model, place)
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            self._found[key] = row
        return row  # type: ignore[no-any-return]

    def _look_up(self, vendor: str, model: str, place: str | None) -> PriceRow | None:
        name = (self._at(vendor, model, place) if place else None) or self.resolve(vendor, model)
        row = self._rows[name] if name is not None else None
        if name is None or row is None or row.get("unpriced"):
            return None
        if place and "at" not in row and not self._holds_at(vendor, model, place):
            return None
        return PriceRow(name, row, book=self.version, source=row.get("source", "genai-prices"), place=place)

    def _at(self, vendor: str, model: str, place: str) -> str | None:
        """The row of that one place, by the id itself: rules do not know of places."""
        model = bare(model.lower())
        ids = (f"{self._vendor(vendor)}/{place}/{id_}" for id_ in (model, dashed_date(model)))
        return next((self._names[id_] for id_ in ids if id_ in self._names), None)

    def _holds_at(self, vendor: str, model: str, place: str) -> bool:
        """Whether the usual price is that of a place without a row: not where it never is, nor of a model whose price
        is known to depend on the region, unless both are in the United States.
        """
        vendor = self._vendor(vendor)
        by_place = f"{vendor}/{bare(model.lower())}" in self._priced_by_place
        return not self._is_strict(vendor, place) and (not by_place or place.startswith("us-"))

    def _is_strict(self, vendor: str, place: str) -> bool:
        return place.startswith(tuple(self._strict.get(vendor, ())))

    def _vendor(self, name: str) -> str:
        return self._vendors.get(name.lower(), name.lower())

    def resolve(self, vendor: str, model: str) -> str | None:
        """Name of the row that speaks for a model, be it only to say that the model has no price we can tell."""
        vendor, model = self._vendor(vendor), bare(model.lower())
        head, _, host = model.rpartition(":")
        if f"{vendor}_{host}" in self._sellers:  # Hugging Face's router, `model:host`
            vendor, model = f"{vendor}_{host}", head
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
