"""What checks read from the requests that a proxy recorded: levels and page sizes, by version and opcode."""

from __future__ import annotations

import pytest

from coodie.protocol.codec import INT, SHORT, Consistency, encode_bytes
from coodie.protocol.messages import (
    PAGE_SIZE,
    PAGING_STATE,
    batch_body,
    batch_part,
    execute_head,
    optional_flags,
    optional_parameters,
    query_body,
)
from coodie_testing.faults import Opcode
from coodie_testing.faults.rules import RecordedRequest
from coodie_testing.messages import RequestParameters, request_parameters

#: A value, a null and "not set".
_VALUES = (encode_bytes(b"\x00" * 70_000), INT.pack(-1), INT.pack(-2))


def _read(opcode: Opcode, body: bytes, version: int) -> RequestParameters:
    return request_parameters(RecordedRequest(0, opcode, None, body, True, protocol=version))


@pytest.mark.parametrize("version", [4, 5])
def test_parameters_of_a_query(version: int) -> None:
    """A text's parameters are the level alone."""
    body = query_body("SELECT key FROM system.local", Consistency.QUORUM, version)
    assert _read(Opcode.QUERY, body, version) == ("QUORUM", None, None)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("serial", [None, Consistency.SERIAL])
@pytest.mark.parametrize("size", [None, 5000])
@pytest.mark.parametrize("state", [None, b"state"])
@pytest.mark.parametrize("values", [0, 3])
def test_parameters_of_an_execution(
    version: int, serial: Consistency | None, size: int | None, state: bytes | None, values: int
) -> None:
    """What stands before the serial level is skipped, whether it is there or not."""
    flags = optional_flags(serial, 123) | (PAGE_SIZE if size else 0) | (PAGING_STATE if state else 0)
    parts = [
        execute_head(b"id", b"metadata", values, Consistency.ALL, flags, version),
        *_VALUES[:values],
        b"" if size is None else INT.pack(size),
        b"" if state is None else encode_bytes(state),
        optional_parameters(serial, 123),
    ]
    found = _read(Opcode.EXECUTE, b"".join(parts), version)
    assert found == ("ALL", size, None if serial is None else "SERIAL")


@pytest.mark.parametrize("version", [4, 5])
def test_parameters_of_a_batch(version: int) -> None:
    """The statements of a batch, prepared or texts, are skipped."""
    text = b"\x00" + encode_bytes(b"DELETE") + SHORT.pack(0)
    parts = [batch_part(b"id", 3) + b"".join(_VALUES), text]
    body = batch_body(1, parts, Consistency.LOCAL_ONE, Consistency.LOCAL_SERIAL, 5, version)
    assert _read(Opcode.BATCH, body, version) == ("LOCAL_ONE", None, "LOCAL_SERIAL")


@pytest.mark.parametrize("opcode", [Opcode.PREPARE, Opcode.STARTUP])
def test_other_requests_have_no_parameters(opcode: Opcode) -> None:
    """Reading the parameters of a PREPARE raises an error: a driver may prepare a statement again."""
    with pytest.raises(ValueError, match=f"{opcode.name} has no parameters"):
        _read(opcode, encode_bytes(b"SELECT key FROM system.local"), 5)
