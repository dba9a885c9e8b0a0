"""Django as a WSGI application. config/asgi.py calls it for every request; any WSGI server can serve it, more slowly."""

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

# Signal handlers that Django runs around every request and that have nothing to do here: closing connections of caches (the cache is in the
# process: system check), resetting a request's own URLconf (none has one), clearing the log of queries (only DEBUG keeps one), and closing
# connections of the request before (a pool's are returned by then). They took a tenth of what an API call costs outside the ledger.
signals.request_finished.disconnect(close_caches)
signals.request_finished.disconnect(reset_urlconf)
if not settings.DEBUG:
    signals.request_started.disconnect(reset_queries)
if settings.DATABASES["default"]["OPTIONS"].get("pool"):
    # Without a pool a thread's own connection may be too old by now, so the handler stays.
    signals.request_started.disconnect(close_old_connections)

# The garbage collector needn't scan again what is loaded by now, and may run seldom, because requests leave hardly any cycles. With its
# default thresholds it stopped all threads of a worker often enough to double the slowest response times.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 100)
