"""The base of the errors that services raise. An error carries a code and facts; words and HTTP status belong to each API's dialect."""

from typing import Any


class DomainError(Exception):
    """The base of every error that a service raises on purpose: `code` names it, `facts` are its details. No sentence, no HTTP status."""

    code = "refused"

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.code, facts)
        self.facts = facts

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code} ({facts})" if facts else self.code
