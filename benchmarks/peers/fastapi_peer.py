"""The same calls as one would write them with FastAPI and asyncpg: the same statements, the same checks, the key warm in the process."""

import hashlib
import hmac
import json
import os
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, Field

TENANT = os.environ["PEER_TENANT"]
KEY_DIGEST = hashlib.sha256(os.environ["PEER_KEY"].encode()).digest()
POOL_SIZE = int(os.environ.get("PEER_POOL_SIZE", "8"))
CREDITS, BILLING, METERING = (f"SELECT * FROM {ledger}_post($1::uuid, $2::jsonb)" for ledger in ("credits", "billing", "metering"))  # noqa: S608
DONE = {"posted", "replayed"}


class TransactionIn(BaseModel):
    grantId: uuid.UUID
    type: Literal["DEBIT", "CREDIT"]
    amount: Annotated[Decimal, Field(gt=0, max_digits=36, decimal_places=18)]
    reason: str | None = None
    invoiceId: str | None = None
    billingRunId: str | None = None


class TransactionOut(BaseModel):
    id: uuid.UUID
    grantId: uuid.UUID
    type: str
    amount: str
    reason: str | None = None
    invoiceId: str | None = None
    billingRunId: str | None = None
    date: datetime
    createdAt: datetime


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.pool = await asyncpg.create_pool(os.environ["PEER_DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


async def tenant(authorization: Annotated[str, Header()]) -> str:
    scheme, _, key = authorization.partition(" ")
    if scheme != "Bearer" or not hmac.compare_digest(hashlib.sha256(key.encode()).digest(), KEY_DIGEST):
        raise HTTPException(401)
    return TENANT


def digest(body: BaseModel) -> str:
    return hashlib.blake2b(body.model_dump_json().encode(), digest_size=64).hexdigest()


async def post(statement: str, tenant_id: str, posting: dict[str, Any], response: Response) -> asyncpg.Record:
    async with app.state.pool.acquire() as connection:
        row = await connection.fetchrow(statement, tenant_id, json.dumps([posting]))
    if row["outcome"] == "conflict":
        raise HTTPException(409)
    if row["outcome"] not in DONE:
        raise HTTPException(400, row["outcome"])
    if row["outcome"] == "replayed":
        response.headers["Idempotent-Replayed"] = "true"
    return row


@app.post("/credit-transactions", status_code=201, response_model=TransactionOut, response_model_exclude_none=True)
async def create(
    body: TransactionIn,
    request: Request,
    response: Response,
    tenant_id: Annotated[str, Depends(tenant)],
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> TransactionOut:
    posting = {
        "id": str(uuid.uuid4()),
        "grant_id": str(body.grantId),
        "kind": body.type.lower(),
        "type": body.type,
        "amount": str(body.amount),
        "reason": body.reason or "",
        "invoice_id": body.invoiceId or "",
        "billing_run_id": body.billingRunId or "",
        "now": datetime.now(UTC).isoformat(),
        "idempotency_key": idempotency_key,
        "facts_digest": "\\x" + digest(body),
        "actor": "api_key:peer",
        "request_id": request.headers.get("x-request-id", ""),
    }
    row = await post(CREDITS, tenant_id, posting, response)
    return TransactionOut(
        id=row["id"],
        grantId=row["grant_id"],
        type=row["type"],
        amount=f"{row['amount']:f}",
        reason=row["reason"] or None,
        invoiceId=row["invoice_id"] or None,
        billingRunId=row["billing_run_id"] or None,
        date=row["occurred_at"],
        createdAt=row["created_at"],
    )


class EntryIn(BaseModel):
    amount: Annotated[Decimal, Field(max_digits=36, decimal_places=18)]
    type: Annotated[str, Field(min_length=1, max_length=64)]
    reference_id: Annotated[str, Field(min_length=1, max_length=255)]
    agent_id: str | None = None
    description: str | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    occurred_at: datetime | None = None
    metadata: dict[str, Any] | None = None


class EntryOut(BaseModel):
    id: uuid.UUID
    amount: str
    type: str
    reference_id: str
    agent_id: str | None
    description: str | None
    currency: str
    balance: str
    occurred_at: datetime
    created_at: datetime
    metadata: dict[str, Any] | None
    reverses: uuid.UUID | None
    reversed_by: uuid.UUID | None
    reversed_amount: str
    reason_code: str
    reason: str
    direction: str
    effect: str
    entry_number: int
    flags: list[str]
    near_duplicate_of: uuid.UUID | None


@app.post("/v1/billing/transactions", response_model=EntryOut)
async def record_entry(body: EntryIn, request: Request, response: Response, tenant_id: Annotated[str, Depends(tenant)]) -> EntryOut:
    posting = {
        "id": str(uuid.uuid4()),
        "currency": body.currency,
        "type": body.type,
        # The type is in the shipped catalogue.
        "shipped_label": "Usage",
        "shipped_direction": "debit",
        "amount": str(body.amount),
        "reference_id": body.reference_id,
        "agent_id": body.agent_id,
        "description": body.description,
        "metadata": None if body.metadata is None else json.dumps(body.metadata),
        "occurred_at": None if body.occurred_at is None else body.occurred_at.isoformat(),
        "facts_digest": digest(body),
        "actor": "api_key:peer",
        "request_id": request.headers.get("x-request-id", ""),
    }
    row = await post(BILLING, tenant_id, posting, response)
    amounts = {name: f"{row[name]:f}" for name in ("amount", "reversed_amount", "effect")}
    same = ("id", "type", "reference_id", "agent_id", "description", "currency", "occurred_at", "created_at", "reason_code", "reason")
    return EntryOut(
        **{name: row[name] for name in (*same, "direction", "entry_number", "flags")},
        **amounts,
        balance=f"{row['balance_after']:f}",
        metadata=row["metadata"] and json.loads(row["metadata"]),
        reverses=row["reverses_id"],
        reversed_by=row["reversed_by_id"],
        near_duplicate_of=row["near_duplicate_of_id"],
    )


class CostIn(BaseModel):
    fiatAmount: Annotated[Decimal, Field(max_digits=36, decimal_places=18)]
    fiatAssetSymbol: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    isEstimate: bool
    costDetails: dict[str, Any] | None = None


class UseIn(BaseModel):
    serviceName: Annotated[str, Field(min_length=1, max_length=255)]
    actionName: Annotated[str, Field(min_length=1, max_length=255)]
    resourceName: Annotated[str, Field(min_length=1, max_length=2048)]
    qualifiers: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    costs: list[CostIn] = []


class CostOut(BaseModel):
    id: uuid.UUID
    transactionId: uuid.UUID
    tenantId: uuid.UUID
    fiatAmount: str
    fiatAssetSymbol: str
    isEstimate: bool
    isActive: bool
    costDetails: dict[str, Any] | None = None
    createdAt: datetime
    updatedAt: datetime


class UseOut(BaseModel):
    id: uuid.UUID
    tenantId: uuid.UUID
    organizationId: uuid.UUID
    serviceName: str
    actionName: str
    resourceName: str
    serviceId: uuid.UUID
    service: str
    status: str
    requiresPayment: bool
    qualifiers: dict[str, Any]
    metadata: dict[str, Any] | None = None
    createdAt: datetime
    updatedAt: datetime
    authorizedAt: datetime | None = None
    traceId: uuid.UUID
    trace: dict[str, Any]
    costs: list[CostOut]


@app.post("/v1/transactions", status_code=201, response_model=UseOut, response_model_exclude_none=True)
async def record_use(
    body: UseIn,
    request: Request,
    response: Response,
    tenant_id: Annotated[str, Depends(tenant)],
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> UseOut:
    posting = {
        **{name: str(uuid.uuid4()) for name in ("id", "new_trace_id", "change_id")},
        "actor": "api_key:peer",
        "request_id": request.headers.get("x-request-id", ""),
        "service_name": body.serviceName,
        "action_name": body.actionName,
        "resource_name": body.resourceName,
        "qualifiers": json.dumps(body.qualifiers or {}),
        "metadata": None if body.metadata is None else json.dumps(body.metadata),
        "idempotency_key": idempotency_key,
        "digest": digest(body),
        "costs": [
            {
                "id": str(uuid.uuid4()),
                "amount": str(cost.fiatAmount),
                "currency": cost.fiatAssetSymbol,
                "is_estimate": cost.isEstimate,
                "details": None if cost.costDetails is None else json.dumps(cost.costDetails),
            }
            for cost in body.costs
        ],
    }
    row = await post(METERING, tenant_id, posting, response)
    stamp = {"tenantId": tenant_id, "createdAt": row["moment"], "updatedAt": row["moment"]}
    costs = [
        CostOut(**cost.model_dump(exclude={"fiatAmount"}), id=posted["id"], transactionId=posting["id"], fiatAmount=posted["amount"],
            isActive=True, **stamp)
        for cost, posted in zip(body.costs, posting["costs"], strict=True)
    ]  # fmt: skip
    return UseOut(
        **body.model_dump(include={"serviceName", "actionName", "resourceName", "metadata"}),
        **stamp,
        id=posting["id"],
        organizationId=tenant_id,
        serviceId=row["service_id"],
        service=body.serviceName,
        status=row["status"],
        requiresPayment=False,
        qualifiers=body.qualifiers or {},
        authorizedAt=row["moment"] if row["status"] in {"authorized", "completed"} else None,
        traceId=row["trace_reference"],
        trace={"id": row["trace_reference"], "externalId": row["trace_external_id"]},
        costs=costs,
    )
