"""/credits/{customerId}/balance-alerts"""

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api.filters import AlertQuery
from credits.api.serializers.alerts import AlertReply, AlertRequest
from credits.api.views.base import CreditsViewSet
from kernel.api.schema import operation


class AlertViewSet(CreditsViewSet):
    @operation(summary="List the balance alerts of a customer", query=AlertQuery, reply=AlertReply, paged=True)
    def list(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Returns the balances below which the customer is low, one for each currency and metric that has one."""
        rows = selectors.list_balance_alerts(tenant_id=self.caller.tenant_id, customer_id=customer_id)
        return self.page(AlertReply, rows, **self.query(AlertQuery))

    @operation(summary="Set the balance alert of a customer", body=AlertRequest, reply=AlertReply, refuses=("invalid_value",))
    def set_alert(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Sets the balance below which the customer is low in one currency or metric, counted over all grants that can be drawn on.

        A balance that is below it already isn't announced; the next crossing is. The events are credits.balance.low and
        credits.balance.recovered.
        """
        body = self.read(AlertRequest)
        alert = services.set_balance_alert(**self.audit_context(), customer_id=customer_id, **body)
        rows = selectors.list_balance_alerts(tenant_id=self.caller.tenant_id, customer_id=customer_id)
        return self.reply(AlertReply, rows.get(id=alert.id))
