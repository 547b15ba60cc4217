"""What is true of every model in this process, and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.spec.provider import Profile

__all__ = ["KIND", "MODELS", "PROFILE", "LocalModel"]

KIND = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A table of one vector per token, and how texts become tokens. A text's vector is the mean of its tokens'.

    Attributes:
        package: the import name of the package whose wheel holds the files; it is not imported.
        weights, tokenizer: files below the package's folder.
        tensor: name of the table inside the weights.
        dimensions: sizes a vector can be cut to without losing its meaning; the last is the whole.
    """

    package: str
    weights: str
    tokenizer: str
    tensor: str
    dimensions: tuple[int, ...]


MODELS: Mapping[str, LocalModel] = {
    # Trained so that the first numbers of a vector are a vector, too (Matryoshka); English.
    "wordllama/l2_supercat_256": LocalModel(
        package="wordllama",
        weights="weights/l2_supercat_256.safetensors",
        tokenizer="tokenizers/l2_supercat_tokenizer_config.json",
        tensor="embedding.weight",
        dimensions=(64, 128, 256),
    ),
}
"""By the name used in the file."""

PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"embed", "rerank"}),
    base_url="",
    key_required=False,
    free=True,
    otel_name=KIND,
)
