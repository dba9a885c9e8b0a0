"""The tenant's own prices."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kernel.ledger.base_models import TenantOwned, tenant_foreign_key
from kernel.ledger.json_field import DocumentField
from kernel.ledger.money import MoneyField, is_finite
from metering.choices import TierMode


class Price(TenantOwned):
    """What a unit of a reported quantity costs, from one moment to another. Empty names match everything.

    A price is never edited: it is ended (`valid_to`) and a new one begins, so that a cost can always name the price it came from.
    """

    service_name = models.CharField(max_length=255, blank=True, default="")
    action_name = models.CharField(max_length=255, blank=True, default="")
    # A resource of the transaction, or a model named in its facts.
    resource_name = models.CharField(max_length=2048, blank=True, default="")
    currency = models.CharField(max_length=3, default="USD")
    # What each call costs, whatever it used.
    flat_amount = MoneyField(default=0, db_default=0)
    # What a call costs at least.
    minimum = MoneyField(default=0, db_default=0)
    # The share that is added to the public price of the model: 0.2 for 20 % more, -0.1 for 10 % less. Null: the units are the price.
    markup = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=128)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "service_name", "action_name", "resource_name", "valid_from"], name="metering_price_valid_from_key"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")), name="metering_price_valid_to_check"
            ),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="metering_price_currency_check"),
            is_finite(table="metering_price", field="flat_amount"),
            is_finite(table="metering_price", field="minimum"),
            models.CheckConstraint(condition=Q(flat_amount__gte=0, minimum__gte=0), name="metering_price_amounts_check"),
            models.CheckConstraint(
                condition=Q(markup__isnull=True) | Q(markup__gte=-1, markup__lte=1000), name="metering_price_markup_check"
            ),
        ]

    def __str__(self) -> str:
        return " / ".join(name or "any" for name in (self.service_name, self.action_name, self.resource_name))


class UnitPrice(TenantOwned):
    """One term of a price: `amount` for each `per` units of what the facts report under `fact_key` (dots lead into objects).

    `tiers`, where it isn't null, is a list of {"upTo", "amount"}, decimal texts, ascending; the last has no `upTo`. Graduated: the quantity
    up to each bound costs that tier's amount; volume: the whole quantity costs the amount of the tier that it ends in.
    """

    price = tenant_foreign_key("metering.Price", related_name="unit_prices")
    fact_key = models.CharField(max_length=255)
    amount = MoneyField()
    per = models.PositiveBigIntegerField(default=1)
    # A quantity that may be absent counts as zero then.
    is_optional = models.BooleanField(default=False)
    # True: every begun package of `per` units costs `amount`.
    is_package = models.BooleanField(default=False, db_default=False)
    tier_mode = models.CharField(max_length=16, choices=TierMode, blank=True, default="", db_default="")
    tiers = DocumentField(null=True, blank=True)
    # The fact_key of the unit that counts this quantity as well: it is billed here and taken out there. Empty: it is no part of another.
    part_of = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            is_finite(table="metering_unitprice", field="amount"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="metering_unitprice_amount_check"),
            models.CheckConstraint(condition=Q(per__gt=0), name="metering_unitprice_per_above_zero"),
            models.CheckConstraint(condition=Q(tier_mode__in=["", *TierMode.values]), name="metering_unitprice_tier_mode_check"),
            models.CheckConstraint(
                condition=Q(tier_mode="", tiers__isnull=True) | (~Q(tier_mode="") & Q(tiers__isnull=False)),
                name="metering_unitprice_tiers_check",
            ),
            models.UniqueConstraint(fields=["tenant", "price", "fact_key"], name="metering_unitprice_fact_key_key"),
        ]

    def __str__(self) -> str:
        return self.fact_key
