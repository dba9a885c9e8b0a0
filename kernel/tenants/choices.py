"""What a key may be allowed to do: each ledger to read, each to write."""

LEDGERS = ("billing", "metering", "credits")
SCOPES = tuple(f"{ledger}:{right}" for ledger in LEDGERS for right in ("read", "write"))
