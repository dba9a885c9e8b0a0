"""A model field for a customer's own JSON, which is stored and returned key for key and digit for digit."""

from typing import Any

from django.db import models


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
