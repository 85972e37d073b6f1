"""The names of a new driver's package."""

from __future__ import annotations

import re

import pytest

from coodie import drivers
from coodie.capabilities import KNOWN
from coodie.drivers import client
from coodie.exceptions import ConfigurationError
from coodie.scaffold import driver_names


@pytest.mark.parametrize(
    ("name", "distribution", "package", "stem"),
    [
        ("x", "coodie-x", "coodie_x", "X"),
        ("my-db", "coodie-my-db", "coodie_my_db", "MyDb"),
        ("class", "coodie-class", "coodie_class", "Class"),
        ("db2-v2", "coodie-db2-v2", "coodie_db2_v2", "Db2V2"),
    ],
)
def test_all_are_made_of_one(name: str, distribution: str, package: str, stem: str) -> None:
    """The driver_type, what pip calls it, what Python imports, what its classes are called."""
    names = driver_names(name, {})
    assert (names.driver_type, names.distribution, names.package, names.stem) == (
        name,
        distribution,
        package,
        stem,
    )
    assert package.isidentifier()
    # PEP 508, and its normal form by PEP 503.
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", distribution)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MyDb", "my-db"),
        ("my_db", "my-db"),
        ("my--db", "my-db"),
        ("my.db", "my-db"),
        ("coodie-my-db", "my-db"),
        ("coodie_my_db", "my-db"),
        ("my-db ", "my-db"),
        ("a" * 31, "a" * 30),
        ("Ünï", None),
        ("9lives", None),
        ("-x", "x"),
        ("", None),
        ("../x", "x"),
        ("x\n", "x"),
    ],
)
def test_bad_names(name: str, near: str | None) -> None:
    """The error says what a name may have, and ends with the command that was meant, if there is one."""
    with pytest.raises(ConfigurationError, match="lower-case letters") as caught:
        driver_names(name, {})
    assert caught.value.option == "name"
    if near is None:
        assert "coodie new-driver" not in str(caught.value)
    else:
        assert str(caught.value).endswith(f"coodie new-driver {near}")
        assert driver_names(near, {}).driver_type == near


@pytest.mark.parametrize("name", [*KNOWN, "core", "accel", "testing", "acme"])
def test_taken_names(name: str) -> None:
    """A name that somebody has is refused with whose it is, and with one that is free."""
    taken = {"acme": "acme-drivers"} | {known.driver_type: known.distribution for known in KNOWN.values()}
    with pytest.raises(ConfigurationError, match=taken.get(name, f"coodie-{name}")) as caught:
        driver_names(name, taken)
    free = str(caught.value).split()[-1]
    assert driver_names(free, taken).driver_type == free


def test_no_class_has_the_name_of_what_its_package_imports() -> None:
    """A driver's class is none that coodie has: one of that name would be its own parent."""
    public = {*drivers.__all__, *client.__all__}
    stems = {name.removesuffix(end) for name in public for end in ("Driver", "Client") if name.endswith(end)}
    assert {"Abstract", "Client"} <= stems
    for stem in stems - {""}:
        with pytest.raises(ConfigurationError, match="is taken") as caught:
            driver_names(stem.lower(), {})
        assert str(caught.value).endswith(f"coodie new-driver my-{stem.lower()}")
