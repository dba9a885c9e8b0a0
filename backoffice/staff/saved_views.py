"""Saved views: a list with its filters and columns, which a member of staff keeps under a name."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from backoffice.models import SavedView
from kernel.ledger.admin.panels import path_of_this_site


def saved_views(request: HttpRequest) -> list[SavedView]:
    """The user's own saved views of the open list."""
    return list(SavedView.objects.filter(user_id=_user_id(request), path=request.path))


@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Save the list at `from` under a name. An existing view with the name is replaced."""
    address = path_of_this_site(request.POST.get("from"))
    if not address:
        raise Http404
    name = request.POST.get("name", "").strip()[:80]
    parts = urlsplit(address)
    if not name or "\0" in name:
        messages.error(request, "Give the view a name.")
        return HttpResponseRedirect(address)
    SavedView.objects.update_or_create(user_id=_user_id(request), path=parts.path[:200], name=name, defaults={"query": parts.query})
    messages.success(request, f"“{name}” is among your saved views.")
    return HttpResponseRedirect(address)


@require_POST
def delete_view(request: HttpRequest, view_id: int) -> HttpResponse:
    found = get_object_or_404(SavedView, pk=view_id, user_id=request.user.pk)
    address = found.path
    found.delete()
    messages.success(request, f"“{found.name}” is deleted.")
    return HttpResponseRedirect(address)


def _user_id(request: HttpRequest) -> int:
    """The signed-in member of staff; no page here opens for anybody else."""
    return int(request.user.pk or 0)
