"""The form of a new upload, and the form that says how a file is read.

The latter is another way to write the options of the command line: it makes arguments of its fields and fills its fields from arguments,
so that the page and the command read a file in one way. What has no field of its own stands in `more`, an option a line. The words of the
labels are those of `form_words`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from kernel.backfills.adapters import Adapter
from kernel.backfills.admin.form_words import in_words_of_the_form
from kernel.backfills.arguments.parser import DELIMITERS, THOUSANDS, ReadingParser
from kernel.backfills.errors import BadSource
from kernel.backfills.known_commands import known_adapters, title_of
from kernel.backfills.models import BackfillUpload
from kernel.backfills.reading.files.records import FORMATS
from kernel.backfills.reading.files.unpacking import ENCODINGS
from kernel.backfills.reading.options import ABSOLUTE, EFFECT
from kernel.backfills.reading.rows import columns_by_name
from kernel.backfills.selectors import list_undone_runs
from kernel.base.field_labels import LABELS
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

MAX_LINES = 500
MAX_VALUE_LENGTH = 2000
UNDONE_RUNS_LISTED = 20
METADATA = "metadata"
# What becomes of the columns of the file that no field takes.
ASK, IGNORE, KEEP = "", "ignore", "keep"
# Fields whose text is the value of one option.
TEXTS = {
    "format": "format",
    "delimiter": "delimiter",
    "encoding": "encoding",
    "items": "items",
    "sheet": "sheet",
    "skip_lines": "skip-lines",
    "header": "columns",
    "decimal": "decimal",
    "thousands": "thousands",
    "scale": "scale",
    "timezone": "timezone",
    "sign_from": "sign-from",
    "signs": "signs",
    "type_from_sign": "type-from-sign",
    "key_from": "key-from",
}
# Fields with a value of the option a line.
LISTS = {
    "date_formats": "date-format",
    "nulls": "null",
    "skips": "skip-rows-where",
    "value_maps": "map-value",
    "new_types": "new-type",
}
SIGNS = [
    ("", "nothing: amounts have none"),
    (EFFECT, "which way the balance moves"),
    (ABSOLUTE, "nothing: they are dropped"),
]
# Switches, and the option that each sets.
SWITCHES = {
    "has_exponents": "--numbers=scientific",
    "has_parentheses": "--negative=parentheses",
    "is_rounded": "--rounding=half-even",
    "upper_currency": "--upper=currency",
}


def command_choices() -> list[tuple[str, str]]:
    return [(command, title_of(command)) for command in known_adapters()]


class UploadForm(forms.Form):
    """A new file: whose, what its rows are."""

    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.none(), label="Tenant", empty_label="Choose …", widget=UnfoldAdminSelectWidget()
    )
    command = forms.ChoiceField(label="Its rows are", choices=command_choices, widget=UnfoldAdminSelectWidget())
    file = forms.FileField(label="File", max_length=255)

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tenant"].queryset = scope_of(request.user).limit(Tenant.objects.all())  # type: ignore[attr-defined]
        self.fields["file"].widget.attrs |= {"data-limit": settings.BACKFILL_UPLOAD_LIMIT, "class": "ch-file"}

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.BACKFILL_UPLOAD_LIMIT:
            raise forms.ValidationError(
                f"The file has {file.size:,} bytes, and {settings.BACKFILL_UPLOAD_LIMIT:,} are allowed. Compress it (.gz, .zip), divide it,"
                " or have an operator bring it in with the command."
            )
        if "\0" in file.name:
            raise forms.ValidationError("Give the file another name.")
        return file


def in_plain(column: str) -> str:
    """What the office calls a column of the ledger."""
    return capfirst(LABELS.get(column) or column.removesuffix("_id").replace("_", " "))


def _select(label: str, choices: Iterable[tuple[str, str]], help: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=list(choices), required=False, help_text=help, widget=UnfoldAdminSelectWidget())


def _text(label: str, help: str = "", **attributes: str) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", **attributes})
    return forms.CharField(label=label, required=False, max_length=MAX_VALUE_LENGTH, help_text=help, widget=widget, strip=False)


def _lines(label: str, help: str = "") -> forms.CharField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})
    return forms.CharField(label=label, required=False, max_length=MAX_VALUE_LENGTH * 10, help_text=help, widget=widget, strip=False)


def _switch(label: str) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanSwitchWidget())


def _named(names: Iterable[str], none: str) -> list[tuple[str, str]]:
    return [("", none), *((name, name) for name in names)]


class ReadingForm(forms.Form):
    """How a file is read, for one ledger and the columns of one file.

    For each column of the ledger there is `from_<column>` (a column of the file) and `set_<column>` (a value for rows without one).
    """

    def __init__(self, data: Any, *, adapter: Adapter, upload: BackfillUpload, arguments: Sequence[str] = ()) -> None:
        self.adapter, self.upload = adapter, upload
        self.theirs: list[str] = upload.look.get("columns", [])
        initial = None if data is not None else values_of(arguments, adapter, self.theirs)
        super().__init__(data, initial=initial)
        self.fields |= {**self._column_fields(), **self._layout_fields(), **self._value_fields(), **self._other_fields()}

    def columns(self) -> list[list[dict[str, Any]]]:
        """For two tables: each column of the ledger with its two fields. First those that are required or used, then the others."""
        first: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for column in self.adapter.columns:
            source, constant = self[f"from_{column.name}"], self[f"set_{column.name}"]
            is_used = any(field.value() or field.errors for field in (source, constant))
            line = {"column": column, "words": in_plain(column.name), "source": source, "constant": constant}
            (first if column.required or is_used else others).append(line)
        return [first, others]

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The other fields, by what they are about."""
        names = {
            "Other columns": ["others", "negated", "key_from"],
            "Amounts": [*("decimal", "thousands", "scale", *("sign_from", "signs", "type_from_sign")), *list(SWITCHES)],
            "Times": ["date_formats", "timezone"],
            "Values and rows": ["value_maps", "new_types", "nulls", "skips"],
            "The file": ["format", "delimiter", "encoding", "sheet", "items", "skip_lines", "header"],
            "Once more": ["again"],
        }
        return [(title, [self[name] for name in members if name in self.fields]) for title, members in names.items()]

    def _column_fields(self) -> dict[str, forms.Field]:
        fields: dict[str, forms.Field] = {}
        for column in self.adapter.columns:
            fields[f"from_{column.name}"] = _select(f"{in_plain(column.name)} is", _named(self.theirs, "–"))
            fields[f"set_{column.name}"] = _text(f"{in_plain(column.name)} where the row has none")
        return fields

    def _layout_fields(self) -> dict[str, forms.Field]:
        return {
            "format": _select("Format", _named(FORMATS, "as its name says")),
            "delimiter": _select("Delimiter", _named(DELIMITERS, "comma"), "What stands between two values of a line."),
            "encoding": _select("Encoding", _named(ENCODINGS, "UTF-8, or as the file's mark says"), "Where letters such as ü are wrong."),
            "sheet": _text("Sheet of a workbook", "The first, if empty."),
            "items": _text("Where the list is", "In JSON, the name that the list of rows has: data, or data.results."),
            "skip_lines": _text("Lines above the header", "How many stand above the names of the columns.", inputmode="numeric"),
            "header": _text("Columns of a file without a header", "Their names, in order: date,amount,text"),
        }

    def _value_fields(self) -> dict[str, forms.Field]:
        fields: dict[str, forms.Field] = {
            "decimal": _select("Decimal separator", [("", "point"), ("comma", "comma")]),
            "thousands": _select("Thousands separator", _named(THOUSANDS, "none")),
            "scale": _text("Scale", "What amounts are multiplied by: 0.01 if they are cents.", inputmode="decimal"),
            "has_exponents": _switch("Amounts may be written 3.45e-05"),
            "has_parentheses": _switch("(1.50) is negative"),
            "is_rounded": _switch("Round what has more than 18 decimals"),
            "date_formats": _lines(
                "How times are written",
                "One a line: %d.%m.%Y reads 31.12.2026. Of one column: occurred_at:%d.%m.%Y",
            ),
            "timezone": _text("Zone of times without an offset", "Such as Europe/Berlin or UTC.", list="zones"),
            "value_maps": _lines("Other words for values", "One a line: type:charge=topup reads charge in the column type as topup."),
            "nulls": _lines("Texts that mean no value", "One a line, such as NULL or n/a."),
            "skips": _lines("Rows to leave out", "One a line: Date=Total* leaves out what begins with Total in the column Date."),
        }
        if "currency" in (column.name for column in self.adapter.columns):
            fields["upper_currency"] = _switch("Currencies are in lower case")
        if self.adapter.type_directions:
            directions = ", ".join(self.adapter.type_directions)
            fields["new_types"] = _lines("Types that the catalogue lacks", f"One a line, with the direction: minutes=debit ({directions}).")
        if self.adapter.amount_column:
            fields["sign_from"] = _text("The sign is in the column", "S/H, or Kind:Withdrawal=Deposit, what takes money first.")
            fields["signs"] = _select("Signs mean", SIGNS)
            fields["type_from_sign"] = _text("Types of amounts above and below zero", "Both, with a comma: topup,usage")
        return fields

    def _other_fields(self) -> dict[str, forms.Field]:
        others = [(ASK, "are an error"), (IGNORE, "are left out")]
        if any(column.name == METADATA for column in self.adapter.columns):
            others.append((KEEP, "are kept in metadata"))
        fields: dict[str, forms.Field] = {
            "others": _select("Columns of the file that no field takes", others),
            "key_from": _text("Make the key of the columns", "Where the file has none: date,amount,text. _line is the line of the file."),
            "again": _select("Bring in again what was taken back of the run", _named(self._undone(), "–")),
            "more": _lines("Further options", "Options without a field above, one a line: --map a.b=metadata.b"),
        }
        if self.adapter.amount_column:
            fields["negated"] = _select("Money out is in the column", _named(self.theirs, "–"), "They are read with the sign turned round.")
        return fields

    def _undone(self) -> list[str]:
        runs = list_undone_runs(tenant_id=self.upload.tenant_id, command=self.adapter.command, at_most=UNDONE_RUNS_LISTED)
        return [str(run.id) for run in runs]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if any("\0" in value for value in cleaned.values() if isinstance(value, str)):
            raise forms.ValidationError("A text holds a NUL character.")
        self.arguments = arguments_of(cleaned, self.adapter, self.theirs)
        reading = [one for one in self.arguments if not one.startswith("--again=")]
        try:
            ReadingParser(self.adapter, title="The form").parse_args(reading)
        except BadSource as refused:
            raise forms.ValidationError(in_words_of_the_form(str(refused))) from refused
        return cleaned


