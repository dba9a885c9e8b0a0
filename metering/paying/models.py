"""The tables of paying: payments for metered transactions, the parts of each in credits and in the wallet, and who collects them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kernel.ledger.base_models import LedgerRow, TenantOwned, one_of, tenant_foreign_key, tenant_of_account
from kernel.ledger.json_field import DocumentField
from kernel.ledger.money import MoneyField, in_words, is_finite
from metering.paying.choices import OPEN_STATUSES, CallKind, LegKind, PaymentKind, PaymentStatus


class Payment(LedgerRow):
    """Money that is held for a transaction and then captured or released: credits of a customer first, the tenant's wallet next.

    `amount` is what was held, `captured` what was taken, perhaps in parts while the rest stays held. `unpaid` is what the transaction cost
    beyond that and nobody covered. From `hold_expires_at` on an open payment holds nothing. Written by the functions of metering/paying/sql
    alone.
    """

    tenant = tenant_of_account()
    transaction = tenant_foreign_key("metering.Transaction", related_name="payments")
    # The round of authorization in which it was placed.
    round = models.SmallIntegerField()
    kind = models.CharField(max_length=16, choices=PaymentKind)
    status = models.CharField(max_length=16, choices=PaymentStatus)
    # Whose credits pay.
    customer_id = models.CharField(max_length=255)
    # ISO 4217.
    currency = models.CharField(max_length=3)
    amount = MoneyField()
    captured = MoneyField(default=0)
    unpaid = MoneyField(default=0)
    # What pays it; all but `ledger` pay with other money, for which the wallet is held.
    payer = models.CharField(max_length=64, default="ledger", db_default="ledger")
    # Paid outside of the ledgers, and nobody has confirmed whether and how much: to be compared with the statement from there.
    is_unconfirmed = models.BooleanField(default=False, db_default=False)
    hold_expires_at = models.DateTimeField()
    # Why it was released by hand.
    reason = models.TextField(blank=True, default="")
    closed_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            is_finite(table="paying_payment", field="amount"),
            is_finite(table="paying_payment", field="captured"),
            is_finite(table="paying_payment", field="unpaid"),
            models.CheckConstraint(condition=Q(amount__gte=0, captured__gte=0, unpaid__gte=0), name="paying_payment_amount_check"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="paying_payment_currency_check"),
            models.CheckConstraint(condition=one_of("kind", PaymentKind.values), name="paying_payment_kind_check"),
            models.CheckConstraint(condition=one_of("status", PaymentStatus.values), name="paying_payment_status_check"),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, unpaid=0) & Q(status__in=OPEN_STATUSES)
                | Q(closed_at__isnull=False) & ~Q(status__in=OPEN_STATUSES),
                name="paying_payment_closed_check",
            ),
            # One in each currency: no estimate is paid for twice.
            models.UniqueConstraint(
                fields=["tenant", "transaction", "currency"], name="paying_payment_prepaid_key", condition=Q(kind=PaymentKind.PREPAID)
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="paying_payment_time"),
            models.Index(fields=["hold_expires_at"], name="paying_payment_open", condition=Q(status__in=OPEN_STATUSES)),
            models.Index(fields=["tenant"], name="paying_payment_unpaid", condition=Q(unpaid__gt=0)),
            models.Index(fields=["tenant"], name="paying_payment_unconfirmed", condition=Q(is_unconfirmed=True)),
        ]

    def __str__(self) -> str:
        return f"Payment of {in_words(self.amount, self.currency)}"


class PaymentLeg(TenantOwned):
    """A part of a payment. `amount` is what its hold reserved; a part that was debited beyond the holds has none and names its entry.

    `hold_id` is a hold of credits or of billing, `entry_id` a consumption of credits or a transaction of billing. Those ledgers' rows may
    be in another database one day, so no foreign key names them; the integrity checks compare both sides.
    """

    tenant = tenant_of_account()
    payment = tenant_foreign_key("paying.Payment", related_name="legs")
    # 1, 2, 3: the order in which the parts are taken.
    ordinal = models.SmallIntegerField()
    kind = models.CharField(max_length=16, choices=LegKind)
    hold_id = models.UUIDField(null=True, blank=True)
    entry_id = models.UUIDField(null=True, blank=True)
    amount = MoneyField()
    captured = MoneyField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["payment", "ordinal"]
        constraints = [
            is_finite(table="paying_paymentleg", field="amount"),
            is_finite(table="paying_paymentleg", field="captured"),
            models.UniqueConstraint(fields=["tenant", "payment", "ordinal"], name="paying_paymentleg_ordinal_key"),
            models.CheckConstraint(condition=one_of("kind", LegKind.values), name="paying_paymentleg_kind_check"),
            models.CheckConstraint(
                condition=Q(hold_id__isnull=False, entry_id__isnull=True, amount__gt=0, captured__lte=F("amount"), captured__gte=0)
                | Q(hold_id__isnull=True, entry_id__isnull=False, amount=0, captured__gt=0),
                name="paying_paymentleg_amount_check",
            ),
        ]

    def __str__(self) -> str:
        return f"Part {self.ordinal}: {self.get_kind_display()}"


class PaymentCall(LedgerRow):
    """One capture, extension or release of a payment by its own call: its key, its facts, and the payment after it. A repeated call is
    answered with it.
    """

    tenant = tenant_of_account()
    payment = tenant_foreign_key("paying.Payment", related_name="calls")
    kind = models.CharField(max_length=16, choices=CallKind)
    # What a capture took; zero for an extension and a release.
    amount = MoneyField()
    captured_after = MoneyField()
    # Until when the money was held before and after this call.
    expires_before = models.DateTimeField()
    expires_at = models.DateTimeField()
    # Whether this call ended the payment.
    is_final = models.BooleanField()
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    facts_digest = models.BinaryField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            is_finite(table="paying_paymentcall", field="amount"),
            models.CheckConstraint(condition=Q(amount__gte=0, captured_after__gte=F("amount")), name="paying_paymentcall_amount_check"),
            models.CheckConstraint(condition=one_of("kind", CallKind.values), name="paying_paymentcall_kind_check"),
            models.CheckConstraint(
                condition=Q(is_final=True) & ~Q(kind="extended") | Q(is_final=False, idempotency_key__isnull=False) & ~Q(kind="released"),
                name="paying_paymentcall_key_check",
            ),
            models.UniqueConstraint(fields=["tenant", "idempotency_key", "kind"], name="paying_paymentcall_idempotency_key_key"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {in_words(self.amount)}"


class PaymentToken(TenantOwned):
    """What whom a 402 pays presents to collect the payment: every fact of its token, from which the token is made again for a replay.

    The token itself isn't stored, only the SHA-256 of its nonce: who reads the database can't collect. `challenge` is the chosen option of
    the challenge, and what is echoed with it. From `expires_at` on it can't be presented for the first time.
    """

    tenant = tenant_of_account()
    payment = tenant_foreign_key("paying.Payment", related_name="tokens")
    # The round of authorization, of whose id and the signing key the nonce is made.
    authorization_id = models.UUIDField()
    network = models.CharField(max_length=255)
    scheme = models.CharField(max_length=16)
    pay_to = models.CharField(max_length=255)
    challenge = DocumentField()
    # The name of the signing key.
    key_id = models.CharField(max_length=64)
    nonce_digest = models.BinaryField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    presented_at = models.DateTimeField(null=True, blank=True)
    # What whom it pays collected, which may be nothing, and the id that it was answered with.
    settlement_id = models.UUIDField(null=True, blank=True)
    settled_amount = MoneyField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    # The id of a transfer outside of the ledgers, as the resource's receipt states it.
    receipt = models.CharField(max_length=255, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            is_finite(table="paying_paymenttoken", field="settled_amount"),
            models.UniqueConstraint(fields=["tenant", "payment"], name="paying_paymenttoken_payment_key"),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True, settled_amount__isnull=True, settlement_id__isnull=True)
                | Q(settled_at__isnull=False, settled_amount__gte=0, settlement_id__isnull=False),
                name="paying_paymenttoken_settled_check",
            ),
        ]

    def __str__(self) -> str:
        return f"Token for {self.pay_to}"


class PayerSetting(TenantOwned):
    """Whether a payer pays a tenant's challenges, and within which limits. Without a row the ledgers pay without limits, and no other payer
    pays: they pay with money outside of the ledgers, so that they need a row with a most or with names to pay to.
    """

    payer = models.CharField(max_length=64)
    is_enabled = models.BooleanField()
    # The most for one payment. Payments in another currency are refused then. Null: none.
    max_amount = MoneyField(null=True, blank=True)
    max_currency = models.CharField(max_length=3, blank=True, default="")
    # The networks, and the names in `payTo`, that may be paid. Empty: all that the payer knows.
    networks = ArrayField(models.CharField(max_length=255))
    pay_to = ArrayField(models.CharField(max_length=255))
    updated_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=128)

    class Meta:
        ordering = ["payer"]
        constraints = [
            is_finite(table="paying_payersetting", field="max_amount"),
            models.UniqueConstraint(fields=["tenant", "payer"], name="paying_payersetting_payer_key"),
            models.CheckConstraint(
                condition=Q(max_amount__isnull=True, max_currency="") | Q(max_amount__gt=0, max_currency__regex=r"^[A-Z]{3}$"),
                name="paying_payersetting_max_check",
            ),
            models.CheckConstraint(
                condition=Q(payer="ledger") | Q(is_enabled=False) | Q(max_amount__isnull=False) | ~Q(pay_to=[]),
                name="paying_payersetting_limited_check",
            ),
        ]

    def __str__(self) -> str:
        return f"Payer {self.payer} of {self.tenant}"


class Payee(TenantOwned):
    """A tenant that is paid under a name, `payTo` in the challenges of its resources. It alone may collect what is paid to that name:
    services.set_payee gives a name to one tenant.
    """

    pay_to = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=128)

    class Meta:
        ordering = ["pay_to"]
        constraints = [models.UniqueConstraint(fields=["tenant", "pay_to"], name="paying_payee_pay_to_key")]

    def __str__(self) -> str:
        return self.pay_to


class Collection(TenantOwned):
    """What a payment owes to the tenant that collected it. The row is the payer's: no posting spans two tenants.

    A job posts it to the payee's wallet as revenue, under a reference with the payment's id, so that it is posted once, at `posted_at`.
    """

    tenant = tenant_of_account()
    payment = tenant_foreign_key("paying.Payment", related_name="collections")
    payee_tenant_id = models.UUIDField()
    pay_to = models.CharField(max_length=255)
    # ISO 4217.
    currency = models.CharField(max_length=3)
    amount = MoneyField()
    created_at = models.DateTimeField()
    posted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            is_finite(table="paying_collection", field="amount"),
            models.UniqueConstraint(fields=["tenant", "payment"], name="paying_collection_payment_key"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="paying_collection_amount_check"),
        ]
        indexes = [
            models.Index(fields=["payee_tenant_id", "created_at", "id"], name="paying_collection_payee"),
            models.Index(fields=["created_at"], name="paying_collection_due", condition=Q(posted_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{in_words(self.amount, self.currency)} to {self.pay_to}"
