"""Fields of query strings that several APIs have: the limit of a page, and the end of a span of time."""

from datetime import datetime, timedelta
from typing import Any

from kernel.api.fields import Integer, Timestamp
from kernel.api.pagination import DEFAULT_ROWS, MAX_ROWS
from kernel.api.problems import Refused


class PageLimit(Integer):
    """The `limit` of a list: how many rows a page has at most."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ROWS, required=False, default=DEFAULT_ROWS, **kwargs)


class Until(Timestamp):
    """The end of a span: a bare day counts as a whole."""

    def parse_text(self, text: str) -> datetime:
        moment = self.parse(text)
        try:
            return moment + timedelta(days=1) if len(text) == len("2024-01-31") else moment
        except OverflowError as error:
            raise Refused("bad_timestamp") from error
