"""A model field for a customer's own JSON, which is stored and returned key for key and digit for digit; and a decoder of exact numbers."""

import json
from decimal import Decimal
from typing import Any

from django.db import models


class ExactDecoder(json.JSONDecoder):
    """Numbers with decimals become Decimals: a float would lose digits of an amount. For `models.JSONField(decoder=...)`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"parse_float": Decimal})


class DocumentField(models.TextField):
    """A `json` column, which stores the text that was sent; `jsonb` would re-order keys and re-write numbers.

    Python sees the text itself, never parsed values: a float on the way would lose digits.
    """

    def db_type(self, connection: Any) -> str:
        return "json"

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Selects text: the driver would parse a json column."""
        return f"({sql})::text", params

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "%s::json"
