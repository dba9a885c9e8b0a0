"""Exports of systems that no profile knows come in by options alone: Chargebee, Xero, AWS, Paddle, Metronome."""

import gzip
from decimal import Decimal

import pytest

from billing.models import Transaction, Wallet
from metering.models import Cost
from metering.models import Transaction as Metered

pytestmark = pytest.mark.django_db
BILLING, METERING = "backfill_billing_transactions", "backfill_metered_transactions"
CHARGEBEE = """\
"Transaction Id","Customer Id","Payment Method","Gateway","Type","Date","Amount","Status","Currency Code","Reason Code"
"txn_Azq1","cbdemo_john","Card","Stripe","Payment","01-Mar-2024 10:15","1,234.56","Success","USD",""
"txn_Azq2","cbdemo_john","Card","Stripe","Payment","02-Mar-2024 10:15","50.00","Failure","USD",""
"txn_Azq3","cbdemo_ann","Card","Stripe","Refund","05-Mar-2024 23:59","34.56","Success","USD","Product Unsatisfactory"
"txn_Azq4","cbdemo_ann","Card","Stripe","Authorization","06-Mar-2024 00:01","1.00","Success","USD",""
"""
XERO = """\
*Date,*Amount,Payee,Description,Reference,Cheque Number
1/04/2024,"1,150.00",City Agency,Invoice INV-0012,INV-0012,
2/04/2024,-45.50,Ridgeway Bank,Monthly fee,,
2/04/2024,-45.50,Ridgeway Bank,Monthly fee,,
,,,,,
"""
AWS = """\
identity/LineItemId,identity/TimeInterval,bill/PayerAccountId,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,\
lineItem/ProductCode,lineItem/UsageType,lineItem/Operation,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,\
lineItem/LineItemDescription,product/region
abc1,2024-03-01T00:00:00Z/2024-03-01T01:00:00Z,111122223333,444455556666,Usage,2024-03-01T00:00:00Z,AmazonEC2,BoxUsage:t3.micro,\
RunInstances,1.0000000000,USD,0.0104000000,"$0.0104 per On Demand Linux t3.micro Instance Hour",us-east-1
abc1,2024-03-01T01:00:00Z/2024-03-01T02:00:00Z,111122223333,444455556666,Usage,2024-03-01T01:00:00Z,AmazonEC2,BoxUsage:t3.micro,\
RunInstances,1.0000000000,USD,0.0104000000,"$0.0104 per On Demand Linux t3.micro Instance Hour",us-east-1
abc2,2024-03-01T00:00:00Z/2024-03-01T01:00:00Z,111122223333,444455556666,Usage,2024-03-01T00:00:00Z,AmazonS3,Requests-Tier1,\
PutObject,3.0000000000,USD,1.5E-7,"$0.005 per 1,000 PUT requests",us-east-1
abc3,2024-03-01T00:00:00Z/2024-04-01T00:00:00Z,111122223333,444455556666,Credit,2024-03-01T00:00:00Z,AmazonEC2,BoxUsage:t3.micro,,0,USD,\
-0.5,Promotional credit,us-east-1
abc4,2024-03-01T00:00:00Z/2024-04-01T00:00:00Z,111122223333,444455556666,Tax,2024-03-01T00:00:00Z,AmazonEC2,,,0,USD,0.19,VAT,
"""
PADDLE = """\
{"data": [
 {"id": "txn_01hv", "status": "completed", "customer_id": "ctm_01", "currency_code": "USD", "billed_at": "2024-04-12T10:15:34.567Z",
  "details": {"totals": {"subtotal": "3000", "tax": "300", "total": "3300", "fee": null}, "line_items": [{"id": "x"}]}},
 {"id": "txn_02hv", "status": "draft", "customer_id": "ctm_02", "currency_code": "USD", "billed_at": null,
  "details": {"totals": {"subtotal": "100", "tax": "0", "total": "100"}}}],
 "meta": {"request_id": "r", "pagination": {"per_page": 50, "has_more": false}}}
"""
METRONOME = """\
id,invoice_id,customer_id,product_name,product_type,quantity,unit_price,total,credit_type_name,starting_at,ending_before,updated_at
li-1,inv-1,cus-1,API calls,USAGE,1200,0.5,600.5,USD (cents),2024-03-01 00:00:00.000,2024-04-01 00:00:00.000,2024-04-01 06:00:00.000
li-2,inv-1,cus-1,Platform fee,FIXED,1,10000,10000,USD (cents),2024-03-01 00:00:00.000,2024-04-01 00:00:00.000,2024-04-01 06:00:00.000
li-3,inv-1,cus-1,Prepaid credits,CREDIT,1,-600.5,-600.5,USD (cents),2024-03-01 00:00:00.000,2024-04-01 00:00:00.000,2024-04-01 06:00:00.000
"""


