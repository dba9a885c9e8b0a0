"""The rules that can be read off the sql files. Each takes files and returns what is wrong, with what to do instead."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tests.architecture.source_rules import PACKAGES, ROOT

FUNCTION_LINES = 120
LINE_LENGTH = 140
HEAD_WORDS = ("takes", "returns", "locks", "never")
# From so many parameters on, the head says each of these on lines of its own.
MANY_PARAMETERS = 6
# The words of a head without their colon. `Locks the wallets of ...` may begin a head: it says what the function does.
WITHOUT_COLON = re.compile(r"\b(?:(?:Takes|Returns|Locks) nothing|Never [a-z]+)\b")
CREATED = re.compile(r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s+(\w+)", re.IGNORECASE)
WRITE = re.compile(r"\b(INSERT\s+INTO|UPDATE\s+\w+\s+(AS\s+)?(\w+\s+)?SET|DELETE\s+FROM|FOR\s+((NO\s+)?KEY\s+)?(UPDATE|SHARE))\b")
# What a function sets that keeps its plans for the life of a connection, and what some set beside.
PLAN_SETTINGS = [
    "plan_cache_mode = force_generic_plan",
    "enable_seqscan = off",
    "enable_hashjoin = off",
    "enable_mergejoin = off",
    "jit = off",
]
MORE_PLAN_SETTINGS = {"enable_bitmapscan = off", "enable_sort = off"}
# Read the clock before they lock: the one to choose the grants that it locks, which it does again by the time under the locks; the other
# to bound what it reads, and it writes nothing.
READ_THE_CLOCK_BEFORE = {"credits_lock_customer_grants", "rules_list_history"}
# Take several amounts, of which a caller could swap two.
NAMED_ARGUMENTS = ("billing_floor_allows", "billing_posting_refusal")
COMMENT = re.compile(r"--[^\n]*")
# With another word after it than a table's name, INTO assigns a variable: only INSERT INTO writes a table.
TABLE = r"(?:FROM|JOIN|INSERT\s+INTO|UPDATE)\s+(?:ONLY\s+)?(\w+)\b(?!\s*\()"


@dataclass(frozen=True)
class SqlFile:
    """A file of a sql folder: `name` is its path from the checkout."""

    name: str
    text: str

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2].removesuffix(".sql")

    @cached_property
    def code(self) -> str:
        """The text without comments."""
        return COMMENT.sub("", self.text)

    @cached_property
    def head(self) -> str:
        """The comment at the file's beginning."""
        lines = self.text.splitlines()
        return "\n".join(lines[: next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))])

    @property
    def writes(self) -> bool:
        """Whether the function itself locks or writes rows. What a trigger's function takes is set by its table."""
        return bool(WRITE.search(self.code)) and not re.search(r"RETURNS\s+trigger", self.code)


def current_files() -> list[SqlFile]:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("sql/*.sql")]
    return [SqlFile(name=str(path.relative_to(ROOT)), text=path.read_text()) for path in sorted(paths) if path.stem != "types"]


def sizes(files: Iterable[SqlFile]) -> list[str]:
    return [
        f"{file.name} has {lines} lines of code, {FUNCTION_LINES} are allowed: make functions of its steps, and name them."
        for file in files
        if (lines := sum(1 for line in file.code.splitlines() if line.strip())) > FUNCTION_LINES
    ]


def long_lines(files: Iterable[SqlFile]) -> list[str]:
    return [
        f"{file.name}, line {number}: {len(line)} characters, {LINE_LENGTH} are allowed as in Python."
        for file in files
        for number, line in enumerate(file.text.splitlines(), 1)
        if len(line) > LINE_LENGTH
    ]


def heads(files: Iterable[SqlFile]) -> list[str]:
    """A reader learns from the head comment what a function takes and returns, what it locks in which order, and what it never does."""
    found = []
    for file in files:
        if not file.head:
            found.append(f"{file.name} has no head comment: say what the function is for.")
        elif file.writes and (missing := [word for word in HEAD_WORDS if word not in file.head.lower()]):
            found.append(f"{file.name}: its head comment doesn't say {', '.join(missing)}")
        if bare := WITHOUT_COLON.findall(file.head):
            found.append(f"{file.name}: its head comment says {', '.join(bare)}: write Takes:, Returns:, Locks: and Never: with a colon.")
        if _parameters(file.code) >= MANY_PARAMETERS and (packed := re.findall(r"(?<=[.;)`]) (?:Takes|Returns|Locks|Never):", file.head)):
            found.append(f"{file.name}: its head comment has{', '.join(packed)} within a line: begin a line with each.")
    return found


def _parameters(code: str) -> int:
    declared = re.search(r"\bFUNCTION \w+\(([^$]*?)\)\s*(?:RETURNS|LANGUAGE)", code)
    return re.sub(r"\([^)]*\)", "", declared.group(1)).count(",") + 1 if declared else 0


def one_function_for_each_file(files: Iterable[SqlFile]) -> list[str]:
    return [
        f"{file.name} creates {', '.join(created) or 'nothing'}: a file creates the function that it is named after, and no other."
        for file in files
        if (created := CREATED.findall(file.code)) != [file.stem]
    ]


