"""What a driver is called in events: its registered name and its backend's type."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["DriverIdentity", "identify", "identity_of"]


@dataclass(frozen=True, slots=True)
class DriverIdentity:
    """A driver's names.

    Args:
        name: The name under which it was registered last; None for none.
        driver_type: The backend that opened it; None where its maker did.
        silent: Another backend opened it for a driver of its own, which tells what there is to tell.
    """

    name: str | None = None
    driver_type: str | None = None
    silent: bool = False


_NOBODY = DriverIdentity()


def identity_of(driver: object) -> DriverIdentity:
    """Return what a driver is called; nothing, for objects that aren't AbstractDriver's."""
    identity: DriverIdentity = getattr(driver, "_identity", _NOBODY)
    return identity


def identify(
    driver: object,
    *,
    name: str | None = None,
    driver_type: str | None = None,
    silent: bool | None = None,
) -> None:
    """Give a driver what isn't None of these; objects of other kinds are left as they are."""
    if not hasattr(type(driver), "_identity"):
        return
    identity = identity_of(driver)
    known = replace(
        identity,
        name=identity.name if name is None else name,
        driver_type=identity.driver_type if driver_type is None else driver_type,
        silent=identity.silent if silent is None else silent,
    )
    driver._identity = known  # type: ignore[attr-defined]  # noqa: SLF001 - AbstractDriver's, and set here alone
