"""The same call as one would write it with FastAPI and asyncpg: the same statement, the same checks, the key warm in the process."""

import hashlib
import hmac
import json
import os
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

import asyncpg
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, Field

TENANT = os.environ["PEER_TENANT"]
KEY_DIGEST = hashlib.sha256(os.environ["PEER_KEY"].encode()).digest()
POOL_SIZE = int(os.environ.get("PEER_POOL_SIZE", "8"))
STATEMENT = "SELECT * FROM credits_post($1::jsonb)"


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


@app.post("/credit-transactions", status_code=201, response_model=TransactionOut, response_model_exclude_none=True)
async def create(
    body: TransactionIn,
    request: Request,
    response: Response,
    tenant_id: Annotated[str, Depends(tenant)],
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> TransactionOut:
    facts = body.model_dump_json().encode()
    posting = {
        "tenant_id": tenant_id,
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
        "facts_digest": "\\x" + hashlib.blake2b(facts, digest_size=64).hexdigest(),
        "actor": "api_key:peer",
        "request_id": request.headers.get("x-request-id", ""),
    }
    async with app.state.pool.acquire() as connection:
        row = await connection.fetchrow(STATEMENT, json.dumps([posting]))
    if row["outcome"] == "conflict":
        raise HTTPException(409)
    if row["outcome"] not in {"posted", "replayed"}:
        raise HTTPException(400, row["outcome"])
    if row["outcome"] == "replayed":
        response.headers["Idempotent-Replayed"] = "true"
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
