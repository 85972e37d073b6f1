"""The consistency levels of the native protocol, by name."""

from __future__ import annotations

from coodie.exceptions import ConfigurationError

__all__ = ["CONSISTENCY_LEVELS", "LEVEL_NAMES", "SERIAL_CONSISTENCY_LEVELS", "parse_consistency"]

#: Name → code on the wire (native_protocol_v5.spec, section 3, ``[consistency]``).
CONSISTENCY_LEVELS = {
    "ANY": 0x0000,
    "ONE": 0x0001,
    "TWO": 0x0002,
    "THREE": 0x0003,
    "QUORUM": 0x0004,
    "ALL": 0x0005,
    "LOCAL_QUORUM": 0x0006,
    "EACH_QUORUM": 0x0007,
    "SERIAL": 0x0008,
    "LOCAL_SERIAL": 0x0009,
    "LOCAL_ONE": 0x000A,
}

#: Code on the wire → name.
LEVEL_NAMES = {code: name for name, code in CONSISTENCY_LEVELS.items()}

#: The levels for the Paxos phase of lightweight transactions.
SERIAL_CONSISTENCY_LEVELS = ("SERIAL", "LOCAL_SERIAL")


def parse_consistency(name: str, *, option: str = "consistency", serial: bool = False) -> str:
    """Validate the name of a level, and return it in capitals.

    Args:
        name: The name of a level, case-insensitive, such as ``"local_quorum"``.
        option: The argument's name, for the error.
        serial: Only accept SERIAL and LOCAL_SERIAL.

    Returns:
        A key of ``CONSISTENCY_LEVELS``.

    Raises:
        ConfigurationError: There is no such level.
    """
    allowed = SERIAL_CONSISTENCY_LEVELS if serial else tuple(CONSISTENCY_LEVELS)
    upper = name.upper() if isinstance(name, str) else ""
    if upper not in allowed:
        message = f"{option}={name!r} is not a {'serial ' if serial else ''}consistency level."
        raise ConfigurationError(message, hint=f"Give one of {', '.join(allowed)}.", option=option)
    return upper
