"""docs/network.md lists what there is: each refusal, key, default and variable; and what is written in YAML loads."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from codemode import _locate

ROOT = Path(__file__).resolve().parents[3]
CRATES = ROOT / "crates"
TEXT = (ROOT / "docs" / "network.md").read_text()
# As the page writes what the source says.
DEFAULTS = {
    "NetworkMode::None": "`none`",
    "Vec::new()": "`[]`",
    "vec![80, 443]": "`[80, 443]`",
    "None": "none",
    "64": "`64`",
    "ByteSize::mib(1024)": "`1Gi`",
    "Duration::from_secs(60)": "`60`",
}
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def section(title: str) -> str:
    _, found, rest = TEXT.partition(f"\n## {title}\n")
    assert found, title
    return rest.partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's first table, without its head."""
    lines = section(title).partition("\n| ")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def source(path: str, after: str) -> str:
    """From `after` to the next line that ends what it begins."""
    _, found, rest = (CRATES / path).read_text().partition(after)
    assert found, after
    return re.split(r"\n {0,4}\}\n", rest, maxsplit=1)[0]


def test_every_refusal_is_explained() -> None:
    words = set(re.findall(r'=> "(\w+)"', source("codemode-egress/src/decision.rs", "pub fn word(")))
    listed = [quoted(cells[0])[0] for cells in rows("Refusals")]
    assert len(words) > 15
    assert sorted(listed) == sorted(words)
    assert all(len(cells) == 3 and all(cells) for cells in rows("Refusals"))


def test_every_key_is_listed_with_its_default() -> None:
    policy = "codemode-types/src/policy/network.rs"
    keys = re.findall(r"pub (\w+):", source(policy, "pub struct NetworkPolicy {"))
    defaults = dict(re.findall(r"(\w+): (.+),", source(policy, "fn default() -> Self {").partition("Self {")[2]))
    assert [(quoted(cells[0])[0], cells[1]) for cells in rows("Keys")] == [
        (key, DEFAULTS[defaults[key]]) for key in keys
    ]
    narrowed = [key for cells in rows("Narrowing per client") for key in quoted(cells[0])]
    assert sorted(narrowed) == sorted(keys)


def test_every_variable_is_listed() -> None:
    text = (CRATES / "codemode-sandbox/src/plan/network.rs").read_text().partition("#[cfg(test)]")[0]
    names = set(re.findall(r'"([A-Z_]{8,})"', text))
    assert len(names) > 10
    assert names <= set(quoted(section("What programs see")))


def doctor(config: Path) -> subprocess.CompletedProcess[str]:
    """The executor's own way to load a file. 64: it is wrong; 0 or 69: it can or cannot be had on this machine."""
    words = [_locate.executable(), "doctor", "--config", config]
    return subprocess.run(words, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, timeout=60)


@pytest.mark.parametrize("block", YAML)
def test_what_is_written_in_yaml_loads(tmp_path: Path, block: str) -> None:
    (tmp_path / "trusted.pem").write_text("")
    config = tmp_path / "codemode.yaml"
    config.write_text(block)
    done = doctor(config)
    assert done.returncode in (0, 69), done.stdout + done.stderr


def test_the_entries_of_the_table_are_what_they_are_called(tmp_path: Path) -> None:
    table = rows("Names")
    refused = [entry for cells in table if cells[1] == "refused at start" for entry in quoted(cells[0])]
    accepted = [entry for cells in table if cells[1] != "refused at start" for entry in quoted(cells[0])]
    assert len(refused) > 3 < len(accepted)
    config = tmp_path / "codemode.yaml"
    for entry in accepted + refused:
        # A special address needs its network; the page's are documentation's.
        networks = ["192.0.2.0/24", "2001:db8::/32"]
        network = {"mode": "restricted", "allowed_domains": [entry], "allowed_networks": networks}
        config.write_text(json.dumps({"network": network}))
        done = doctor(config)
        assert (done.returncode == 64) == (entry in refused), f"{entry}: {done.stdout}{done.stderr}"


def test_the_page_is_where_others_say() -> None:
    for page in ("README.md", "SECURITY.md", "docs/audit.md", "deploy/docker/README.md"):
        assert "network.md" in (ROOT / page).read_text(), page