def arguments_of(values: Mapping[str, Any], adapter: Adapter, theirs: Sequence[str]) -> list[str]:
    """The options that the form says, as arguments of the command line."""
    arguments = [f"--{option}={values[name]}" for name, option in TEXTS.items() if values.get(name)]
    arguments += [f"--{option}={line}" for name, option in LISTS.items() for line in _split(values.get(name))]
    arguments += [argument for name, argument in SWITCHES.items() if values.get(name)]
    taken = set()
    for column in adapter.columns:
        if chosen := values.get(f"from_{column.name}"):
            arguments.append(f"--map={chosen}={column.name}")
            taken.add(chosen)
        if constant := values.get(f"set_{column.name}"):
            arguments.append(f"--set={column.name}={constant}")
    if negated := values.get("negated"):
        arguments.append(f"--map={negated}=-{adapter.amount_column}")
        taken.add(negated)
    more = [_option(line) for line in _split(values.get("more"))]
    arguments += [*more, *_for_others(values, [*arguments, *more], theirs, taken)]
    return [*arguments, *([f"--again={values['again']}"] if values.get("again") else [])]


def _for_others(values: Mapping[str, Any], arguments: Sequence[str], theirs: Sequence[str], taken: set[str]) -> list[str]:
    """What becomes of the columns that nothing names. A member of an object is left out, or kept, with its object."""
    if values.get("others") == IGNORE:
        return ["--ignore=*"]
    if values.get("others") != KEEP:
        return []
    named = taken | {_pair(argument)[0] for argument in arguments if argument.startswith("--map=")}
    objects = {name for name in theirs if any(other.startswith(f"{name}.") for other in theirs)}
    return [f"--map={name}={METADATA}.{name.replace('=', '_')}" for name in theirs if name not in named | objects]


