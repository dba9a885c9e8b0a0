"""The view of a tenant's balance and spend: what it has, and what it spends."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.schema import operation
from metering.api.serializers.spend import AccountSpendReply
from metering.api.views.base import MeteringViewSet
from metering.selectors.account_spend import get_account_spend


class AccountViewSet(MeteringViewSet):
    @operation(summary="Read an account's balance and spend", reply=AccountSpendReply)
    def spend(self, request: HttpRequest) -> HttpResponse:
        """The balance in USD, null without a wallet, and the active metered costs in USD of the last 24 hours, 7 days and 30 days, in whole
        hours. `burnPerDayUsd` is a seventh of the 7 days; `runwayDays` is how long the balance lasts at that rate, null where none is
        spent."""
        return self.reply(AccountSpendReply, {"data": get_account_spend(tenant_id=self.caller.tenant_id, now=timezone.now())})
