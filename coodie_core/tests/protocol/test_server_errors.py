"""ERROR: the driver reads what we write, of every code and version; what we write, we read."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from cassandra import WriteType
from cassandra.protocol import error_classes
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly
from coodie_core.tests.protocol.drivers_codec import read_by_driver
from hypothesis import given
from hypothesis import strategies as st

from coodie.protocol.error_codes import ERRORS, ErrorCode
from coodie.protocol.errors import BrokenMessageError
from coodie.protocol.frames import Opcode
from coodie.protocol.server_errors import ServerError, error_body, named_rate_limit, read_error

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_COUNTS = st.integers(0, 2**31 - 1)

#: Values of all fields.
_DETAILS = st.fixed_dictionaries(
    {
        "consistency": st.integers(0, 10),
        "required": _COUNTS,
        "alive": _COUNTS,
        "received": _COUNTS,
        "write_type": st.sampled_from([name for name in WriteType.name_to_value if name.isupper()]),
        "data_present": st.booleans(),
        "keyspace": _TEXTS,
        "table": _TEXTS,
        "function": _TEXTS,
        "arg_types": st.lists(_TEXTS, max_size=3),
        "statement": st.binary(max_size=20),
        "contentions": st.integers(0, 65_535),
        "op_type": st.integers(0, 1),
        "rejected_by_coordinator": st.booleans(),
        "failures": st.dictionaries(st.ip_addresses(), st.integers(0, 65_535), max_size=3),
    }
)

#: What the driver calls a field, where that is something else.
_DRIVERS_NAMES: dict[str, dict[Any, str]] = {
    "required": {ErrorCode.UNAVAILABLE: "required_replicas", None: "required_responses"},
    "alive": {None: "alive_replicas"},
    "received": {None: "received_responses"},
    "data_present": {None: "data_retrieved"},
}


def _as_driver(error: ServerError, version: int) -> Any:
    """Return what the driver makes of the details."""
    details = dict(error.details)
    if error.code == ErrorCode.UNPREPARED:
        return details["statement"]
    details.pop("contentions", None)  # the drivers read no further
    if "write_type" in details:
        details["write_type"] = WriteType.name_to_value[details["write_type"]]
    if "failures" in details:
        failures = details["failures"]
        by_node = version >= 5
        details["error_code_map"] = dict(failures) if by_node else None
        details["failures"] = len(failures) if by_node else failures
    named = {}
    for name, value in details.items():
        names = _DRIVERS_NAMES.get(name, {})
        named[names.get(error.code) or names.get(None) or name] = value
    return named or None


@pytest.mark.parametrize("code", ErrorCode)
@quickly
@given(version=st.sampled_from([3, 4, 5]), message=_TEXTS, details=_DETAILS, data=st.data())
def test_the_driver_reads_what_we_write(
    code: ErrorCode, version: int, message: str, details: dict[str, Any], data: st.DataObject
) -> None:
    """Each code has the driver's class, each field its place; cut anywhere, it's a broken message."""
    if version < 5:
        details["failures"] = len(details["failures"])
    body = error_body(ServerError(code, message, details), version)
    ours = read_error(body, version, ErrorCode.RATE_LIMIT_ERROR)
    assert (ours.code, ours.message) == (code, message)
    assert ours.details.items() <= details.items()
    assert error_body(ours, version) == body
    theirs = read_by_driver(Opcode.ERROR, body, version)
    assert (theirs.code, theirs.message) == (code, message)
    if code in error_classes:
        assert type(theirs) is error_classes[code]
        info = theirs.info
        if version >= 5 and "failures" in ours.details:
            # An IPv4 address within IPv6 has two spellings.
            reasons = info["error_code_map"].items()
            info["error_code_map"] = {ip_address(node): reason for node, reason in reasons}
        if code == ErrorCode.RATE_LIMIT_ERROR:
            info["op_type"] = info["op_type"].value
            info["rejected_by_coordinator"] = bool(info["rejected_by_coordinator"])
        assert info == _as_driver(ours, version)
    cut = data.draw(st.integers(0, len(body) - 1))
    if not (ours.details.get("contentions") is not None and cut == len(body) - 2):
        with pytest.raises(BrokenMessageError):
            read_error(body[:cut], version, ErrorCode.RATE_LIMIT_ERROR)


def test_no_code_is_missing() -> None:
    """All that the drivers know, but those that are one server's own."""
    assert error_classes.keys() - {code.value for code in ErrorCode} == set()
    assert {code.value for code in ErrorCode} == ERRORS.keys()


def test_a_lightweight_transaction_tells_how_many_it_met() -> None:
    """From version 5 on, and where the server says so."""
    answers = {"consistency": 8, "received": 1, "required": 2, "write_type": "CAS"}
    told = ServerError(ErrorCode.WRITE_TIMEOUT, "m", {**answers, "contentions": 7})
    assert read_error(error_body(told, 5), 5) == told
    assert read_error(error_body(told, 4), 4).details == answers
    untold = told._replace(details=answers)
    assert read_error(error_body(untold, 5), 5) == untold


def test_failures_by_node() -> None:
    """From version 5 on each has its address and reason; both families."""
    failures = {ip_address("127.0.0.1"): 1, ip_address("::1"): 2}
    details = {"consistency": 1, "received": 0, "required": 2, "failures": failures, "data_present": True}
    error = ServerError(ErrorCode.READ_FAILURE, "m", details)
    assert read_error(error_body(error, 5), 5) == error


def test_another_server_s_own_code() -> None:
    """Its details are left alone, since nobody knows their fields."""
    body = b"\0\0\x43\x21" + b"\0\1m" + b"\0\1"
    assert read_error(body, 4) == ServerError(0x4321, "m", {})


def test_the_rate_limit_has_the_code_that_was_agreed_on() -> None:
    """Whatever the number; and where none was agreed on, ScyllaDB's words are what is left."""
    details = {"op_type": 1, "rejected_by_coordinator": True}
    body = b"\0\0\x12\x34" + b"\0\1m" + b"\1\1"
    assert read_error(body, 4, 0x1234) == ServerError(ErrorCode.RATE_LIMIT_ERROR, "m", details)
    said = "Per-partition rate limit reached for write in table ks.t, rejected by "
    for rejecter, by_coordinator in (("coordinator", True), ("replicas", False)):
        config = ServerError(ErrorCode.CONFIG_ERROR, said + rejecter, {})
        limited = named_rate_limit(config)
        assert limited.code == ErrorCode.RATE_LIMIT_ERROR
        assert limited.details == {**details, "rejected_by_coordinator": by_coordinator}
    other = ServerError(ErrorCode.CONFIG_ERROR, "no such option", {})
    assert named_rate_limit(other) is other


def test_a_conditional_write_that_nobody_knows_of() -> None:
    """The drivers don't know this code: the fields are the specification's."""
    body = bytes.fromhex("00001700 00016d 0008 00000001 00000002")
    details = {"consistency": 8, "received": 1, "required": 2}
    assert read_error(body, 5) == ServerError(ErrorCode.CAS_WRITE_UNKNOWN, "m", details)
