"""The end of a span of time in a query string."""

from datetime import datetime, timedelta

from kernel.api.fields import Timestamp
from kernel.api.problems import Refused


class Until(Timestamp):
    """The end of a span: a bare day counts as a whole."""

    def parse_text(self, text: str) -> datetime:
        moment = self.parse(text)
        try:
            return moment + timedelta(days=1) if len(text) == len("2024-01-31") else moment
        except OverflowError as error:
            raise Refused("bad_timestamp") from error
