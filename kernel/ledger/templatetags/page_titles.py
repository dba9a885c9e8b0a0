"""The parts of the path above a page."""

import re
from typing import Any

from django.template import Library
from django.utils.functional import Promise
from django.utils.text import capfirst

register = Library()
# Words of our own: `uploaded …7a9915f0`, `waiting to withdrawn`. A name or a reference is one word, or begins with more than letters.
SENTENCE = re.compile("[a-z]+ ")


@register.filter
def without_repetition(parts: Any) -> list[Any]:
    """Without a part that is called as the next one: "Spending rules" once, where an app and its table have one name."""
    titles = [page_title(part["title"]) for part in parts]
    return [part for part, title, following in zip(parts, titles, [*titles[1:], None], strict=True) if title != following]


@register.filter(is_safe=True)
def page_title(part: Any) -> str:
    """Names of apps and tables begin with a capital; the name of a row does so only where it is a sentence."""
    text = str(part)
    return capfirst(text) if isinstance(part, str | Promise) or SENTENCE.match(text) else text