def values_of(arguments: Sequence[str], adapter: Adapter, theirs: Sequence[str]) -> dict[str, Any]:
    """The form's fields from arguments of the command line. Before anybody has said anything, columns with our names are ours."""
    values: dict[str, Any] = {}
    more = [argument for argument in arguments if not _fill(values, argument, adapter, theirs)]
    # A profile may keep some columns and leave the others out.
    if to_metadata := set() if "others" in values else _to_metadata(more, theirs):
        values["others"] = KEEP
    values["more"] = "\n".join(argument for argument in more if argument not in to_metadata)
    if not any(argument.startswith(("--map=", "--ignore=*")) for argument in arguments):
        known = columns_by_name(adapter.columns)
        own = {f"from_{known[name].name}": name for name in theirs if name in known}
        return {**own, **values}
    return values


def _to_metadata(arguments: Sequence[str], theirs: Sequence[str]) -> set[str]:
    """The arguments that KEEP makes: columns as members of metadata under their own names."""
    return {*arguments} & {f"--map={name}={METADATA}.{name.replace('=', '_')}" for name in theirs}


def _fill(values: dict[str, Any], argument: str, adapter: Adapter, theirs: Sequence[str]) -> bool:
    """Set the field that an argument belongs to. False if it has none, or if the field is taken."""
    option, _, value = argument.removeprefix("--").partition("=")
    if switch := next((name for name, one in SWITCHES.items() if one == argument), None):
        values[switch] = True
        return True
    if option in LISTS.values():
        name = next(name for name, one in LISTS.items() if one == option)
        values[name] = "\n".join([*_split(values.get(name)), value])
        return True
    field = _single_field(option, value, argument, adapter, theirs)
    if field is None or field[0] in values:
        return False
    values[field[0]] = field[1]
    return True


