"""The rules that can be read off the source. Each takes modules and returns what is wrong, with what to do instead."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LEDGERS = ("billing", "metering", "credits")
# Apps within a ledger's app, laid out as the ledgers are.
NESTED = ("metering.rules", "metering.paying")
SERVICE_PACKAGES = tuple(f"{app}.services" for app in (*LEDGERS, *NESTED))
PACKAGES = (*LEDGERS, "kernel", "backoffice", "config")
CATCH_ALL_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "misc", "tools", "shared"}
FUNCTION_LINES = 40
MODULE_LINES = 400
NESTING = 2
WRITES = {"save", "create", "bulk_create", "update", "bulk_update", "delete", "raw", "get_or_create", "update_or_create"}
# What only querysets have; a plain `.update(` may be a dictionary's.
QUERYSET_STEPS = {"objects", "_default_manager", "_base_manager", "filter", "exclude", "all", "get_queryset", "select_for_update", "using"}
QUERYSET_NAMES = {"queryset", "rows", "query"}
SQL_WRITES = ("INSERT INTO ", "UPDATE ", "DELETE FROM ", "TRUNCATE ")
SQL_TEMPORARY = tuple(f"{write}pg_temp." for write in SQL_WRITES)
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Words that nobody searches for, anywhere in a name. docs/glossary.md has the standard ones.
BANNED_WORDS = {
    *("errand", "traveller", "lane", "lanes", "door", "doors", "desk", "whence", "mouths", "roof", "twin", "likeness", "foresee", "grave"),
    *("wish", "verdict", "keeping"),
}
# Names of functions that don't say what the function returns.
BANNED_NAMES = {"told", "said", "given", "found", "shown", "known", "left", "who", "story", "house", "laws", "rests_on", "ground", "matter"}
KERNEL_SERVICES = ("kernel.tenants.services", "kernel.events.services", "kernel.backfills.services", "kernel.corrections.services")
DOMAIN = {"services", "selectors", "models", "errors", "choices"}


@dataclass(frozen=True)
class Module:
    """A Python file: `name` is dotted, as it is imported."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def parts(self) -> list[str]:
        return self.name.split(".")

    def imports(self) -> Iterator[tuple[int, str]]:
        """Every name imported, in full: `from a.b import c` gives a.b.c."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def all_modules(*packages: str) -> list[Module]:
    found = []
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found.append(Module(name=name, text=path.read_text()))
    return found


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def writes_only_in_services(modules: Iterable[Module], ledger_models: set[str]) -> list[str]:
    """Only services create or change a ledger's rows. A temporary table of a session (pg_temp) holds no rows of a ledger."""
    found = []
    for module in modules:
        app_services = f"{_app_of(module)}.services"
        if (
            is_within(module.name, app_services)
            or any(is_within(module.name, services) for services in KERNEL_SERVICES)
            or "migrations" in module.parts
        ):
            continue
        is_ledger_code = module.parts[0] in LEDGERS or is_within(module.name, "kernel.ledger")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and _is_write(node, ledger_models=ledger_models, is_ledger_code=is_ledger_code):
                found.append(
                    f"{module.name}:{node.lineno} writes rows with .{node.func.attr}(): call a function of {app_services} instead; "  # type: ignore[attr-defined]
                    "if there is none for this change, add it there."
                )
            if is_ledger_code and _is_sql_write(node):
                found.append(
                    f"{module.name}:{node.lineno} holds SQL that writes: it belongs to {app_services} or a .sql file beside a migration."
                )
    return found


def _app_of(module: Module) -> str:
    return next((app for app in NESTED if is_within(module.name, app)), module.parts[0])


def _is_write(call: ast.Call, *, ledger_models: set[str], is_ledger_code: bool) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in WRITES:
        return False
    steps = _chain(call.func.value)
    if ledger_models & set(steps):
        return True
    if not is_ledger_code or steps[:1] == ["super"]:
        return False
    return call.func.attr != "update" or bool(QUERYSET_STEPS & set(steps)) or bool(QUERYSET_NAMES & set(steps[:1]))


def _chain(node: ast.expr) -> list[str]:
    """The names of `A.objects.filter(...)`, from the left: A, objects, filter."""
    names: list[str] = []
    while True:
        if isinstance(node, ast.Call | ast.Subscript):
            node = node.func if isinstance(node, ast.Call) else node.value
        elif isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        else:
            return [*([node.id] if isinstance(node, ast.Name) else []), *reversed(names)]


