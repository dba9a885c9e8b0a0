"""The signed change of a grant's balance by a transaction, in querysets."""

from django.db.models import Case, F, When

from credits.choices import TransactionType
from kernel.ledger.money import MoneyField

EFFECT = Case(When(type=TransactionType.CREDIT, then=F("amount")), default=-F("amount"), output_field=MoneyField())
