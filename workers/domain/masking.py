"""Secrets in what is shown to people: passwords and signatures in addresses, tokens, headers that carry credentials.

What strangers write is shown to operators, in terminals and logs: masked rather too much than too little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

MASK: Final = "***"
_WORDS: Final = r"passw(?:or)?d|passphrase|secret|token|credential|cookie|api[-_]?key|access[-_]?key|private[-_]?key"
_NAME: Final = re.compile(rf"(?i)authoriz|signature|session[-_]?id|(?:^|[-_])(?:sig|auth|key)$|{_WORDS}")
_NAMED: Final = (
    rf"(?P<kept>(?:{_WORDS}|authorization)[\w-]{{0,60}}[\"']?\s{{0,5}}[:=]\s{{0,5}}[\"']?(?:(?:bearer|basic)\s)?)"
    r"(?P<secret>[^\s\"',;&}]+)"
)
# Every run is bounded: what strangers write must not make the search slow.
_HIDDEN: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<kept>\b(?:bearer|basic)\s{1,5})(?P<secret>[\w.~+/=-]{8,})",
        # ://user:password@host, and the values of telling names in a query.
        r"(?P<kept>\b[a-z][a-z0-9+.-]{0,20}://)(?P<secret>[^/\s\"'<>?#]{1,500})(?=@)",
        rf"(?P<kept>[?&;][\w.%-]{{0,60}}(?:{_WORDS}|sig|auth|key|policy)[\w.%-]{{0,60}}=)(?P<secret>[^&;#\s\"'<>]+)",
        # A telling name, a colon or an equals sign, a value: JSON, a form, a log line.
        _NAMED,
    )
)


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name (of a header, of a field) is not shown at all."""
    return _NAME.search(name) is not None


def masked(text: str, hide: Callable[[str], str] = lambda _: MASK) -> str:
    """The text without its secrets; ``hide`` says what stands in place of one."""
    for pattern in _HIDDEN:
        text = pattern.sub(lambda found: found["kept"] + hide(found["secret"]), text)
    return text


def masked_values(value: Any) -> Any:
    """A JSON value without its secrets, at any depth."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {
            name: MASK if is_secret_name(str(name)) and isinstance(each, str) else masked_values(each)
            for name, each in value.items()
        }
    return [masked_values(each) for each in value] if isinstance(value, (list, tuple)) else value
