"""docs/webhooks.md: its list of types is the registry's, and its code works as it stands there."""

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from django.core.management import call_command

from kernel.events.catalogue import with_catalogue

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "webhooks.md"
COMPILER = ROOT / "var" / "typescript"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODY = '{"type":"credits.grant.created","data":{"note":"é"}}'
ID = "evt_01930000000070008000000000000001"


def snippet(language: str) -> str:
    [code] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return code


def signature(secret: str, moment: int, body: str = BODY) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, f"{ID}.{moment}.{body}".encode(), hashlib.sha256).digest()).decode()


def cases() -> list[tuple[dict[str, str], str, bool]]:
    """Headers, body, and whether the receiver should believe them."""
    now = int(time.time())
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    head = {"webhook-id": ID, "webhook-timestamp": str(now)}
    good = signature(SECRET, now)
    return [
        (head | {"webhook-signature": good}, BODY, True),
        (head | {"webhook-signature": f"{signature(other, now)} {good}"}, BODY, True),
        (head | {"webhook-signature": f"v2,abc {good}"}, BODY, True),
        (head | {"webhook-signature": signature(other, now)}, BODY, False),
        (head | {"webhook-signature": good}, BODY.replace("é", "e"), False),
        (head | {"webhook-signature": good, "webhook-id": "evt_2"}, BODY, False),
        ({"webhook-id": ID, "webhook-timestamp": str(now - 301), "webhook-signature": signature(SECRET, now - 301)}, BODY, False),
    ]


def test_the_list_of_types_is_the_registrys():
    assert with_catalogue(PAGE.read_text()) == PAGE.read_text(), "run manage.py webhook_catalogue"
    call_command("webhook_catalogue", "--check")
    with pytest.raises(ValueError, match="no place"):
        with_catalogue("# Another page")


def test_the_python_of_the_page_tells_genuine_calls_from_others():
    names: dict = {}
    exec(snippet("python"), names)
    assert [names["is_genuine"](SECRET, headers, body.encode()) for headers, body, _ in cases()] == [wanted for *_, wanted in cases()]


@pytest.fixture(scope="module")
def typescript() -> Path:
    """The folder with the TypeScript compiler; it is fetched once and kept."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("NO NODE HERE: the TypeScript of docs/webhooks.md was NOT run.")
    if not (COMPILER / "node_modules" / "typescript").exists():
        COMPILER.mkdir(parents=True, exist_ok=True)
        (COMPILER / "package.json").write_text('{"private": true}')
        quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1", "--fetch-timeout=30000"]
        try:
            command = [npm, "install", *quietly, "typescript@5.9.3"]
            done = subprocess.run(command, cwd=COMPILER, capture_output=True, text=True, timeout=180, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("NPM GOT NO ANSWER: the TypeScript of docs/webhooks.md was NOT run.")
        if done.returncode:
            pytest.skip(f"NPM FAILED: the TypeScript of docs/webhooks.md was NOT run. {done.stderr[-300:]}")
    return COMPILER


def test_the_typescript_of_the_page_tells_genuine_calls_from_others(typescript, tmp_path):
    source, compiled = tmp_path / "verify.ts", tmp_path / "verify.mjs"
    source.write_text(snippet("typescript"))
    compiler = typescript / "node_modules" / "typescript" / "lib" / "typescript.js"
    compile_it = (
        f"import ts from {json.dumps(str(compiler))}; import {{ readFileSync, writeFileSync }} from 'node:fs';"
        f"const done = ts.transpileModule(readFileSync({json.dumps(str(source))}, 'utf8'), {{"
        "reportDiagnostics: true, compilerOptions: { module: 'esnext', target: 'es2022', strict: true } });"
        "if (done.diagnostics.length) { console.error(JSON.stringify(done.diagnostics.map((one) => one.messageText))); process.exit(1); }"
        f"writeFileSync({json.dumps(str(compiled))}, done.outputText);"
    )
    calls = json.dumps([[headers, body] for headers, body, _ in cases()])
    run_it = (
        f"const {{ isGenuine }} = await import({json.dumps(str(compiled))});"
        f"console.log(JSON.stringify({calls}.map(([headers, body]) => isGenuine({json.dumps(SECRET)}, headers, body))));"
    )
    script = tmp_path / "run.mjs"
    script.write_text(compile_it + run_it)
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [wanted for *_, wanted in cases()]


def test_the_go_of_the_page_compiles(tmp_path):
    go = shutil.which("go")
    if go is None:
        pytest.skip("NO GO HERE: the Go of docs/webhooks.md was NOT compiled.")
    (tmp_path / "go.mod").write_text("module webhooks\n\ngo 1.20\n")
    (tmp_path / "verify.go").write_text(snippet("go"))
    done = subprocess.run([go, "vet", "."], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
