"""Whether a wallet may have a balance, given its floor: the database function that decides it, and its copy for plans."""

from decimal import Decimal

from kernel.ledger import queries


def floor_allows(*, balance: Decimal, held: Decimal, floor: Decimal | None) -> bool:
    """Calls billing_floor_allows (billing/sql/billing_floor_allows.sql), which every posting calls too."""
    statement = "SELECT billing_floor_allows(balance => %s::numeric, held => %s::numeric, floor => %s::numeric) AS allowed"
    allowed: bool = queries.fetch_rows(statement, (balance, held, floor))[0].allowed
    return allowed


def plan_floor_allows(*, balance: Decimal, held: Decimal, floor: Decimal | None) -> bool:
    """A copy of billing_floor_allows for the plan of a backfill, which decides millions of rows without the database.

    tests/billing/test_floor.py holds the two equal. Nothing that moves money may call this one.
    To change it: CONTRIBUTING.md, "To change the floor rule of wallets".
    """
    return floor is None or balance - held >= floor


def below_floor_in_words(balance: Decimal, *, held: Decimal, floor: Decimal | None) -> str:
    """What a plan says of a balance that the floor doesn't allow."""
    return f"would fall to {balance:f}, {f'of which {held:f} is held, ' if held else ''}its floor is {floor or Decimal(0):f}"
