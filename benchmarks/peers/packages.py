"""dj-wallet and django-hordak in process: a debit, as their own guides do it. Arguments: which, database, host, seconds, threads."""

import random
import sys
import threading
import time

WHICH, NAME, HOST, SECONDS, THREADS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
ACCOUNTS = 200

from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mptt", WHICH],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.postgresql", "NAME": NAME, "USER": "postgres", "HOST": HOST, "CONN_MAX_AGE": None}
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    DEFAULT_CURRENCY="USD",
    CURRENCIES=["USD"],
    HORDAK_MAX_DIGITS=20,
)
import django

django.setup()
from django.core.management import call_command
from django.db import connection

call_command("migrate", verbosity=0)


def wallets():
    """A withdrawal: row lock, check of the funds, a transaction row, the new balance."""
    from dj_wallet.models import Wallet
    from dj_wallet.services.common import WalletService
    from django.contrib.auth.models import User
    from django.contrib.contenttypes.models import ContentType

    kind = ContentType.objects.get_for_model(User)
    made = []
    for _ in range(ACCOUNTS):
        user = User.objects.create_user(f"user-{time.time_ns()}")
        wallet = Wallet.objects.create(holder_type=kind, holder_id=user.pk, slug="default")
        WalletService.deposit(wallet, 10**8)
        made.append(wallet)
    return made, lambda wallet: WalletService.withdraw(wallet, "0.01")


def books():
    """A transfer in double entry: a transaction and its two legs, balanced by the database at commit. No check of the funds."""
    from hordak.models import Account
    from moneyed import Money

    income = Account.objects.create(name="sales", type="IN", currencies=["USD"])
    made = [Account.objects.create(name=f"customer {number}", type="LI", currencies=["USD"]) for number in range(ACCOUNTS)]
    return made, lambda account: account.transfer_to(income, Money("0.01", "USD"))


accounts, debit = wallets() if WHICH == "dj_wallet" else books()
counts = [0] * THREADS
end = time.monotonic() + SECONDS


def work(place):
    while time.monotonic() < end:
        debit(random.choice(accounts))
        counts[place] += 1
    connection.close()


threads = [threading.Thread(target=work, args=(place,)) for place in range(THREADS)]
end = time.monotonic() + SECONDS
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.stdout.write(f"{sum(counts) / SECONDS}\n")
