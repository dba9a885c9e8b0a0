"""The titles of the apps, in the order of the sidebar and the overview. An app that isn't listed comes last."""

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
