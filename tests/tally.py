"""A pytest plugin: a run ends with what it proved, by section of the billing reference and by property.

`@pytest.mark.rule("4.4")` says which section of the rules a test holds the code to, `@pytest.mark.story("...")`
which of the known accidents of other billing systems it prevents here. Property tests are found by themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from local import paths

RULES = {
    "4.1": "money and rounding",
    "4.2": "anchor and boundaries",
    "4.3": "time zones and clock changes",
    "4.4": "upgrade, charged now",
    "4.5": "downgrade, cancel, reactivate",
    "4.6": "pause and resume",
    "4.7": "trial",
    "4.8": "coupons",
    "4.9": "gift and credit balance",
    "4.10": "price change",
    "4.11": "tax",
    "4.12": "refunds and credit notes",
    "4.13": "disputes",
    "4.14": "failed payments and dunning",
    "4.15": "strong customer authentication",
    "4.16": "commit, call, settle",
    "4.17": "webhooks",
    "4.18": "ledger",
    "4.19": "numbering",
    "4.20": "exactly-once renewal",
    "4.21": "catch-up after an outage",
    "4.22": "safety bounds",
    "4.23": "properties of the whole",
}

PASSING = re.compile(r"(\d+) passing")
"""How hypothesis reports examples that held, once for each phase."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.addinivalue_line("markers", "rule(*sections): the sections of the billing rules that this test proves")
    config.addinivalue_line("markers", "story(*names): the known accidents that this test prevents")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each test's report carry what it proves, across processes."""
    for item in items:
        for kind in ("rule", "story"):
            named = dict.fromkeys(name for mark in item.iter_markers(kind) for name in mark.args)
            if kind == "rule" and (unknown := named.keys() - RULES):
                raise pytest.UsageError(f"{item.nodeid}: the billing rules have no section {', '.join(unknown)}")
            item.user_properties += [(kind, name) for name in named]


def _passed(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, str]]:
    for report in reporter.stats.get("passed", []):
        for kind, name in report.user_properties:
            if kind in {"rule", "story"}:
                yield kind, str(name)


def _examples(reporter: pytest.TerminalReporter) -> dict[str, int]:
    """Answer how many examples held of each property; hypothesis leaves them with the report of a test's end."""
    return {
        report.nodeid: sum(map(int, PASSING.findall(found)))
        for report in reporter.stats.get("", [])
        if (found := report.__dict__.get("_hypothesis_stats"))
    }


def _faults(reporter: pytest.TerminalReporter) -> list[str]:
    """Answer the table of faults: what happened, how often, and what was charged at the gateway's own books."""
    runs: dict[str, list[tuple[int, int]]] = {}
    for report in [*reporter.stats.get("passed", []), *reporter.stats.get("failed", [])]:
        for kind, told in report.user_properties:
            if kind == "fault" and report.when == "call":
                fault, expected, made = told
                runs.setdefault(fault, []).append((expected, made))
    rows = [f"{'fault':<60} {'runs':>5} {'expected':>9} {'made':>6}"] if runs else []
    for fault, charges in sorted(runs.items()):
        expected, made = (sum(each) for each in zip(*charges, strict=True))
        rows.append(f"{fault:<60} {len(charges):>5} {expected:>9} {made:>6}")
    return rows


def _hostile(reporter: pytest.TerminalReporter) -> list[str]:
    """Answer the table of hostile input: what was sent, and what became of it."""
    rows = {
        tuple(told)
        for report in reporter.stats.get("passed", [])
        for kind, told in report.user_properties
        if kind == "hostile" and report.when == "call"
    }
    return [f"{sent:<60} {' '.join(str(outcome).split())}" for sent, outcome in sorted(rows)]


def _reports(reporter: pytest.TerminalReporter) -> list[str]:
    """Answer the table of deliveries that were read: every record counted once, and how long it took."""
    rows = sorted(
        tuple(told)
        for report in reporter.stats.get("passed", [])
        for kind, told in report.user_properties
        if kind == "report" and report.when == "call"
    )
    if not rows:
        return []
    columns = ("read", "created", "updated", "unchanged", "rejected", "retired", "absent", "seconds")
    lines = [f"{'delivery':<62}" + "".join(f"{column:>10}" for column in columns) + "  problems"]
    for name, *counts, problems in rows:
        lines.append(f"{name:<62}" + "".join(f"{count:>10}" for count in counts) + f"  {problems}")
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was proved."""
    proved = Counter(_passed(terminalreporter))
    rules = {section: count for section in RULES if (count := proved["rule", section])}
    if rules:
        terminalreporter.section("rules of the billing reference, tests passed")
        for section, count in rules.items():
            terminalreporter.write_line(f"{section:>5}  {RULES[section]:<32} {count:>4}")
        terminalreporter.write_line(f"{len(rules)} of {len(RULES)} sections, {sum(rules.values())} tests")
    stories = {name: count for (kind, name), count in proved.items() if kind == "story"}
    if stories:
        terminalreporter.section("known accidents prevented, tests passed")
        for name in sorted(stories):
            terminalreporter.write_line(f"{name:<64} {stories[name]:>4}")
        terminalreporter.write_line(f"{len(stories)} accidents, {sum(stories.values())} tests")
    if examples := _examples(terminalreporter):
        terminalreporter.section("properties, examples that held")
        for name in sorted(examples):
            terminalreporter.write_line(f"{examples[name]:>6}  {name}")
        terminalreporter.write_line(f"{len(examples)} properties, {sum(examples.values())} examples")
    if faults := _faults(terminalreporter):
        terminalreporter.section("faults survived: charges expected, charges made")
        for row in faults:
            terminalreporter.write_line(row)
        _keep("faults.txt", faults)
    if hostile := _hostile(terminalreporter):
        terminalreporter.section("hostile input: what was sent, what became of it")
        for row in hostile:
            terminalreporter.write_line(row)
        _keep("hostile.txt", hostile)
    if deliveries := _reports(terminalreporter):
        terminalreporter.section("deliveries: what became of each record")
        for row in deliveries:
            terminalreporter.write_line(row)
        _keep("deliveries.txt", deliveries)


def _keep(name: str, rows: list[str]) -> None:
    """Leave a table of the last run, to be looked at later."""
    paths.STATE.mkdir(exist_ok=True)
    (paths.STATE / name).write_text("\n".join(rows) + "\n")
