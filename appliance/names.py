"""Names that people give to things, and names of hosts and domains."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

_PLAIN: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?\Z")
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")


def plain_name(text: str) -> str:
    """Give the canonical (lower-case) form of a pool's, profile's, token's or administrator's name.

    Raises:
        ValueError: it cannot be one.
    """
    name = text.strip().lower()
    if not _PLAIN.match(name):
        raise ValueError("a name is made of letters, digits, dots, hyphens and underscores, at most 64")
    return name


def domain_name(text: str) -> str:
    """Give the canonical form of a domain name.

    Raises:
        ValueError: it is not one.
    """
    name = text.strip().rstrip(".").lower()
    if not _DOMAIN.match(name):
        raise ValueError(f"{text!r} is not a domain name")
    return name


PlainName = Annotated[
    str, AfterValidator(plain_name), Field(description="Letters, digits, dots, hyphens, underscores; lower case.")
]
DomainName = Annotated[str, AfterValidator(domain_name)]
