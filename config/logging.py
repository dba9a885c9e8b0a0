"""How a line of the log is written where machines read it: one JSON object."""

import logging
from typing import Any

import msgspec
import structlog


class JsonLines(structlog.stdlib.ProcessorFormatter):
    """structlog's own formatter; what its processors would leave as it is, nearly every line, is encoded without them."""

    encode = msgspec.json.Encoder(enc_hook=repr).encode

    def __init__(self, **kwargs: Any) -> None:
        processors: list[Any] = [self.remove_processors_meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        super().__init__(processors=processors, **kwargs)

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) and "exc_info" not in record.msg:
            try:
                return self.encode(record.msg).decode()
            except (TypeError, ValueError, UnicodeError):
                pass  # A lone surrogate, say: slower, but everything has a form there.
        return super().format(record)
