"""What the office calls apps and tables. Apps are in the order of the sidebar and the overview; one that isn't listed comes last."""

from django.apps import apps
from django.utils.text import capfirst

APP_TITLES = {
    "corrections": "Corrections",
    "billing": "Billing",
    "metering": "Metering",
    "rules": "Spending rules",
    "paying": "Payments",
    "credits": "Credits",
    "events": "Webhooks",
    "backfills": "Backfills",
    "procrastinate": "Jobs",
    "backoffice": "Back office",
    "tenants": "Tenants",
    "auth": "Staff",
}

# Tables whose own name is not what people call their rows: one, and several.
MODEL_NAMES = {
    "backfills.backfillreject": ("rejected row", "rejected rows"),
    "backfills.backfillshare": ("part of a backfill", "parts of backfills"),
    "backoffice.daysum": ("sum of a day", "sums of days"),
    "backoffice.signin": ("sign-in", "sign-ins"),
    "billing.transaction": ("entry", "entries"),
    "billing.wallethold": ("hold on a wallet", "holds on wallets"),
    "billing.walletholdentry": ("change of a hold", "changes of holds"),
    "corrections.correctionevidence": ("file of evidence", "files of evidence"),
    "credits.credittransaction": ("credit entry", "credit entries"),
    "credits.holdcall": ("call about a hold", "calls about holds"),
    "credits.holdentry": ("change of a hold", "changes of holds"),
    "credits.holdline": ("part of a hold", "parts of holds"),
    "metering.rollup": ("sum by day or hour", "sums by day and hour"),
    "metering.transaction": ("call", "calls"),
    "metering.usage": ("usage record", "usage records"),
    "metering.usagenote": ("call to be counted", "calls to be counted"),
    "metering.usageprogress": ("state of counting", "states of counting"),
    "metering.usagesum": ("sum of usage", "sums of usage"),
    "paying.paymentcall": ("call about a payment", "calls about payments"),
    "paying.paymentleg": ("part of a payment", "parts of payments"),
    "procrastinate.procrastinatejob": ("job", "jobs"),
    "rules.agentrule": ("agent of a rule", "agents of rules"),
    "rules.rulecondition": ("condition of a rule", "conditions of rules"),
    "rules.rulecounter": ("counter of a rule", "counters of rules"),
    "rules.rulecounterentry": ("counted call", "counted calls"),
    "rules.ruleexecution": ("decision of a rule", "decisions of rules"),
    "rules.rulemeasure": ("measure of a rule", "measures of rules"),
    "rules.ruleparameter": ("limit of a rule", "limits of rules"),
    "rules.ruleversion": ("version of a rule", "versions of rules"),
    "tenants.stafftenant": ("tenant of a member of staff", "tenants of members of staff"),
}
# Titles in the sidebar that say more than the model's name.
TITLES = {
    "billing.policy": "Billing policies",
    "credits.policy": "Credit policies",
    "metering.policy": "Metering policies",
    "metering.rollup": "Usage by day and hour",
    "tenants.apikey": "API keys",
}


def list_title(address: str) -> str:
    """`Billing: entries` of the address of a list, with or without filters; empty for any other address."""
    _, _, app, name, *_ = [*address.partition("?")[0].split("/"), "", "", "", ""]
    try:
        meta = apps.get_model(app, name)._meta
    except (LookupError, ValueError):
        return ""
    return capfirst(f"{meta.app_config.verbose_name}: {meta.verbose_name_plural}")
