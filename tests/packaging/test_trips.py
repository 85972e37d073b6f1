"""The counts of scripts/trips.py."""

from __future__ import annotations

from typing import Any

from trips import Trip


def room(name: str, text: str, file: str = "room.py", **names: Any) -> dict[str, Any]:
    """Return the namespace of a module with this source."""
    found = {"__name__": name, **names}
    exec(compile(text, file, "exec"), found)  # noqa: S102 - ours
    return found


def test_modules_transitions_and_calls() -> None:
    """Returns, other packages and generated code aren't counted, but the functions that these call are."""
    low = room("coodie.low", "def floor(): pass")
    wing = room("coodie_wing", "def hall(): pass")
    made = room("coodie.low", "def init(): pass", file="<string>")
    other = room("pluggy", "def call(hook): hook()")
    top = room(
        "coodie.top",
        "def roof():\n floor(); floor(); tile(); call(hall); init(); beside()\ndef tile(): pass",
        floor=low["floor"],
        hall=wing["hall"],
        init=made["init"],
        call=other["call"],
        beside=room("coodies", "def beside(): pass")["beside"],
    )
    with Trip("up").counted() as trip:
        top["roof"]()
    top["roof"]()
    assert trip.trail == ["coodie.top", "coodie.low", "coodie.top", "coodie_wing"]
    assert trip.calls == 5
    assert str(trip).split() == ["up", "3", "4", "5"]
