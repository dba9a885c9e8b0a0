"""Makes the reader of a file's rows from the options of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from kernel.backfills.adapters import Adapter
from kernel.backfills.errors import BadSource, RowRefused
from kernel.backfills.reading.column_names import Names, check_required, our_names, read_defaults, resolve_names
from kernel.backfills.reading.columns import NUMBERS, Column, money, money_from_json
from kernel.backfills.reading.number_formats import with_number_format
from kernel.backfills.reading.options import ABSOLUTE, EFFECT, MAGNITUDE, ReadingOptions
from kernel.backfills.reading.row_steps import Absolute, Checked, Effects, KeyFrom, Member, Negated, SignFrom, SkipRule, Step, TypeFromSign
from kernel.backfills.reading.rows import Posting, RowReader, ShareOfRows
from kernel.backfills.reading.sources import Source
from kernel.backfills.reading.time_formats import with_time_format
from kernel.backfills.reading.value_texts import with_value_map
from kernel.backfills.reimport_after_undo import Again, values_again
from kernel.tenants.models import Tenant


def make_reader(
    adapter: Adapter,
    *,
    tenant: Tenant,
    source: Source,
    options: ReadingOptions,
    audit: Mapping[str, Any] | None = None,
    share: tuple[int, int] | None = None,
) -> RowReader:
    """The reader of a file's rows. With `audit`, its postings are packed for posting. `share`: a number and how many shares there are; rows
    of others are passed over. Raises BadSource for wrong names and values.
    """
    header = source.columns()
    names = resolve_names(adapter.columns, header=header, options=options, skipped=adapter.skipped_columns, complete=not source.has_objects)
    defaults = {**adapter.defaults(tenant), **read_defaults(adapter.columns, options.set)}
    _check(adapter, options)
    if not source.has_objects:
        check_required(adapter.columns, filled=names.filled | _made(adapter, options), defaults=defaults, header=header)
    columns = _columns(adapter, options)
    dotted = [name for name in dict.fromkeys((*names.columns, *options.named)) if "." in name and name not in header]
    return RowReader(
        columns,
        prepare=partial(_prepare, adapter, options.new_types, audit),
        names=names.columns,
        defaults=defaults,
        has_objects=source.has_objects,
        header=header,
        steps=_steps(adapter, tenant, options, names, {column.name: column for column in columns}),
        skips=[SkipRule(column, pattern) for column, pattern in options.skips if not _is_absent(column, header, options)],
        dotted=dotted if source.has_objects else (),
        share=None if share is None else _share_of_rows(adapter, options, names, *share),
        prepare_again=partial(_prepare_again, adapter, options, audit) if options.again else None,
    )


def _share_of_rows(adapter: Adapter, options: ReadingOptions, names: Names, number: int, of: int) -> ShareOfRows:
    """By the columns of the account; where the ledger has none, by the key or what it is made of. Raises BadSource."""
    theirs = {ours: name for name, ours in names.columns.items() if ours}
    if adapter.account_columns:
        columns = [theirs[name] for name in adapter.account_columns if name in theirs]
        if len(columns) > 1:
            raise BadSource(f"The file names its accounts in two ways ({', '.join(columns)}): post it with --jobs 1.")
        return ShareOfRows(number, of, columns, is_account=True)
    made = [part for part in options.key_from if not part.startswith("=")]
    keys = made or [theirs[name] for name in (adapter.key_column, "id") if name in theirs]
    return ShareOfRows(number, of, keys, is_account=False)


def _is_absent(name: str, header: Sequence[str], options: ReadingOptions) -> bool:
    """Whether an optional column isn't in the file. A member of an object is where its object is."""
    return name in options.optional and name not in header and name.partition(".")[0] not in header


def _columns(adapter: Adapter, options: ReadingOptions) -> list[Column]:
    """The ledger's columns as this file writes their values."""
    maps = {our_names(adapter.columns, [name], option="--map-value")[0]: values for name, values in options.value_maps.items()}
    upper = our_names(adapter.columns, options.upper, option="--upper")
    columns = []
    for column in adapter.columns:
        signed = _signed(column) if column.name == adapter.amount_column and _has_signs(options) else column
        formed = with_time_format(with_number_format(signed, options.numbers), options.times)
        columns.append(with_value_map(formed, maps.get(column.name), is_upper=column.name in upper, nulls=options.nulls))
    return columns


