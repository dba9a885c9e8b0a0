"""The id of what a form will create, chosen when the form is shown: a form that is submitted twice creates one row."""

from uuid import UUID

from django.core import signing
from django.http import HttpRequest

from kernel.ledger.identifiers import new_id

# The hidden field of the form.
FIELD = "form_id"


def new_form_id(request: HttpRequest) -> str:
    """A new id for a hidden field, signed for this user so that the browser can't choose an id."""
    return _signer(request).sign(str(new_id()))


def read_form_id(request: HttpRequest) -> UUID | None:
    """The id that the submitted form was shown with; None if it has none or the signature is wrong."""
    try:
        return UUID(_signer(request).unsign(request.POST.get(FIELD, "")))
    except (signing.BadSignature, ValueError):
        return None


def _signer(request: HttpRequest) -> signing.Signer:
    return signing.Signer(salt=f"admin-form:{request.user.pk}")
