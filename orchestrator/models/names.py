"""One spelling for a model's name, whoever serves it."""

from __future__ import annotations

import re

__all__ = ["canonical", "undated"]

# Bedrock: `us.anthropic.claude-x-v1:0`, `meta.llama3-1-8b-instruct-v1:0`. DeepSeek's names there begin with its own.
_REGION = re.compile(r"^(?:us|eu|apac|jp|au|ca|sa|me|us-gov|global|regional)\.(?=[a-z])", re.ASCII)
_SELLER = re.compile(
    r"^(?:ai21|amazon|anthropic|cohere|google|meta|minimax|mistral|moonshotai|moonshot|nvidia|openai|qwen|writer|zai)\.",
    re.ASCII,
)
_EDITION = re.compile(r"(?:-v1|(?<=\d)-v\d+):\d+$", re.ASCII)
_DECIMAL = re.compile(r"(?<=\d)p(?=\d)", re.ASCII)  # Fireworks: `llama-v3p3-70b`
_DATE = re.compile(r"-(?:20\d\d-?\d\d-?\d\d|latest)$", re.ASCII)
_SEPARATORS = str.maketrans("._", "--")


def canonical(model: str) -> str:
    """The name without path, region, seller, edition, tag and organisation; lower case, words joined by dashes.

    `anthropic/claude-haiku-4.5`, `us.anthropic.claude-haiku-4-5-v1:0` and `claude-haiku-4-5@default` are all
    `claude-haiku-4-5`; `claude-haiku-4-5@20251001` keeps its date.
    """
    name = model.strip().lower().rsplit("/", 1)[-1].removeprefix("ft:")
    name = _SELLER.sub("", _REGION.sub("", name))
    name = _EDITION.sub("", name).partition(":")[0]
    return _DECIMAL.sub("-", name.replace("@", "-")).translate(_SEPARATORS).removesuffix("-default")


def undated(name: str) -> str:
    """A canonical name without the date, or the `latest`, of a snapshot."""
    return _DATE.sub("", name)
