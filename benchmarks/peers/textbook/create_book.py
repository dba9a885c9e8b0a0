"""Makes the tables, a user with a token, and grants; prints the token. Arguments: the file of the grants' ids."""

import os
import sys
import uuid
from decimal import Decimal
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "textbook.settings"

import django

django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token

from textbook.models import Grant

call_command("migrate", verbosity=0)
user = User.objects.create_user("peer")
ids = Path(sys.argv[1]).read_text().split()
Grant.objects.bulk_create([Grant(id=uuid.UUID(grant_id), owner=user, balance=Decimal(10) ** 12) for grant_id in ids], batch_size=1000)
sys.stdout.write(Token.objects.create(user=user).key)