def _signed(column: Column) -> Column:
    return replace(column, read=money, from_json=money_from_json(money)) if column.read in NUMBERS else column


def _has_signs(options: ReadingOptions) -> bool:
    signs = options.signs
    return bool(signs.column or signs.types or signs.signs != MAGNITUDE or any(ours.startswith("-") for ours in options.mapped.values()))


def _made(adapter: Adapter, options: ReadingOptions) -> set[str]:
    """Our columns that steps give values to."""
    return {*([adapter.key_column] if options.key_from else []), *(["type"] if options.signs.types else [])}


def _steps(adapter: Adapter, tenant: Tenant, options: ReadingOptions, names: Names, columns: Mapping[str, Column]) -> list[Step]:
    amount, signs = adapter.amount_column, options.signs
    steps: list[Step] = [Negated(theirs, columns[ours]) for theirs, ours in names.negated.items()]
    steps += [Member(theirs, column, member) for theirs, (column, member) in names.members.items()]
    if signs.column:
        minus, plus = ({text.casefold() for text in texts} for texts in (signs.minus, signs.plus))
        steps.append(SignFrom(signs.column, amount, frozenset(minus), frozenset(plus)))
    if signs.types:
        steps.append(TypeFromSign(amount, *signs.types))
    if signs.signs == EFFECT:
        steps.append(Effects(amount, {**adapter.directions(tenant), **options.new_types}, adapter.reversals_have_the_original_type))
    if signs.signs == ABSOLUTE:
        steps.append(Absolute(amount))
    if _has_signs(options):
        [original] = [column for column in adapter.columns if column.name == amount]
        steps.append(Checked(original))
    if options.key_from:
        steps.append(KeyFrom(columns[adapter.key_column], options.key_from))
    return steps


def _prepare(adapter: Adapter, new_types: Mapping[str, str], audit: Mapping[str, Any] | None, values: dict[str, Any]) -> Posting:
    direction = new_types.get(values.get("type", ""))
    if direction is not None and values.setdefault("direction", direction) != direction:
        raise RowRefused("direction", f"is {values['direction']} where --new-type says {values['type']}={direction}")
    posting = adapter.prepare(values)
    if audit is not None:
        adapter.pack(posting, audit)
    return posting


def _prepare_again(
    adapter: Adapter, options: ReadingOptions, audit: Mapping[str, Any] | None, values: dict[str, Any]
) -> tuple[Posting, list[str]]:
    """The posting of a row under its new key, and the keys that earlier runs gave it."""
    again, columns = Again(**options.again), {column.name: column for column in adapter.columns}
    earlier = [
        _prepare(adapter, options.new_types, None, values_again(adapter, values, replace(again, number=number), columns)).key
        for number in range(2, again.number)
    ]
    return _prepare(adapter, options.new_types, audit, values_again(adapter, values, again, columns)), earlier


def _check(adapter: Adapter, options: ReadingOptions) -> None:
    """Raises BadSource for options that contradict each other, or that this ledger has no use for."""
    _check_new_types(adapter, options.new_types)
    options.times.check()
    our_names(adapter.columns, [name for name in options.times.formats if name], option="--date-format")
    if options.numbers.decimal == options.numbers.thousands:
        raise BadSource("--decimal and --thousands can't be the same character.")
    if options.signs.types and not any(column.name == "type" for column in adapter.columns):
        raise BadSource(f"--type-from-sign: {adapter.noun} have no type.")
    if options.signs.types and options.signs.signs == EFFECT:
        raise BadSource("--type-from-sign and --signs effect say the same in two ways: give one of them.")
    if (options.signs.column or _has_signs(options)) and not adapter.amount_column:
        raise BadSource(f"{adapter.noun} have no amount that has a sign.")
    if options.key_from and not adapter.key_column:
        raise BadSource(f"--key-from: {adapter.noun} have no key that could be made.")


def _check_new_types(adapter: Adapter, new_types: Mapping[str, str]) -> None:
    """Check that the ledger has types with these directions. Raises BadSource."""
    if new_types and not adapter.type_directions:
        raise BadSource(f"--new-type: {adapter.noun} have no catalogue of types.")
    for code, direction in new_types.items():
        if direction not in adapter.type_directions:
            raise BadSource(f"--new-type {code}={direction}: the direction must be one of {', '.join(adapter.type_directions)}.")
