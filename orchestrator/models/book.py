"""The model book: loaded once, when first asked.

Two files make it. `families.json` is written by hand: `vendors` (facts that hold for all models of a vendor) and
`lines` (see `families`). `book.json` is made by `scripts/build_model_book.py` from two public books: `models` by
canonical name, as their makers serve them; `served`, by vendor, what a vendor serves otherwise; `retirements` by
vendor, since each retires models on days of its own; `vendors`, their other names.

Facts have the names of `ModelProfile`; media are words (`image`, `audio`, `video`, `pdf`). A later layer's fact beats
an earlier one's: vendor, line, generation, model, model as this vendor serves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from orchestrator.errors import ConfigError
from orchestrator.models.facts import overlaid
from orchestrator.models.families import Families
from orchestrator.models.names import canonical, undated
from orchestrator.spec.models import ModelProfile

__all__ = ["ModelBook", "bundled"]

_CACHE_SIZE = 4096
_EMPTY: Mapping[str, Any] = {}


class ModelBook:
    """Facts about many models. Safe to use from any thread.

    Attributes:
        version: date and digest of the compiled part.
        sources: one mapping per source, with `package`, `version` and `date`.
    """

    def __init__(self, families: Mapping[str, Any], rows: Mapping[str, Any]) -> None:
        self.version: str = rows["version"]
        self.sources: tuple[Mapping[str, str], ...] = tuple(rows["sources"])
        self._aliases: Mapping[str, str] = rows["vendors"]
        self._models: Mapping[str, Mapping[str, Any]] = rows["models"]
        self._served: Mapping[str, Mapping[str, Mapping[str, Any]]] = rows["served"]
        self._retirements: Mapping[str, Mapping[str, str]] = rows["retirements"]
        self._vendors: Mapping[str, Mapping[str, Any]] = families["vendors"]
        self._families = Families(families["lines"])
        self._found: dict[tuple[str, str], ModelProfile] = {}

    @classmethod
    def read(cls, folder: str | Path) -> ModelBook:
        """Load a book from the folder of its two files.

        Raises:
            ConfigError: they are not there, or are no model book.
        """
        try:
            families, rows = (orjson.loads(Path(folder, name).read_bytes()) for name in ("families.json", "book.json"))
            return cls(families, rows)
        except OSError as error:
            raise ConfigError(f"the model book cannot be read: {error.strerror}", file=str(folder)) from error
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ConfigError("the folder holds no model book", file=str(folder)) from error

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(vendor, canonical name) of the compiled rows; the vendor is empty for what holds whoever serves it."""
        yield from (("", name) for name in self._models)
        yield from ((vendor, name) for vendor, rows in self._served.items() for name in rows)

    def sells(self, vendor: str) -> bool:
        """Whether anything is known of that vendor."""
        name = vendor.lower()
        return any(name in names for names in (self._aliases, self._served, self._retirements, self._vendors))

    def find(self, vendor: str, model: str) -> ModelProfile:
        """What is known of a model, as this vendor serves it. Never raises; an unknown name has an empty profile.

        Args:
            vendor: a provider kind, or a vendor of the price book.
            model: its name as sent to that vendor, or as others write it.
        """
        key = (vendor, model)
        profile = self._found.get(key)
        if profile is None:
            profile = overlaid(ModelProfile(), self.facts(vendor, model))
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            self._found[key] = profile
        return profile

    def facts(self, vendor: str, model: str) -> dict[str, Any]:
        """All layers merged, in the words of the files."""
        merged: dict[str, Any] = {}
        for layer in self.layers(vendor, model):
            merged.update(layer)
        return merged

    def layers(self, vendor: str, model: str) -> tuple[Mapping[str, Any], ...]:
        """Facts of the vendor, the family, the model, and the model at this vendor; each empty if there are none."""
        vendor, desk = self._vendor(vendor.lower())
        name = canonical(model)
        family, facts = self._families.find(name)
        family_facts = {"family": family, **facts} if family else _EMPTY
        own = _row(self._served.get(vendor, _EMPTY), name)
        retires_on = desk.get(name)
        if retires_on is not None:
            own = {**own, "retires_on": retires_on}
        return self._vendors.get(vendor, _EMPTY), family_facts, _row(self._models, name), own

    def _vendor(self, name: str) -> tuple[str, Mapping[str, str]]:
        """The vendor of that name, and its retirements: those of the name itself where it sells models in two places.

        Google retires a model on Vertex and in its own API on different days; all else is the same in both.
        """
        names = [name]
        while (name := self._aliases.get(name, "")) and name not in names:
            names.append(name)
        return names[-1], next((self._retirements[one] for one in names if one in self._retirements), _EMPTY)


def _row(rows: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    found = rows.get(name)
    return found if found is not None else rows.get(undated(name), _EMPTY)


_lock = Lock()
_bundled: ModelBook | None = None


def bundled() -> ModelBook:
    """The book that comes with the package, read when first asked for."""
    global _bundled
    if _bundled is None:
        with _lock:
            if _bundled is None:
                _bundled = ModelBook.read(Path(__file__).parent)
    return _bundled