def _single_field(option: str, value: str, argument: str, adapter: Adapter, theirs: Sequence[str]) -> tuple[str, str] | None:
    """The field and its value, for an option that one field takes once."""
    if option in {"map", "set"}:
        return _column_field(option, argument, adapter, theirs)
    if argument == "--ignore=*" or option == "again":
        return ("again", value) if option == "again" else ("others", IGNORE)
    names = {one: name for name, one in TEXTS.items()}
    known = {"delimiter": [*DELIMITERS], "thousands": [*THOUSANDS], "decimal": ["comma"]}
    if option not in names or (option in known and value not in known[option]):
        return None
    return names[option], value


def _column_field(option: str, argument: str, adapter: Adapter, theirs: Sequence[str]) -> tuple[str, str] | None:
    if option == "set":
        column, _, constant = argument.partition("=")[2].partition("=")
        return (f"set_{column}", constant) if _has(adapter, column) else None
    chosen, column = _pair(argument)
    if chosen not in theirs:
        return None
    if column == f"-{adapter.amount_column}":
        return "negated", chosen
    return (f"from_{column}", chosen) if _has(adapter, column) else None


def _has(adapter: Adapter, name: str) -> bool:
    return any(column.name == name for column in adapter.columns)


def _pair(argument: str) -> tuple[str, str]:
    """THEIRS and OURS of a --map. The last = divides."""
    theirs, _, ours = argument.partition("=")[2].rpartition("=")
    return theirs, ours


def _split(written: str | None) -> list[str]:
    lines = [line.rstrip("\r") for line in (written or "").split("\n")]
    return [line for line in lines if line.strip()][:MAX_LINES]


def _option(line: str) -> str:
    """`--map a=b` or `--map=a=b` as one argument. Another word is left as it is, for the parser to refuse."""
    name, space, value = line.strip().partition(" ")
    return f"{name}={value.strip()}" if space and "=" not in name else line.strip()
