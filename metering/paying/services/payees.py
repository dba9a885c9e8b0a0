"""Whom payments pay: tenants under the names that their resources ask to be paid to, and what they have collected."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

import billing.services
from kernel.base.setting_author import setting_author
from kernel.ledger import queries
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.identifiers import new_id
from metering.paying import selectors
from metering.paying.errors import PayToTaken
from metering.paying.models import Collection, Payee

REVENUE = "revenue"
MAX_LENGTH = 255
PAGE = 500


@translate_db_errors
def set_payee(*, tenant_id: UUID, actor: str, request_id: str, pay_to: str) -> Payee:
    """Let a tenant collect what is paid to this name. Repeating the call changes nothing. Raises InvalidValue, PayToTaken."""
    if not pay_to or len(pay_to) > MAX_LENGTH or not pay_to.isascii() or not pay_to.isprintable() or pay_to != pay_to.strip():
        raise InvalidValue(field="pay_to", reason="text_syntax", value=pay_to)
    with transaction.atomic(), setting_author(actor=actor, request_id=request_id):
        # One at a time, so that no two tenants get one name.
        queries.fetch_rows("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", ["countinghouse/payees"])
        payee = Payee.objects.filter(pay_to=pay_to).first()
        if payee is not None and payee.tenant_id != tenant_id:
            raise PayToTaken(pay_to=pay_to)
        if payee is None:
            payee = Payee(id=new_id(), tenant_id=tenant_id, pay_to=pay_to, actor=actor)
            payee.save(force_insert=True)
    return payee


def post_collections(*, actor: str, request_id: str) -> int:
    """Post what was collected to the wallets of those whom it pays, as revenue; how many. The reference names the payment: what is posted
    again, because the mark was lost, is a replay."""
    posted, last = 0, None
    while due := selectors.list_due_collections(after=last, limit=PAGE):
        last = due[-1]
        for collection in due:
            billing.services.record_transaction(
                tenant_id=collection["payee_tenant_id"],
                actor=actor,
                request_id=request_id,
                type=REVENUE,
                reference_id=f"payment:{collection['payment_id']}",
                amount=collection["amount"],
                currency=collection["currency"],
            )
            keys = {"tenant_id": collection["tenant_id"], "id": collection["id"], "posted_at": None}
            posted += Collection.objects.filter(**keys).update(posted_at=Now())
    return posted
