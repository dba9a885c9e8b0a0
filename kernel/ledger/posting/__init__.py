"""Calls of the ledgers' SQL functions. Services use these names; the modules inside call downward only: statements use batching."""

from kernel.ledger.posting.statements import close_on_loop, encoded, encoded_with, post, post_one, run

__all__ = ["close_on_loop", "encoded", "encoded_with", "post", "post_one", "run"]
