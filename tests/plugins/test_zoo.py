"""One good backend, and a dozen broken ones beside it, installed by pip."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.packages import PACKAGES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.conftest import Environment

# The first test waits for the wheels and for pip.
pytestmark = [pytest.mark.extended, pytest.mark.timeout(300)]

DOCTOR = "python -m coodie_doctor"


def test_the_good_one_is_undisturbed(zoo: Environment, tmp_path: Path) -> None:
    """It opens and answers, sync and async, and nothing of the others is imported."""
    code = """
import asyncio, json, coodie
driver = coodie.init_coodie(driver_type="acme", colour="blue")
opened = asyncio.run(coodie.init_coodie_async(driver_type="acme@acme-good", name="other"))
print(json.dumps([driver.execute("s", []), coodie.get_driver("other").execute_one("s", [])]))
"""
    notes = tmp_path / "notes"
    assert zoo.code(code, NOTES=str(notes)) == [[{"owner": "acme_good.plugin"}], "acme_good.plugin"]
    assert notes.read_text(encoding="utf-8").split() == ["acme-good"]


#: driver_type → the error's type, what it says, its last line, and attributes.
FAILURES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "scylla": ("DriverNotFoundError", "Installed: ", "pip install ./coodie_scylla", {}),
    "acmee": ("DriverNotFoundError", "Did you mean 'acme'?", DOCTOR, {"suggestion": "acme"}),
    "raises": (
        "DriverImportError",
        "'acme_raises.plugin' of acme-raises 1.0 raised RuntimeError: boom",
        "pip install --force-reinstall acme-raises",
        {"cause": "RuntimeError", "distribution": "acme-raises"},
    ),
    "syntax": (
        "DriverImportError",
        "SyntaxError",
        "pip install --force-reinstall acme-syntax",
        {"cause": "SyntaxError"},
    ),
    "exits": ("DriverImportError", "SystemExit", "pip install --force-reinstall acme-exits", {}),
    "lacking": (
        "DriverDependencyError",
        "acme-lacking 1.0 needs no-such-client>=2, which isn't installed",
        "pip install 'no-such-client>=2'",
        {"missing": "no-such-client", "cause": "ModuleNotFoundError"},
    ),
    "needy": (
        "DriverDependencyError",
        "acme-needy 1.0 needs acme-client>=3, and 2.0 is installed",
        "pip install 'acme-client>=3'",
        {"missing": "acme-client", "requirement": "acme-client>=3", "found": "2.0"},
    ),
    "old": (
        "DriverApiVersionError",
        "acme-old 1.0 declares version 7 of the driver API; this coodie-core supports 1",
        "pip install --upgrade ./coodie_core acme-old",
        {"declared": [7], "supported": 1},
    ),
    "silent": (
        "DriverApiVersionError",
        "declares version none",
        "pip install --upgrade ./coodie_core acme-silent",
        {"declared": []},
    ),
    "hookless": (
        "NotADriverError",
        "doesn't implement the hook coodie_open_driver",
        "pip install --upgrade acme-hookless",
        {"missing": ["coodie_open_driver"]},
    ),
    "misnamed": ("NotADriverError", "coodie_open_a_driver", "pip install --upgrade acme-misnamed", {}),
    "nodriver": ("NotADriverError", "without execute", "pip install --upgrade acme-nodriver", {}),
    "twice": (
        "DuplicateDriverError",
        "acme-again 1.2 and acme-twice 1.1. Pin one, such as driver_type='twice@acme-again'",
        "pip uninstall --yes acme-twice",
        {"distributions": ["acme-again 1.2", "acme-twice 1.1"]},
    ),
    "shut": (
        "DriverBlockedError",
        "acme-shut 1.0, which provides driver_type='shut', is blocked by the environment",
        "unset COODIE_BLOCK",
        {"blocked_by": "COODIE_BLOCK"},
    ),
}


#: Those that are told before anything of the backend is imported.
UNIMPORTED = ("DriverNotFoundError", "DriverApiVersionError", "DuplicateDriverError", "DriverBlockedError")


@pytest.fixture(scope="module")
def errors(zoo: Environment) -> dict[str, dict[str, Any]]:
    """Name each backend that can't be used."""
    return zoo.failures(FAILURES, COODIE_BLOCK="acme-shut")


@pytest.mark.parametrize("driver_type", FAILURES)
def test_each_way_to_fail(errors: dict[str, dict[str, Any]], driver_type: str) -> None:
    """Its own error, whose last line is a command; nothing but the one that was named is imported."""
    kind, said, last, attributes = FAILURES[driver_type]
    error = errors[driver_type]
    assert error["type"] == kind
    assert said in error["text"]
    assert error["last"] == last == error["command"]
    assert {name: error[name] for name in attributes} == attributes
    assert error["imported"] == ([] if kind in UNIMPORTED else [f"acme-{driver_type}"])