@pytest.fixture
def amounts(bring, tmp_path):
    """Bring a file in; the run's counts, and what was posted."""

    def amounts(command, name, text, *options):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        run = bring(command, path, *options)
        assert run.plan["counts"] == run.counts, run.plan["examples"]
        return run

    return amounts


def test_chargebee_transactions(amounts):
    run = amounts(
        *(BILLING, "Transactions.csv", CHARGEBEE),
        *("--map", "Transaction Id=reference_id", "--map", "Type=type", "--map", "Date=occurred_at", "--map", "Amount=amount"),
        *("--map", "Currency Code=currency", "--map", "Customer Id=agent_id", "--map", "Reason Code=metadata.reason", "--ignore", "*"),
        *("--map-value", "type:Payment=topup", "--map-value", "type:Refund=payout", "--new-type", "payout=debit"),
        *("--date-format", "%d-%b-%Y %H:%M", "--timezone", "America/Los_Angeles", "--thousands", "comma"),
        *("--skip-rows-where", "Status=Failure", "--skip-rows-where", "Type=Authorization"),
    )
    assert run.counts == {"posted": 2, "skipped": 2}
    assert Wallet.objects.get().balance == Decimal("1200.00")
    assert Transaction.objects.order_by("entry_number").last().occurred_at.isoformat() == "2024-03-06T07:59:00+00:00"


def test_a_xero_bank_statement(amounts):
    run = amounts(
        *(BILLING, "statement.csv", XERO),
        *("--map", "*Date=occurred_at", "--map", "*Amount=amount", "--map", "Description=description", "--map", "Payee=metadata.payee"),
        *("--ignore", "*", "--key-from", "=xero,*Date,*Amount,Payee,Reference,_line", "--type-from-sign", "topup,usage"),
        *("--date-format", "%d/%m/%Y", "--timezone", "Pacific/Auckland", "--thousands", "comma", "--skip-rows-where", "*Date="),
    )
    assert run.counts == {"posted": 3, "skipped": 1}
    assert Wallet.objects.get().balance == Decimal("1059.00")


def test_an_aws_cost_and_usage_report(amounts):
    run = amounts(
        *(METERING, "report.csv.gz", AWS),
        *("--map", "lineItem/ProductCode=service_name", "--map", "lineItem/Operation=action_name"),
        *("--map", "lineItem/UsageType=resource_name", "--map", "lineItem/UsageAccountId=customer_id"),
        *("--map", "lineItem/UsageStartDate=occurred_at", "--map", "lineItem/UnblendedCost=fiat_amount"),
        *("--map", "lineItem/CurrencyCode=fiat_asset_symbol", "--map", "lineItem/LineItemDescription=metadata.description"),
        *("--ignore", "*", "--key-from", "identity/LineItemId,identity/TimeInterval", "--set", "outcome=success"),
        *("--numbers", "scientific", "--skip-rows-where", "lineItem/LineItemType=Credit"),
    )
    assert run.counts == {"posted": 4, "skipped": 1}
    assert sum(cost.fiat_amount for cost in Cost.objects.all()) == Decimal("0.21080015")
    assert Metered.objects.filter(customer_id="444455556666").count() == 4


def test_paddle_transactions(amounts):
    run = amounts(
        *(BILLING, "transactions.json", PADDLE),
        *("--items", "data", "--map", "id=reference_id", "--map", "details.totals.total=amount", "--scale", "0.01"),
        *("--map", "currency_code=currency", "--map", "billed_at=occurred_at", "--map", "customer_id=metadata.customer"),
        *("--set", "type=topup", "--ignore", "*", "--skip-rows-where", "status=draft"),
    )
    assert run.counts == {"posted": 1, "skipped": 1}
    assert (Wallet.objects.get().balance, Transaction.objects.get().metadata) == (Decimal("33.00"), '{"customer":"ctm_01"}')


def test_metronome_invoice_lines(amounts):
    run = amounts(
        *(METERING, "line_items.csv", METRONOME),
        *("--map", "id=idempotency_key", "--map", "product_name=service_name", "--map", "product_type=action_name"),
        *("--map", "total=fiat_amount", "--scale", "0.01", "--map", "credit_type_name=fiat_asset_symbol"),
        *("--map-value", "fiat_asset_symbol:USD (cents)=USD", "--map", "starting_at=occurred_at", "--timezone", "UTC"),
        *("--map", "invoice_id=metadata.invoice", "--map", "quantity=metadata.quantity", "--set", "outcome=success", "--ignore", "*"),
        *("--skip-rows-where", "product_type=CREDIT"),
    )
    assert run.counts == {"posted": 2, "skipped": 1}
    assert sorted(cost.fiat_amount for cost in Cost.objects.all()) == [Decimal("6.005"), Decimal(100)]
    assert Metered.objects.order_by("id").first().metadata == '{"invoice":"inv-1","quantity":1200}'