def _is_sql_write(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    statement = node.value.lstrip()
    return statement.startswith(SQL_WRITES) and not statement.startswith(SQL_TEMPORARY)


def no_catch_all_modules(modules: Iterable[Module]) -> list[str]:
    return [
        f"{module.name} holds no one subject: name the module after what it is about, or put the function where it is used."
        for module in modules
        if CATCH_ALL_NAMES & set(module.parts)
    ]


def plain_names(modules: Iterable[Module]) -> list[str]:
    """Functions and classes are named with the word that a Django or payments engineer would search for."""
    return [
        f"{module.name}:{node.lineno} {node.name} is no plain name: name it after what it returns or does, in a standard word."
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and _is_banned(node.name)
    ]


def _is_banned(name: str) -> bool:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)}
    return name.strip("_") in BANNED_NAMES or bool(words & BANNED_WORDS)


def sizes(modules: Iterable[Module]) -> list[str]:
    found = []
    for module in modules:
        lines = module.text.count("\n")
        if lines > MODULE_LINES:
            found.append(f"{module.name} has {lines} lines, {MODULE_LINES} are allowed: make a package of it, one file for each noun.")
        for node in ast.walk(module.tree):
            if isinstance(node, FUNCTIONS):
                found += _function_sizes(module, node)
    return found


def _function_sizes(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    found = []
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if length > FUNCTION_LINES:
        found.append(
            f"{module.name}:{function.lineno} {function.name} has {length} lines, {FUNCTION_LINES} are allowed: "
            "give a step of it a name of its own."
        )
    if (depth := nesting(function)) > NESTING:
        found.append(
            f"{module.name}:{function.lineno} {function.name} nests {depth} deep, {NESTING} are allowed: "
            "return early, or give the inner part a name."
        )
    return found


def nesting(node: ast.AST) -> int:
    """How deep branches and loops stand in each other; an elif is no deeper than its if, an inner function begins anew."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, nesting(child) + (isinstance(child, BRANCHES) and not is_elif))
    return deepest


def no_print(modules: Iterable[Module]) -> list[str]:
    return [
        f"{module.name}:{node.lineno} prints: a command writes to self.stdout, everything else logs."
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def no_signals(modules: Iterable[Module]) -> list[str]:
    return [
        f"{module.name}:{line} uses signals ({name}): say it in the service that makes the change, in the same transaction."
        for module in modules
        for line, name in module.imports()
        if name.startswith(("django.db.models.signals", "django.dispatch"))
    ]


def domain_without_http(modules: Iterable[Module]) -> list[str]:
    """The domain code, which decides about money, imports nothing of HTTP. Admin pages are no domain code."""
    http = ("django.http", "rest_framework", "drf_spectacular", "kernel.api")
    return [
        f"{module.name}:{line} imports {name}: raise an error with a code and facts, and let the api's dialect write the message."
        for module in modules
        if _is_domain(module)
        for line, name in module.imports()
        if any(is_within(name, package) for package in http)
    ]


def _is_domain(module: Module) -> bool:
    if module.parts[0] == "kernel":
        return module.parts[1:2] in (["ledger"], ["tenants"]) and "admin" not in module.parts
    inner = module.name.removeprefix(f"{_app_of(module)}.").split(".")[0]
    return module.parts[0] in LEDGERS and inner in DOMAIN


def other_ledgers_by_services(modules: Iterable[Module]) -> list[str]:
    """Metering pays through the services of billing and credits, reads by their selectors, and imports nothing else of them."""
    return [
        f"{module.name}:{line} imports {name}: metering may use only the services and selectors of {name.split('.')[0]}."
        for module in modules
        if module.parts[0] == "metering"
        for line, name in module.imports()
        if name.split(".")[0] in {"billing", "credits"} and name.split(".")[1:2] not in (["services"], ["selectors"])
    ]


def apis_import_no_models(modules: Iterable[Module]) -> list[str]:
    """Code that speaks HTTP imports no models, so it can't write rows."""
    return [
        f"{module.name}:{line} imports {name}: an api calls services and selectors, it doesn't see models."
        for module in modules
        if module.parts[1:2] == ["api"] or is_within(module.name, "kernel.api") or is_within(module.name, "kernel.events.api")
        for line, name in module.imports()
        if ("models" in name.split(".")[1:3] and name.split(".")[0] in PACKAGES)
        or is_within(name, "kernel.ledger.base_models")
        or name == "django.db.models"
    ]


def services_by_package(modules: Iterable[Module]) -> list[str]:
    """What the package of an app's services offers is imported from the package, so that each service has one address."""
    modules = list(modules)
    offered: dict[str, set[str]] = {}
    for module in modules:
        if module.name in SERVICE_PACKAGES:
            for _, name in module.imports():
                offered.setdefault(name.rpartition(".")[0], set()).add(name.rpartition(".")[2])
    return [
        f"{module.name}:{line} imports {name}: import it from {'.'.join(name.split('.')[: name.split('.').index('services') + 1])}."
        for module in modules
        for line, name in module.imports()
        if name in offered or name.rpartition(".")[2] in offered.get(name.rpartition(".")[0], ())
        if not any(is_within(module.name, package) and is_within(name, package) for package in SERVICE_PACKAGES)
    ]
