"""The section of each error: its message, its cause and its fix."""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.example_errors import EXAMPLES

from coodie import exceptions
from coodie.exceptions import ConfigurationError, CoodieError, RequestTimeoutError
from coodie.explanations import explanations, read_explanations
from coodie.registry import DriverRegistry, using_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_core.tests.distributions import Site

    from coodie.explanations import Explanation

_FILE = Path(exceptions.__file__).with_suffix(".md")
SECTIONS = {each.name: each for each in read_explanations(_FILE.read_text(encoding="utf-8"))}

#: Names that nobody has stand in for two that are installed here.
_WORDS = {"quokka-driver": "scylla-driver", "wombat-driver": "cassandra-driver", "quokka_wombat": "cassandra"}


def shows(section: Explanation, said: str) -> bool:
    """Tell whether its message, wrapped and with … for what differs, is what an error says."""
    parts = [re.escape(" ".join(part.split())) for part in section.message.split("…")]
    return re.fullmatch(" ?.*".join(parts), " ".join(said.split())) is not None


def test_every_class_has_a_section() -> None:
    """No error is without a section, and no section without an error; the parent of all needs none."""
    assert sorted(SECTIONS) == sorted(set(exceptions.__all__) - {"CoodieError"}) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_has_message_cause_and_fix(name: str) -> None:
    """Whoever looks one up finds all three."""
    section = SECTIONS[name]
    assert section.message
    assert section.cause
    assert section.fix


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_message_is_what_is_said(name: str, on_path: Site) -> None:
    """What a section shows is what an error says that comes about."""
    with using_registry(DriverRegistry()):
        try:
            error = EXAMPLES[name](on_path)
        except CoodieError as exc:
            error = exc
    assert type(error).__name__ == name
    said = str(error)
    for stands_in, word in _WORDS.items():
        said = said.replace(stands_in, word)
    assert shows(SECTIONS[name], said), said


@pytest.mark.parametrize("name", exceptions.__all__)
def test_an_error_leads_to_its_section(name: str) -> None:
    """Each error names the command that prints its section, and its text has none of it."""
    error: CoodieError = getattr(exceptions, name)("It broke.", hint="Mend it.")
    assert error.explanation == f"coodie explain {name}"
    assert "explain" not in str(error)


class AcmeTimeoutError(RequestTimeoutError):
    """An error of a third party's, who explains nothing."""


def test_a_third_partys_error_leads_to_its_parents() -> None:
    """A class that nobody explains is explained as what it derives from."""
    assert AcmeTimeoutError("Slow.").explanation == "coodie explain RequestTimeoutError"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python before 3.11 has no notes")
def test_a_traceback_ends_with_it() -> None:
    """Whoever reads a traceback or a log sees where to read on."""
    lines = traceback.format_exception(ConfigurationError("It broke."))
    assert lines[-1] == "See: coodie explain ConfigurationError\n"


_SECTION = "## Of Acme\n\n### AcmeError\n\n**Cause.** Acme.\n"


@pytest.fixture
def announce(on_path: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install distributions that announce modules of errors."""

    def install(name: str, files: dict[str, str]) -> None:
        points = {"coodie.errors": {"acme": f"{name}.errors"}}
        on_path.install(f"{name}-db", entry_points=points, files=files)

    return install


def test_other_distributions_explain_theirs(announce: Any) -> None:
    """A file beside an announced module is read without the module; core's names stay core's."""
    files = {
        "acme/__init__.py": "",
        "acme/errors.py": "raise AssertionError('imported')\n",
        "acme/errors.md": f"{_SECTION}\n### RequestTimeoutError\n\nStolen.\n",
    }
    announce("acme", files)
    found = explanations()
    assert (found["AcmeError"].group, found["AcmeError"].text) == ("Of Acme", "**Cause.** Acme.")
    assert "Stolen" not in found["RequestTimeoutError"].text


def test_a_broken_distribution_hides_no_other(announce: Any) -> None:
    """Where a package can't be imported, or has no such module or file, the others are explained."""
    announce("broken", {"broken/__init__.py": "raise RuntimeError('boom')\n"})
    announce("empty", {"empty/__init__.py": ""})
    announce("mute", {"mute/__init__.py": "", "mute/errors.py": ""})
    announce("acme", {"acme/__init__.py": "", "acme/errors.py": "", "acme/errors.md": _SECTION})
    assert {"AcmeError", "CoodieError", "ServerError"} & explanations().keys() == {"AcmeError", "ServerError"}
