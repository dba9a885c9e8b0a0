"""The back office's kind of correction: a new grant for a customer, which needs a second person as other changes of money do."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from backoffice.customers.rows import make_customer
from backoffice.models import Customer
from credits import services
from credits.choices import Category, UnitType
from credits.correction_kinds import NEVER_EXPIRES, opened_entry
from kernel.corrections.kinds import CorrectionInput, FormField, Kind, PostedEntry, register
from kernel.ledger.errors import InvalidValue
from kernel.ledger.money import finer_than_currency, in_words

FIELDS = (
    FormField("name", "Name of the grant", help="The customer's statement shows it."),
    FormField("amount", "Amount", type="positive_amount", help="In the currency, or in units of the metric."),
    FormField("currency", "Currency", type="currency", help="ISO 4217, like USD. Of a metric: what its units cost is in this currency."),
    FormField("metric_id", "Metric", is_required=False, help="For units instead of money. Empty: money."),
    FormField("category", "Category", type="choice", choices=tuple(Category.choices)),
    FormField("cost_of_credit", "What the customer paid for it", type="amount_or_zero", is_required=False, help="Empty: not said."),
    FormField("effective_date", "First day, in UTC", type="date", is_required=False, help="Empty: today."),
    FormField("expiry_date", "Last day, in UTC", type="date", is_required=False, unless=NEVER_EXPIRES.name),
    NEVER_EXPIRES,
)


def grant(correction: CorrectionInput) -> list[PostedEntry]:
    """Make a grant for the customer. Raises InvalidValue."""
    facts = correction.facts
    amount = Decimal(facts["amount"])
    if amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive", value=amount)
    customer = Customer.objects.get(tenant_id=correction.tenant_id, pk=correction.target_id)
    opened = services.create_grant(
        **correction.audit_context,
        customer_id=customer.customer_id,
        name=facts["name"],
        unit_type=UnitType.METRIC if "metric_id" in facts else UnitType.CURRENCY,
        currency=facts["currency"],
        metric_id=facts.get("metric_id"),
        amount=amount,
        cost_of_credit=Decimal(facts["cost_of_credit"]) if "cost_of_credit" in facts else None,
        category=facts["category"],
        effective_date=_day(facts.get("effective_date")),
        expiry_date=_day(facts.get("expiry_date")),
        idempotency_key=correction.key,
    )
    name = f"New grant of {customer.customer_id}"
    return [opened_entry(correction, opened.row, what=f"Opens {opened.row.name}", label="backoffice.customer", name=name)]


def cautions(tenant_id: UUID, target_ids: Sequence[UUID], facts: Mapping[str, str]) -> list[str]:
    """What is unusual of the grant: its cost, its first day, its decimals."""
    found, amount, currency = [], Decimal(facts["amount"]), facts["currency"]
    is_money = "metric_id" not in facts
    cost, first = Decimal(facts.get("cost_of_credit", "0")), _day(facts.get("effective_date"))
    if is_money and cost > amount:
        found.append(f"The customer paid {in_words(cost, currency)} for {in_words(amount, currency)}.")
    if first is not None and first < timezone.now().astimezone(UTC).date():
        found.append(f"It begins on {first}, which is over.")
    finer = [finer_than_currency(amount, currency) if is_money else "", finer_than_currency(cost, currency)]
    return [*found, *(sentence for sentence in finer if sentence)]


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


register(
    Kind(
        code="backoffice.grant",
        model_label="backoffice.customer",
        title="New grant",
        description="Gives the customer credit, as a grant of its own.",
        post=grant,
        cautions=cautions,
        fields=FIELDS,
        takes_many=False,
        icon="add_card",
        phrase="give a new grant to {rows}",
        make_row=make_customer,
    )
)
