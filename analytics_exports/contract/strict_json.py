"""Parsing JSON in the one way that all parsers agree on: whatever they disagree on is rejected (I-JSON, RFC 7493).

Numbers with a decimal point or an exponent keep their digits, as ``Decimal``.
"""

import json
from decimal import Decimal
from typing import Any


def loads(text: bytes | str) -> Any:  # noqa: ANN401 - JSON
    """The value of ``text``.

    Raises:
        ValueError: it is not JSON in UTF-8, has a duplicate member, NaN or Infinity, or is nested too deeply.
    """
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(decoded, object_pairs_hook=_members, parse_constant=_refuse, parse_float=Decimal)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("A member is named twice.")
    return members


def _refuse(_: str) -> Any:  # noqa: ANN401 - never returns
    raise ValueError("NaN and Infinity are not JSON.")
