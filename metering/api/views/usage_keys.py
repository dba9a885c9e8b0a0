"""The views of /v1/analytics/keys: the members of documents that questions about usage may group by."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from metering import services
from metering.api.serializers.usage_groups import UsageKeyReply, UsageKeyRequest
from metering.api.views.base import MeteringViewSet
from metering.selectors import usage_keys


class UsageKeyViewSet(MeteringViewSet):
    @operation(summary="List declared keys", reply=UsageKeyReply, paged=True, query=None)
    def list(self, request: HttpRequest) -> HttpResponse:
        """The members of `qualifiers` and `metadata` that usage can be grouped and filtered by."""
        rows = usage_keys.query_usage_keys(tenant_id=self.caller.tenant_id)
        return self.page(UsageKeyReply, rows, limit=services.MAX_KEYS, written=lambda found: map(usage_keys.to_row, found))

    @operation(summary="Declare a key", body=UsageKeyRequest, reply=UsageKeyReply, status=201, refuses=("key_exists", "too_many_keys"))
    def create(self, request: HttpRequest) -> HttpResponse:
        """Transactions are counted by the key from now on, and a job counts those that are there already. Until it is done, questions that
        use the key begin with `countsFrom` or later. At most 8 keys."""
        key = services.declare_key(**self.audit_context(), **self.read(UsageKeyRequest))
        return self.reply(UsageKeyReply, usage_keys.to_row(key), status=201)

    @operation(summary="Withdraw a key", reply=UsageKeyReply)
    def withdraw(self, request: HttpRequest, key_id: UUID) -> HttpResponse:
        """Usage is no longer counted by the key. Declared again, it is counted anew."""
        return self.reply(UsageKeyReply, usage_keys.to_row(services.withdraw_key(**self.audit_context(), key_id=key_id)))
