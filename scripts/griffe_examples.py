"""For the API reference: a docstring's `Example:` is read as the code that it is, not as a paragraph."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class ExampleSections(Extension):
    """Calls the section by the one name that the reader of docstrings knows."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """See `griffe.Extension`."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
