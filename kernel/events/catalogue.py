"""The list of all types of events as a part of docs/webhooks.md."""

import json

from kernel.events import registry

BEGIN, END = "<!-- types -->\n", "<!-- end of types -->\n"


def with_catalogue(page: str) -> str:
    """The page with the list in its place. Raises ValueError where the page has no place for it."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError("The page has no place for the catalogue.")
    return f"{before}{BEGIN}{catalogue()}{END}{after}"


def catalogue() -> str:
    """A table of the types, then an example of each."""
    types = registry.list_types()
    lines = ["", "| type | when | object | account |", "|---|---|---|---|"]
    lines += [f"| `{each.name}` | {each.description} | {each.object_type} | {_account(each)} |" for each in types]
    for each in types:
        example = json.dumps(each.example, indent=2, ensure_ascii=False)
        lines += ["", f"### {each.name}", "", "```json", example, "```"]
    return "\n".join([*lines, "", ""])


def _account(each: registry.EventType) -> str:
    return f"`{each.account}`" if each.account else "–"
