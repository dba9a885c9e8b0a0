"""Where the objects of events have their pages: an event leads to what it is about."""

from collections.abc import Callable
from uuid import UUID

from django.urls import reverse
from django.utils.http import urlencode

from backoffice.customers.links import customer_url
from kernel.events.admin.labels import register_object_page
from kernel.events.ids import ENDPOINT, parse_ref
from kernel.ledger.admin.formatting import page_of

# By the first words of the type, or by the kind of the account.
LABELS = {
    "billing.transaction": "billing.transaction",
    "billing.hold": "billing.wallethold",
    "metering.transaction": "metering.transaction",
    "metering.cost": "metering.cost",
    "transaction": "metering.transaction",
    "credits.grant": "credits.grant",
    "grant": "credits.grant",
    "credits.transaction": "credits.credittransaction",
    "credits.hold": "credits.hold",
    "payment": "paying.payment",
    "spending_rule": "rules.spendingrule",
    "rule": "rules.spendingrule",
    "api_key": "tenants.apikey",
}


def _page(label: str) -> Callable[[UUID, str], str]:
    def page(tenant_id: UUID, identifier: str) -> str:
        try:
            return page_of(label, UUID(identifier))
        except ValueError:
            return ""

    return page


def _wallet(tenant_id: UUID, currency: str) -> str:
    """Events name a wallet by its currency: the list of that one, because a page would need a query for its id."""
    return f"{reverse('admin:billing_wallet_changelist')}?{urlencode({'tenant': str(tenant_id), 'currency': currency})}"


def _endpoint(tenant_id: UUID, reference: str) -> str:
    try:
        return page_of("events.endpoint", parse_ref(reference, ENDPOINT))
    except ValueError:
        return ""


for _words, _label in LABELS.items():
    register_object_page(_words, _page(_label))
for _words in ("billing.wallet", "wallet"):
    register_object_page(_words, _wallet)
for _words in ("credits.balance", "customer"):
    register_object_page(_words, customer_url)
register_object_page("webhook_endpoint", _endpoint)
