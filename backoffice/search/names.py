"""What a part of a name means in a search: `agent:writ` is every agent with it in its name, `customer:lovel` every such customer."""

import re

from backoffice.customers.id_search import customers_beginning_with
from backoffice.models import Customer
from billing.choices import SHIPPED_TYPES
from billing.models import TransactionType
from kernel.ledger.admin.search_terms import folded
from kernel.ledger.admin.searching import register_name
from kernel.ledger.admin.text_conditions import has
from kernel.tenants.staff_scope import VisibleTenants
from metering.models import Agent

# Names that a part may mean.
MAX_NAMES = 20


def agents(text: str, scope: VisibleTenants) -> list[str]:
    """Names of agents that have the text in their name or label."""
    return list(scope.limit(Agent.objects.filter(has(("name", "label"), text))).values_list("name", flat=True)[:MAX_NAMES])


def customers(text: str, scope: VisibleTenants) -> list[str]:
    """Ids of customers whose name has the text in it, or whose id does or begins with it."""
    named = scope.limit(Customer.objects.filter(has(("name", "customer_id"), text)))
    return list(
        dict.fromkeys(
            [*named.values_list("customer_id", flat=True)[:MAX_NAMES], *(row[1] for row in customers_beginning_with(text, scope))]
        )
    )


def types(text: str, scope: VisibleTenants) -> list[str]:
    """Codes of billing's types that have the text in their label, by a tenant of its own or by everybody; or whose code is that."""
    return [code for code, _ in _types(text, scope)]


def types_called(text: str, scope: VisibleTenants) -> list[str]:
    """The same for a whole label: `service fee` is `service_fee`."""
    return [code for code, label in _types(text, scope) if folded(text) in (folded(label), folded(code))]


def _types(text: str, scope: VisibleTenants) -> list[tuple[str, str]]:
    own = scope.limit(TransactionType.objects.filter(has(("label",), text), is_catalogued=True))
    shipped = [(code, label) for code, (label, _) in SHIPPED_TYPES.items() if folded(text) in folded(label) or folded(text) == code]
    # A code that has no label is shown as its words.
    code = re.sub(r"[\s-]+", "_", text.strip().lower())
    return [*shipped, (code, text), *own.values_list("code", "label").order_by("code").distinct()[:MAX_NAMES]]


register_name("type", types)
register_name("type_is", types_called)
register_name("agent", agents)
register_name("customer", customers)