def functions_are_created_in_sql_folders(files: Iterable[SqlFile]) -> list[str]:
    """`files`: any files that are not in a sql folder."""
    return [
        f"{file.name} creates the function {name}: its only place is <app>/sql/{name}.sql."
        for file in files
        for name in CREATED.findall(file.text)
    ]


def rows_are_written_by_column_name(files: Iterable[SqlFile]) -> list[str]:
    """An INSERT without column names breaks, or mixes values up, with the next column of the table."""
    return [
        f"{file.name} inserts into {table} by the order of its columns: name them."
        for file in files
        for table in re.findall(r"INSERT\s+INTO\s+(\w+)(?:\s+AS\s+\w+)?\s+(?!\()(?:SELECT|VALUES|TABLE|DEFAULT)", file.code, re.IGNORECASE)
    ]


def clock_is_read_under_the_locks(files: Iterable[SqlFile]) -> list[str]:
    """Reads of the past rely on it (kernel/ledger/past_reads.py): a posting locks first and takes its created_at then."""
    return [
        f"{file.name} reads the clock in DECLARE: read it once, after the locks."
        for file in files
        if file.stem not in READ_THE_CLOCK_BEFORE
        if re.search(r"\bDECLARE\b(?:(?!\bBEGIN\b).)*(?:clock_timestamp|ledger_now)\(\)", file.code, re.DOTALL)
    ] + [
        f"{file.name} takes the time with {name}, which is earlier than the locks: take clock_timestamp() once, after the locks."
        for file in files
        for name in re.findall(r"\b(now\(\)|statement_timestamp\(\)|current_timestamp|transaction_timestamp\(\))", file.code, re.IGNORECASE)
    ]


def look_alike_arguments_are_named(files: Iterable[SqlFile]) -> list[str]:
    """Two amounts that change places are still two amounts: no error says so. After a named argument PostgreSQL takes named ones only."""
    return [
        f"{file.name} calls {name} by position: write `held => wallet.held`."
        for file in files
        for name, arguments in re.findall(rf"(?<!FUNCTION )\b({'|'.join(NAMED_ARGUMENTS)})\(\s*([^,]*)", file.code)
        if "=>" not in arguments
    ]


def plans_are_kept_under_the_same_settings(files: Iterable[SqlFile]) -> list[str]:
    """docs/performance.md says why of each: what it leaves the planner is good for a table of every size."""
    found = []
    for file in files:
        settings = [setting for setting in re.findall(r"^SET (.+)$", file.code, re.MULTILINE) if setting not in MORE_PLAN_SETTINGS]
        if PLAN_SETTINGS[0] in settings and settings != PLAN_SETTINGS:
            found.append(f"{file.name} keeps its plans under {', '.join(settings)}: set {', '.join(PLAN_SETTINGS)}.")
    return found


def statements_name_the_tenant(files: Iterable[SqlFile], tenant_tables: set[str]) -> list[str]:
    """A statement that says tenant_id can be routed by a distributed database, and never sees another tenant's rows."""
    found = []
    for file in files:
        for statement in file.code.split(";"):
            tables = sorted(set(re.findall(TABLE, statement, re.IGNORECASE)) & tenant_tables)
            if tables and "tenant_id" not in statement:
                found.append(
                    f"{file.name}: a statement on {', '.join(tables)} doesn't mention tenant_id: {' '.join(statement.split())[:80]}"
                )
    return found


def reached_functions(files: Iterable[SqlFile], roots: Iterable[str], without: Iterable[str]) -> list[SqlFile]:
    """The functions that these call, and those that they call, but for some."""
    named = {file.stem: file for file in files}
    reached: set[str] = set(without)
    waiting = list(roots)
    found = []
    while waiting:
        name = waiting.pop()
        if name in named and name not in reached:
            reached.add(name)
            found.append(named[name])
            waiting += re.findall(r"\b(\w+)\(", named[name].code)
    return found


def sql_functions_read_one_table(files: Iterable[SqlFile], tenant_tables: set[str]) -> list[str]:
    """Citus plans a statement of a function in SQL, whose tenant is a parameter, only where it reads one table. Those that return sets
    become PL/pgSQL there (ADAPT_TO_CITUS)."""
    return [
        f"{file.name} reads {', '.join(tables)} in SQL: write it in PL/pgSQL."
        for file in files
        if re.search(r"\bLANGUAGE\s+sql\b", file.code) and not re.search(r"\bRETURNS\s+(?:SETOF|TABLE)\b", file.code)
        if len(tables := [table for table in re.findall(TABLE, file.code, re.IGNORECASE) if table in tenant_tables]) > 1
    ]


def rows_of_tables_are_no_arguments(files: Iterable[SqlFile], tenant_tables: set[str]) -> list[str]:
    """On Citus a row that is read from a shard has the shard's own type, which no function takes."""
    return [
        f"{file.name} passes a row of {table} to {function}: pass the columns that it needs, or a type of our own (metering_found_agent)."
        for file in files
        for table, alias in sorted(set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)\s+(?:AS\s+)?(\w+)", file.code)))
        if table in tenant_tables
        for function in re.findall(rf"\b(\w+)\((?:[^()]*,\s*)?{alias}\s*[,)]", file.code)
        if function.startswith(("billing_", "credits_", "metering_", "paying_", "rules_"))
    ]
