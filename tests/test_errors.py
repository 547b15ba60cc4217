"""The error tree: as drawn, complete, picklable, and free of secrets."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

import orchestrator
import orchestrator.errors
import orchestrator.testing
import orchestrator.types
from orchestrator.errors import (
    AllDeploymentsFailed,
    CallTimeout,
    ConfigError,
    OrchestratorError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from orchestrator.spec.auth import Secret
from orchestrator.types import Attempt, Usage

CLASSES = [one for one in vars(orchestrator.errors).values() if isinstance(one, type) and issubclass(one, Exception)]
COMMON = {
    "provider": "p", "deployment": "d", "status": 429, "vendor_code": "slow_down", "request_id": "r", "retryable": True,
    "retry_after": 1.5, "scope": "provider", "maybe_billed": True,
    "attempts": (Attempt(number=1, deployment="d", provider="p", model="m", duration_ms=1.0),),
}  # fmt: skip
OWN = {
    CallTimeout: {"kind": "stall"},
    ConfigError: {"file": "f.yaml", "line": 3, "key": "routes.answer", "files": ("f.yaml",)},
    StreamInterrupted: {"text": "so far", "usage": Usage(input_tokens=1), "reply": None, "cause": ServerError("down")},
    AllDeploymentsFailed: {"causes": (RateLimited("a", retry_after=2.0), ServerError("b"))},
}


def make(cls):
    return cls("what happened", **COMMON, **OWN.get(cls, {}))


def test_tree_is_as_drawn():
    """The tree in the module's docstring is the tree of the classes: names, order of descent, nothing left out."""
    drawn, path = {}, {}
    for line in orchestrator.errors.__doc__.splitlines():
        found = re.match(r"    ([│ ]*)(?:[├└]── )?([A-Z]\w+)\b", line)
        if found:
            depth = len(found[1]) // 4 + (1 if "──" in line else 0)
            path[depth] = found[2]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"
    assert drawn == {one.__name__: one.__bases__[0].__name__ for one in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_pickles_whole(cls):
    """Every error goes through pickle and copy with all it says: a worker's failure is readable in its parent."""
    error = make(cls)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is cls
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again).keys() == vars(error).keys()
        for name, value in vars(error).items():
            assert repr(getattr(again, name)) == repr(value)


@pytest.mark.parametrize("cls", CLASSES)
def test_attributes(cls):
    """What is given is kept, under its own name."""
    error = make(cls)
    for name, value in (COMMON | OWN.get(cls, {})).items():
        assert getattr(error, name) == value


@pytest.mark.parametrize("cls", CLASSES)
def test_plain_ones(cls):
    """A message is enough (and a timeout's kind); nothing is known then, and the class says whether to retry."""
    error = cls("x", **({"kind": "stall"} if cls is CallTimeout else {}))
    assert str(error) == "x"
    assert (error.provider, error.status, error.retry_after, error.attempts) == (None, None, None, ())
    assert error.retryable is cls.default_retryable
    assert error.scope == cls.default_scope


def test_text_says_where():
    """The text of an error holds what is needed to look it up: who, status, code, request id, hint, attempts."""
    tried = tuple(COMMON["attempts"][0] for _ in range(3))
    assert str(ServerError("down", provider="p", deployment="d", attempts=tried)) == (
        "down (provider=p, deployment=d, attempts=3)"
    )
    assert str(
        RateLimited("slow down", deployment="d", status=429, vendor_code="c", request_id="r", retry_after=2)
    ) == ("slow down (deployment=d, status=429, code=c, request_id=r, retry_after=2)")
    assert str(ConfigError("unknown key", file="f.yaml", line=3, key="routes")) == "f.yaml:3: routes: unknown key"
    assert str(ConfigError("unknown key", key="routes")) == "routes: unknown key"


def test_deadlines_are_final():
    """The call's own deadline is no reason to try again or elsewhere; the other timeouts are."""
    deadline = CallTimeout("x", kind="deadline")
    assert (deadline.retryable, deadline.scope) == (False, "request")
    for kind in ("connect", "first_token", "stall"):
        other = CallTimeout("x", kind=kind)
        assert (other.retryable, other.scope) == (True, "deployment")


def test_no_secret_in_any_text():
    """Neither text nor repr of an error shows a credential that it came to hold, nor can that travel."""
    secret = Secret(lambda: "sk-very-secret", source="env KEY")
    error = RateLimited("no", provider=secret, attempts=(secret,))
    assert "sk-very-secret" not in f"{error} {error!r} {vars(error)} {secret}"
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(error)


@pytest.mark.parametrize(
    "module",
    [orchestrator, orchestrator.errors, orchestrator.types, orchestrator.testing],
    ids=lambda one: one.__name__,
)
def test_exports_exist(module):
    """Every exported name is there, and the listing shows it."""
    names = (
        module.__all__ if hasattr(module, "__all__") else [name for name in vars(module) if not name.startswith("_")]
    )
    for name in names:
        assert getattr(module, name) is not None
        assert name in dir(module)


def test_package_exports_every_error_once():
    """`orchestrator` exports every error class, and its list is sorted without repetition."""
    assert {cls.__name__ for cls in CLASSES} <= set(orchestrator.__all__)
    assert orchestrator.__all__ == sorted(set(orchestrator.__all__))
    assert orchestrator.errors.__all__ == sorted(set(orchestrator.errors.__all__))
    assert {cls.__name__ for cls in CLASSES} <= set(orchestrator.errors.__all__)
    assert issubclass(RateLimited, OrchestratorError)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        orchestrator.Nothing  # noqa: B018


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_says_when_and_what_to_do(cls):
    """A docstring of its own: what happened in the first line, and what to do about it after that."""
    said = cls.__dict__.get("__doc__") or ""
    first, _, rest = said.partition("\n")
    assert first.strip().endswith((".", ","))
    assert len(rest.partition("Example:")[0].split()) >= 10, cls.__name__
