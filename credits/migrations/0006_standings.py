"""Balances at any past instant."""

from django.db import migrations

from kernel.ledger.operations import SqlFile


class Migration(migrations.Migration):
    dependencies = [("credits", "0005_holds")]

    operations = [SqlFile("credits/0006_standings.sql", reverse="DROP FUNCTION credits_standing(credits_grant, timestamptz, text);")]
