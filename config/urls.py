"""All URLs. The three APIs have no trailing slashes, and only pages for people are redirected."""

from functools import cached_property

from django.contrib import admin
from django.urls import ResolverMatch, URLResolver, include, path
from django.urls.resolvers import RoutePattern
from django.views.generic import RedirectView

from config.api_routing import ROUTED
from config.pages import views


class CachedResolver(URLResolver):
    """Caches the match of each path without parameters, of which there are few: the creates are among them."""

    def resolve(self, path: str) -> ResolverMatch:
        match = self._matches.get(path)
        if match is None:
            match = super().resolve(path)
            if not match.args and not match.kwargs:
                # The patterns tried before are shown on Django's debug page only, but copied for each request.
                match.tried = None
                self._matches[path] = match
        return match

    @cached_property
    def _matches(self) -> dict[str, ResolverMatch]:
        return {}


urlpatterns = [
    # First, because the creates are called most and patterns are tried in order.
    CachedResolver(RoutePattern(""), [path("", include(urls)) for urls in ROUTED]),
    path("", views.landing, name="landing"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("schema/", views.schema, name="schema"),
    path("docs/", views.docs, name="docs"),
    path("admin/", admin.site.urls),
]
for page, name in {"schema": "schema", "docs": "docs", "admin": "admin:index"}.items():
    urlpatterns.append(path(page, RedirectView.as_view(pattern_name=name)))

handler400 = "config.pages.error_handlers.bad_request"
handler403 = "config.pages.error_handlers.forbidden"
handler404 = "config.pages.error_handlers.not_found"
handler500 = "config.pages.error_handlers.server_error"
