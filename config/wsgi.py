"""Django as a WSGI application: what config/asgi.py asks for every reply. Any WSGI server could, without the loop's speed."""

import gc
import os

from django.conf import settings
from django.core import signals
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, reset_queries

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

# Around every request Django looks after what none of ours leaves behind: connections to a cache (ours is in the process), addresses of a
# request's own (none has any), a log of queries (kept with DEBUG alone), and at its start connections from the request before, which of a
# pool's are given back by then. It took a tenth of what an API call costs outside the ledger.
signals.request_finished.disconnect(close_caches)
signals.request_finished.disconnect(reset_urlconf)
if not settings.DEBUG:
    signals.request_started.disconnect(reset_queries)
if settings.DATABASES["default"]["OPTIONS"].get("pool"):
    # A thread's own connection may have grown too old while the thread had nothing to do: only a pool's needs no look.
    signals.request_started.disconnect(close_old_connections)

# What is loaded by now stays: the collector of cycles need not look at it again, and need look for new ones but seldom, because a request
# leaves none to speak of. With its first settings it stopped all threads of a worker often enough to double the slowest answers.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 100)