def test_what_is_installed_broken_and_blocked(errors: dict[str, dict[str, Any]]) -> None:
    """A name that isn't there brings up what is, in its state, as far as metadata tells."""
    error = errors["acmee"]
    assert error["blocked"] == ["shut"]
    assert error["broken"] == ["client", "old", "silent", "twice"]
    assert {"acme", "raises", "lacking"} <= set(error["installed"])


def test_pins(zoo: Environment) -> None:
    """Of two with one name each can be pinned, in the name or beside it."""
    code = """
import json, coodie
one = coodie.init_coodie(driver_type="twice@acme-again").execute_one("s", [])
two = coodie.init_coodie(driver_type="twice", distribution="Acme.Twice").execute_one("s", [])
print(json.dumps([one, two]))
"""
    assert zoo.code(code) == ["acme_again.plugin", "acme_twice.plugin"]


#: driver_type → its state in the listing, where acme-shut is blocked.
STATES = {
    "acme": "ready",
    "noisy": "ready",
    "raises": "broken",
    "syntax": "broken",
    "lacking": "broken",
    "needy": "broken",
    "hookless": "broken",
    "misnamed": "broken",
    "hangs": "broken",
    "exits": "broken",
    "dies": "broken",
    "old": "wrong version",
    "silent": "wrong version",
    "client": "wrong version",
    "twice": "duplicate",
    "shut": "blocked",
    "scylla": "not installed",
    "cassandra": "not installed",
    "local": "not installed",
    "rust": "not installed",
    "acsylla": "not installed",
    "nodriver": "ready",  # that what it opens is no driver shows when it's opened
}


def test_drivers_as_json(zoo: Environment) -> None:
    """`coodie drivers --json` has every backend in its state, with why not and what to run."""
    done = zoo.run("coodie", "drivers", "--json", "--timeout", "8", COODIE_BLOCK="acme-shut")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert {one["driver_type"]: one["state"] for one in listed} == STATES
    by_name = {one["distribution"]: one for one in listed}
    assert set(PACKAGES) - {"acme-rival"} <= set(by_name)
    good = by_name["acme-good"]
    assert (good["version"], good["api_versions"], good["reason"]) == ("1.0", [1], None)
    assert good["capabilities"] == ["native async", "paging"]
    assert good["options"] == ["colour"]
    for one in listed:
        if one["state"] != "ready":
            assert one["reason"], one
            assert one["command"], one
    assert "took longer than 8 s" in by_name["acme-hangs"]["reason"]
    assert "status 7. Its last output: about to die" in by_name["acme-dies"]["reason"]


def test_doctor(zoo: Environment) -> None:
    """Both forms find each broken backend, say what to run, and end with status 1."""
    settings = {"COODIE_BLOCK": "acme-shut,acme-hangs"}
    for command in (["coodie", "doctor"], [str(zoo.python), "-m", "coodie_doctor"]):
        done = zoo.run(*command, "--json", **settings)
        assert done.returncode == 1, done.stderr
        report = json.loads(done.stdout)
        assert report["ok"] is False
        found = {finding["subject"] for finding in report["findings"] if finding["is_problem"]}
        bad = {name for name, state in STATES.items() if state in ("broken", "wrong version", "duplicate")}
        assert found == bad - {"hangs"}
        assert all(finding["command"] for finding in report["findings"])
        assert report["environment"]["COODIE_BLOCK"] == settings["COODIE_BLOCK"]
    text = zoo.run("coodie", "doctor", **settings)
    assert text.returncode == 1
    assert re.search(r"\d+ problems found\.$", text.stdout.strip())
    assert "\npip uninstall --yes acme-twice\n" in text.stdout


def test_doctor_connects(zoo: Environment) -> None:
    """Where something to connect with is given, how that went and what is in use is told."""
    allowed = {"COODIE_ALLOW": "acme-good,acme-nodriver"}
    command = [str(zoo.python), "-m", "coodie_doctor", "--json", "--option", "colour=blue"]
    good = json.loads(zoo.run(*command, "--driver", "acme", **allowed).stdout)
    assert good["connection"]["answers"] is True
    assert good["connection"]["facts"] == {"reactor": "none", "connected": "yes"}
    assert good["ok"] is True
    done = zoo.run(*command, "--driver", "nodriver", **allowed)
    assert done.returncode == 1
    assert json.loads(done.stdout)["connection"]["error"]["type"] == "NotADriverError"
    unclear = json.loads(zoo.run(*command, **allowed).stdout)
    assert "found: acme, nodriver" in unclear["connection"]["error"]["message"]
    assert zoo.run(*command, "--option", "colour").returncode == 2


def test_doctor_where_all_are_broken(zoo: Environment) -> None:
    """With not one backend that works, the doctor does."""
    done = zoo.run("coodie", "doctor", "--json", COODIE_ALLOW="acme-raises,acme-dies,acme-old")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert {one["state"] for one in report["backends"]} >= {"broken", "wrong version", "blocked"}
    assert "ready" not in {one["state"] for one in report["backends"]}
