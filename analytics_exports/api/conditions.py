"""Conditional requests of RFC 9110: what If-Match, If-None-Match and If-Range mean for a strong entity tag."""

import re
from collections.abc import Iterator

from starlette.datastructures import Headers

ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def refused(headers: Headers, etag: str) -> bool:
    """Whether If-Match asks for another version than this one."""
    given = headers.getlist("if-match")
    return bool(given) and "*" not in given and (False, etag) not in _tags(given)


def unchanged(headers: Headers, etag: str) -> bool:
    """Whether If-None-Match names this version: the caller has it already."""
    given = headers.getlist("if-none-match")
    return "*" in given or etag in {tag for _, tag in _tags(given)}


def ranged(headers: Headers, etag: str) -> bool:
    """Whether a Range applies: there is no If-Range, or it names this version. A date never does."""
    given = headers.getlist("if-range")
    return not given or list(_tags(given)) == [(False, etag)]


def _tags(values: list[str]) -> Iterator[tuple[bool, str]]:
    """Each entity tag of a header: whether it is weak, and the tag with its quotes."""
    for match in ENTITY_TAG.finditer(",".join(values)):
        yield match[1] is not None, f'"{match[2]}"'
