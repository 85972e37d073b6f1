"""Objects that are named as ``module:attribute``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie._module_attribute import imported_attribute
from coodie.codec_registry import parse_codecs
from coodie.exceptions import ConfigurationError, ObserverLoadError
from coodie.observers import activate_observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_WAYS: dict[str, tuple[type[Exception], Callable[[str], Any]]] = {
    "codec": (ConfigurationError, lambda name: parse_codecs([name])),
    "observer": (ObserverLoadError, activate_observer),
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make modules that can be imported, and one for each way in which that fails."""
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {
        "shop_fine": "class Inner:\n    value = 5\n",
        "shop_syntax": "def",
        "shop_raises": "1 / 0",
        "shop_exits": "raise SystemExit(3)",
        "shop_needs": "import shop_is_missing",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("noun", _WAYS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop_nowhere:X", "'shop_nowhere:X' can't be found: No module named 'shop_nowhere'."),
        ("shop_needs:X", "can't be found: No module named 'shop_is_missing'."),
        ("shop_fine:X", "can't be found: module 'shop_fine' has no attribute 'X'."),
        ("shop_fine:Inner.X", "can't be found: type object 'Inner' has no attribute 'X'."),
        ("shop_fine:", "can't be found"),
        (":X", "can't be found"),
        (".x:X", "can't be found"),
        ("shop_syntax:X", "Importing 'shop_syntax' for the {noun} 'shop_syntax:X' raised SyntaxError"),
        ("shop_raises:X", "raised ZeroDivisionError: division by zero."),
        ("shop_exits:X", "raised SystemExit: 3."),
    ],
)
def test_a_name_that_cant_be_used(noun: str, name: str, said: str) -> None:
    """Each failure is the option's own error, with the cause."""
    kind, use = _WAYS[noun]
    with pytest.raises(kind) as caught:
        use(name)
    assert said.format(noun=noun) in str(caught.value)
    assert f"The {noun} " in str(caught.value) or f"the {noun} " in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.usefixtures("shop")
def test_an_attribute_of_an_attribute() -> None:
    """The attribute may have dots."""
    error = partial(ConfigurationError, option="codecs")
    assert imported_attribute("shop_fine:Inner.value", "codec", "shop:X", error) == 5
