"""Schema: what the bodies of a slice must look like (JSON Schema 2020-12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from twins.runtime import codec
from twins.runtime.problems import Problem, invalid

LARGEST = 32 * 1024
MOST_ERRORS = 3
LONGEST_ERROR = 200
# The linear-time engine: no pattern can make a value slow to check.
PATTERNS = RegexOptions(size_limit=1024 * 1024, dfa_size_limit=1024 * 1024)


class Schema:
    """A compiled schema. References are only followed within the document.

    Raises:
        Problem: 422, it is too large or no JSON Schema.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        if len(codec.encode(document)) > LARGEST:
            raise invalid(f"`schema` has more than {LARGEST:,} bytes.")
        try:
            self._validator = Draft202012Validator(
                dict(document), offline=True, validate_formats=True, pattern_options=PATTERNS
            )
        except (ValidationError, ValueError) as error:
            reason = getattr(error, "message", str(error))
            raise invalid(f"`schema` is no JSON Schema 2020-12: {_short(reason)}.") from None

    def check(self, id_: str, body: Mapping[str, Any]) -> None:
        """Return when the body fits.

        Raises:
            Problem: 422; the detail names the object and for the first errors where, what and why not.
        """
        if not self._validator.is_valid(body):
            told = "; ".join(islice(self._errors(body), MOST_ERRORS))
            raise Problem(422, "schema", f"object {id_!r} does not fit the schema of its slice: {told}.")

    def _errors(self, body: Mapping[str, Any]) -> Iterator[str]:
        for error in self._validator.iter_errors(body):
            where = ".".join(map(str, error.instance_path))
            yield f"`{where}`: {_short(error.message)}" if where else _short(error.message)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_ERROR else f"{line[:LONGEST_ERROR]}…"
