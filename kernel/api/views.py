"""The base class of every API view: reads requests, writes replies and errors in its dialect. An app's method calls a service.

Uses REST framework's ViewSet only for dispatch, routing and the OpenAPI document. Parsing, negotiation and rendering are ours: they would
cost more than the posting itself (docs/performance.md). The body stays bytes until a Body reads it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

import msgspec
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.viewsets import ViewSet

from kernel.api import body_limits, json, serializers
from kernel.api.amounts import as_text
from kernel.api.authentication import SAFE_METHODS, KeyAuthentication, authenticate, authorize, caller_for_tenant
from kernel.api.batches import MAX_BATCH_ITEMS, BatchOutcome, ItemOutcome
from kernel.api.body_limits import BodyKind
from kernel.api.dialect import Dialect
from kernel.api.fields import storable
from kernel.api.pagination import Page, page_of
from kernel.api.problems import FieldProblem, Invalid, Problem, Refused, RequestRefused, problem_of
from kernel.api.unknown_names import header_value, parameter_problems
from kernel.ledger.database_errors import ledger_error_of, log_database_error
from kernel.ledger.errors import OutcomeUnknown
from kernel.ledger.past_reads import wait_for_postings_before
from kernel.ledger.posting import greenlets
from kernel.ledger.texts import invisible_edge
from kernel.tenants.callers import Caller

MAX_KEY_LENGTH = 255
MAX_HOST_LENGTH = 300
# What Django takes where ALLOWED_HOSTS is empty.
LOCAL_HOSTS = (".localhost", "127.0.0.1", "[::1]")
MONEY_AS_TEXT, MINIMAL = "money=string", "return=minimal"
KEY_HEADERS = {"Idempotency-Key": "HTTP_IDEMPOTENCY_KEY", "X-Idempotency-Key": "HTTP_X_IDEMPOTENCY_KEY"}
logger = structlog.get_logger(__name__)


class LedgerViewSet(ViewSet):
    # No docstring: drf-spectacular would put it into the OpenAPI document.

    # Set once per app.
    dialect: ClassVar[Dialect]
    ledger: ClassVar[str] = ""
    # Actions that need another right than to read or to write, by name, e.g. `secrets`.
    rights: ClassVar[Mapping[str, str]] = {}
    # Actions that must say for whom they act.
    requires_on_behalf_of: ClassVar[frozenset[str]] = frozenset()

    # Only the OpenAPI document reads this; `initial` authenticates.
    authentication_classes = (KeyAuthentication,)
    permission_classes = ()
    throttle_classes = ()
    # Only the OpenAPI document reads these two, for its media types.
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)
    metadata_class = None

    caller: Caller
    http: HttpRequest
    # The paths of the body's members that a published contract ignores.
    ignored_fields: list[str]
    # What of the header Prefer the reply follows.
    applied_preferences: list[str]
    # The reply is final up to this moment of book time, itself included. None: it is about the present.
    final_until: datetime | None = None
    # False while the request is authenticated and checked: by then nothing is written.
    has_begun: bool

    # What the methods of the apps call.

    def read(self, body: type[serializers.Body]) -> dict[str, Any]:
        """The values of the request's body, by declared name. Raises Invalid, RequestRefused."""
        raw = self.raw_body(BodyKind.BATCH if body.has_batch else BodyKind.ITEM)
        return body.read(raw, is_json=body_limits.is_json(self.http), ignored=self.ignored_fields)

    def read_list(self, body: type[serializers.Body], *, max_items: int = MAX_BATCH_ITEMS) -> list[dict[str, Any] | Invalid]:
        """The items of a body that is an array, or with Content-Type application/x-ndjson one object per line."""
        raw = self.raw_body(BodyKind.BATCH)
        if "ndjson" not in (self.http.META.get("CONTENT_TYPE") or ""):
            return body.read_list(raw, max_items=max_items)
        outcomes = []
        for outcome in body.read_lines(raw):
            outcomes.append(outcome)
            if len(outcomes) > max_items:
                raise Invalid([FieldProblem((), "too_long", {"max": max_items})])
        return outcomes

    def query(self, query: type[serializers.Query]) -> dict[str, Any]:
        """The values of the query string, by declared name. Raises Invalid with place `query`."""
        return query.read(self.http.GET)

    def wait_for_past(self, moment: datetime | None) -> datetime | None:
        """Waits until no posting in flight can change an answer about this moment of book time; the moment up to which to read.

        The reply says it in its header Final-Until. None: an answer about the present, and no wait. By world time any posting in flight may
        be back-dated, so callers pass END_OF_MOMENTS to wait for all of them. Raises Busy.
        """
        if moment is not None:
            self.final_until = wait_for_postings_before(tenant_id=self.caller.tenant_id, instant=moment)
        return self.final_until

    def audit_context(self) -> dict[str, Any]:
        """The arguments that every service takes: tenant_id, actor, request_id."""
        return {"tenant_id": self.caller.tenant_id, "actor": self.caller.actor, "request_id": self.request_id()}

    def request_id(self) -> str:
        """The id under which this request is logged; the caller's X-Request-ID, if it is printable ASCII."""
        given = str(getattr(self.http, "request_id", ""))
        return given[:128] if given.isascii() and given.isprintable() else ""

    def idempotency_key(self, *, at_most: int = MAX_KEY_LENGTH) -> str | None:
        """The caller's key, if it sent one: 1 to `at_most` printable ASCII characters, no blank at either end. Raises Invalid."""
        given = {name: self.http.META[variable] for name, variable in KEY_HEADERS.items() if variable in self.http.META}
        for name, key in given.items():
            if not key or len(key) > at_most or not (key.isascii() and key.isprintable()) or invisible_edge(key):
                code = "too_short" if not key else "too_long" if len(key) > at_most else "bad_key"
                facts = {"too_short": {"min": 1}, "too_long": {"max": at_most}}.get(code, {})
                raise Invalid([FieldProblem((name,), code, facts, key)], place="header")
        if len(set(given.values())) > 1:
            name, key = given.popitem()
            raise Invalid([FieldProblem((name,), "bad_key", {}, key)], place="header")
        return next(iter(given.values()), None)

    def reply(self, reply: type[serializers.Reply], row: Any, *, status: int = 200, replayed: bool = False) -> HttpResponse:
        """A row as this API writes it. `replayed`: it is the outcome of an earlier call, and the reply is marked so."""
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        return HttpResponse(
            self.reply_class_for_preference(reply).render(row), content_type="application/json", status=status, headers=headers
        )

    def reply_class_for_preference(self, reply: type[serializers.Reply]) -> type[serializers.Reply]:
        """The reply in the form that the caller prefers: money as JSON numbers, or as strings."""
        return serializers.money_as_text(reply) if prefers_text(self.http) else reply  # type: ignore[arg-type]

    def page(
        self,
        reply: type[serializers.Reply],
        queryset: "QuerySet[Any, Any]",
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        key: Iterable[str] = ("id",),
        descending: bool = True,
        grows: bool = False,
        written: Callable[[list[Any]], Iterable[Any]] = iter,
    ) -> HttpResponse:
        """One page of a selector's queryset; `grows` as in page_of. `written` takes the page's rows before they are written, e.g. to add
        related rows with one query. Raises Invalid with place `query` for a cursor that isn't ours."""
        page = self.page_of_rows(queryset, limit=limit, after=after, before=before, key=key, descending=descending, grows=grows)
        return self.page_reply(reply, page, rows=written(page.rows))

    def page_of_rows(
        self,
        queryset: "QuerySet[Any, Any]",
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        key: Iterable[str] = ("id",),
        descending: bool = True,
        grows: bool = False,
    ) -> Page:
        """The rows of one page. Raises Invalid with place `query` for a cursor that isn't ours."""
        place: dict[str, Any] = {"after": after, "before": before, "limit": limit, "descending": descending, "grows": grows}
        try:
            return page_of(queryset, scope=f"{self.caller.tenant_id}:{type(self).__name__}:{self.action}", key=tuple(key), **place)
        except Refused as refusal:
            name = self.dialect.cursor_names[refusal.facts["name"]]
            sent = after if refusal.facts["name"] == "after" else before
            raise Invalid([FieldProblem((name,), refusal.code, {}, sent)], place="query") from refusal

    def page_reply(self, reply: type[serializers.Reply], page: Page, *, rows: Iterable[Any]) -> HttpResponse:
        """A page in this API's shape."""
        form = self.reply_class_for_preference(reply)
        items = [form.plain(row) for row in rows]
        body = self.dialect.page_body(page=page, items=items, request=self.http)
        return HttpResponse(serializers.encode(body), content_type="application/json")

    def prefers_minimal(self) -> bool:
        """Whether the caller wants ids and outcomes only; the reply then says that it follows."""
        if not prefers(self.http, MINIMAL):
            return False
        self.applied_preferences.append(MINIMAL)
        return True

    def batch_reply(
        self,
        reply: type[serializers.Reply],
        outcome: BatchOutcome,
        *,
        prepare: Callable[[Any], Any] | None = None,
        is_full: bool = True,
        write: Callable[[ItemOutcome, Any], Any] | None = None,
    ) -> HttpResponse:
        """The outcome of a batch in this API's shape. `prepare`: makes of each row what is written. `is_full`: with the rows.
        `write`: makes the reply's item of an outcome that is posted and its written row; else the dialect's `batch_item`."""
        items: list[Any] = []
        write = write or self.dialect.batch_item
        form = self.reply_class_for_preference(reply)
        for item in outcome.items:
            if item.problem:
                # Errors echo what the caller sent, which msgspec may not be able to encode.
                error = self.dialect.batch_item(item, None)
                items.append(msgspec.Raw(json.to_json(as_text(error) if prefers_text(self.http) else error)))
            else:
                row = form.plain(prepare(item.row) if prepare else item.row) if is_full else None
                items.append(write(item, row))
        body = serializers.encode(self.dialect.batch_body(outcome, items))
        return HttpResponse(body, content_type="application/json", status=self.dialect.batch_status(outcome))

    def raw_body(self, kind: BodyKind = BodyKind.ITEM) -> bytes:
        """The body's bytes. Raises RequestRefused."""
        return body_limits.raw_body(self.http, limit=body_limits.body_limit(kind))

    # What REST framework calls.

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpRequest:  # type: ignore[override]
        """Django's own request: REST framework's wrapper costs time at each access of an attribute."""
        self.http = request
        self.ignored_fields = []
        self.applied_preferences = []
        self.has_begun = False
        self.action = self.action_map.get((request.method or "").lower())  # type: ignore[assignment]
        return request

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        host = request.META.get("HTTP_HOST", "")
        if len(host) > MAX_HOST_LENGTH or not _is_our_host(host, tuple(settings.ALLOWED_HOSTS)):
            raise RequestRefused("unknown_host")
        self.dialect.check_request(request)
        if request.method == "OPTIONS":
            return
        if self.action is None:
            raise RequestRefused("method_not_allowed", allowed=self.allowed_methods)
        for value in kwargs.values():
            _check_path(value)
        # RequestLogMiddleware reads the caller from here.
        request.user = caller = greenlets.run_or_retry_in_thread(authenticate, request)  # type: ignore[assignment]
        authorize(caller=caller, ledger=self.ledger, method=request.method or "", right=self.rights.get(self.action))
        tenant = request.META.get("HTTP_ON_BEHALF_OF")
        is_required = self.action in self.requires_on_behalf_of
        self.caller = greenlets.run_or_retry_in_thread(lambda: caller_for_tenant(caller=caller, tenant=tenant, is_required=is_required))
        if request.META.get("QUERY_STRING"):
            self._check_parameters(request)
        self.has_begun = True

    def _check_parameters(self, request: HttpRequest) -> None:
        """Raises Invalid with place `query` for parameters that the action's operation doesn't declare."""
        query = getattr(self, self.action).operation.query
        if problems := parameter_problems(
            query.declared_fields if query else (), request.GET, open_names=query.open_names if query else ()
        ):
            raise Invalid(problems, place="query")

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], HttpResponse]:
        return self.refuse

    @property
    def default_response_headers(self) -> dict[str, str]:
        """No headers: the dialect adds Allow to a 405, and no reply varies by a header."""
        return {}

    def get_authenticate_header(self, request: HttpRequest) -> None:  # type: ignore[override]
        """None: the dialect adds WWW-Authenticate."""

    def refuse(self, exception: Exception, context: dict[str, Any]) -> HttpResponse:
        """The error reply for an exception."""
        request = self.http
        problem = problem_of(exception) or self._problem_of_fault(exception)
        return error_response(dialect=self.dialect, problem=problem, request=request)

    def _problem_of_fault(self, exception: Exception) -> Problem:
        """The problem of an exception that isn't a refusal. After a lost connection a read may be repeated, and so may a call whose own
        work hadn't begun; else a write may have been committed or not."""
        error = ledger_error_of(exception) if isinstance(exception, DatabaseError | InterfaceError) else None
        if error is None:
            logger.error("request_failed", method=self.http.method, path=self.http.path, exc_info=exception)
            return Problem(code="internal")
        log_database_error(error, exception, service=f"{type(self).__module__}.{type(self).__qualname__}")
        may_have_written = self.has_begun and self.http.method not in SAFE_METHODS
        is_known = may_have_written or not isinstance(error, OutcomeUnknown)
        return Problem(code=error.code, facts=error.facts) if is_known else Problem(code="busy")

    def finalize_response(  # type: ignore[override]
        self, request: HttpRequest, response: HttpResponse, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Replies are private: no cache between server and caller may store them.
        response.headers["Cache-Control"] = "no-store"
        for name, value in self.dialect.reply_headers(request).items():
            response.headers[name] = value
        if prefers_text(request):
            self.applied_preferences.append(MONEY_AS_TEXT)
        if self.applied_preferences:
            response.headers["Preference-Applied"] = ", ".join(self.applied_preferences)
        if self.final_until is not None and response.status_code < 400:
            response.headers["Final-Until"] = self.final_until.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if self.ignored_fields:
            response.headers["Ignored-Fields"] = request.ignored_fields = header_value(self.ignored_fields)  # type: ignore[attr-defined]
        return response


def error_response(*, dialect: Dialect, problem: Problem, request: HttpRequest) -> HttpResponse:
    """The error reply of an API; also for errors before a view exists (an unrouted path, a broken middleware)."""
    try:
        body, status, headers = dialect.error_body(problem), dialect.status(problem), dialect.headers(problem)
    except Exception:
        # A code without a text or status in the dialect is a fault of ours, not the caller's.
        logger.exception("dialect_failed", code=problem.code, path=request.path)
        problem = Problem(code="internal")
        body, status, headers = dialect.error_body(problem), dialect.status(problem), dialect.headers(problem)
    if prefers_text(request):
        body = as_text(body)
    headers |= {"Cache-Control": "no-store"} | dialect.reply_headers(request)
    return HttpResponse(json.to_json(body), content_type="application/json", status=status, headers=headers)


def prefers(request: HttpRequest, preference: str) -> bool:
    """True where the header Prefer (RFC 7240) has this preference, e.g. `return=minimal`."""
    preferences: str = request.META.get("HTTP_PREFER", "")
    return bool(preferences) and any(part.strip().replace('"', "").lower() == preference for part in preferences.split(","))


def prefers_text(request: HttpRequest) -> bool:
    """True where the caller wants money as strings."""
    return prefers(request, MONEY_AS_TEXT)


@lru_cache(maxsize=1000)
def _is_our_host(host: str, allowed: tuple[str, ...]) -> bool:
    """As Django checks it for pages; remembered, because it costs as much as reading a small body. HTTP/1.0 needs no Host."""
    return not host or validate_host(split_domain_port(host)[0], allowed or LOCAL_HOSTS)


def _check_path(value: Any) -> None:
    """Raises RequestRefused (not_found) for a path's text that can't be in the database."""
    try:
        storable(str(value))
    except Refused as refusal:
        raise RequestRefused("not_found") from refusal
