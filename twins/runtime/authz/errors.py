"""Errors: what OpenFGA's interface answers when it refuses a request.

Names and numbers are those of OpenFGA's `errors_ignore.proto`; the status follows from the number as in its
`encoded_errors.go`.
"""

from __future__ import annotations

from typing import Any

ABORTED = "Aborted"
NUMBERS = {
    "validation_error": 2000,
    "authorization_model_not_found": 2001,
    "authorization_model_resolution_too_complex": 2002,
    "invalid_write_input": 2003,
    "cannot_allow_duplicate_tuples_in_one_request": 2004,
    "invalid_continuation_token": 2007,
    "invalid_expand_input": 2010,
    "write_failed_due_to_invalid_input": 2017,
    "latest_authorization_model_not_found": 2020,
    "type_not_found": 2021,
    "relation_not_found": 2022,
    "invalid_tuple": 2027,
    "assertions_too_many_items": 2033,
    "tuple_key_value_not_specified": 2037,
    "page_size_invalid": 2039,
    "difference_base_missing_value": 2041,
    "subtract_base_missing_value": 2042,
    "object_too_long": 2043,
    "relation_too_long": 2044,
    "type_definitions_too_few_items": 2045,
    "type_invalid_length": 2046,
    "type_invalid_pattern": 2047,
    "relations_invalid_pattern": 2050,
    "query_string_type_continuation_token_mismatch": 2052,
    "exceeded_entity_limit": 2053,
    "invalid_authorization_model": 2056,
    "invalid_start_time": 2059,
    "internal_error": 4000,
    "undefined_endpoint": 5000,
    "store_id_not_found": 5002,
    "unimplemented": 5004,
}
GRPC_INVALID, GRPC_ABORTED, GRPC_INTERNAL, GRPC_NOT_FOUND = 3, 10, 13, 5


class Refused(Exception):
    """A request that is refused; `code` is OpenFGA's name of the error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status."""
        if self.code == ABORTED:
            return 409
        number = NUMBERS[self.code]
        return 400 if number < 3500 else 500 if number < 5000 else 404

    @property
    def grpc(self) -> int:
        """The gRPC code, which is all that a streamed answer tells."""
        if self.code == ABORTED:
            return GRPC_ABORTED
        number = NUMBERS[self.code]
        return GRPC_INVALID if number < 3500 else GRPC_INTERNAL if number < 5000 else GRPC_NOT_FOUND

    def to_json(self) -> dict[str, Any]:
        """The answer's body."""
        return {"code": self.code, "message": str(self)}


class TooDeep(Refused):
    """The rewrites go deeper than a request may."""

    def __init__(self) -> None:
        super().__init__(
            "authorization_model_resolution_too_complex",
            "Authorization Model resolution required too many rewrite rules to be resolved. "
            "Check your authorization model for infinite recursion or too much nesting",
        )


class ConditionFailed(Refused):
    """A tuple's condition cannot be evaluated."""

    def __init__(self, message: str) -> None:
        super().__init__("validation_error", message)


def invalid(message: str) -> Refused:
    """A request that does not fit."""
    return Refused("validation_error", message)
