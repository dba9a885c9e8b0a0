"""Every address. The three APIs have no trailing slashes; nothing is ever redirected but the pages for people."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config import views
from config.apis import ROUTED

urlpatterns = [
    # First what is called most: every pattern before it is tried in vain.
    *(path("", include(urls)) for urls in ROUTED),
    path("", views.landing, name="landing"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("schema/", views.schema, name="schema"),
    path("docs/", views.docs, name="docs"),
    path("admin/", admin.site.urls),
]
for page, name in {"schema": "schema", "docs": "docs", "admin": "admin:index"}.items():
    urlpatterns.append(path(page, RedirectView.as_view(pattern_name=name)))

handler400 = "config.handlers.bad_request"
handler403 = "config.handlers.forbidden"
handler404 = "config.handlers.not_found"
handler500 = "config.handlers.server_error"
