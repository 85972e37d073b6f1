"""Call asyncio.run more than once: one driver serves every event loop."""

from __future__ import annotations

import asyncio

import coodie

coodie.load_config()


async def work(number: int) -> str:
    """Do a piece of work, on whichever loop this runs."""
    driver = coodie.get_driver("shop")
    await driver.execute_async("SELECT key FROM system.local", [])
    return f"loop {number}: done"


def main() -> None:
    """Do two pieces of work, and another one without a loop."""
    print(asyncio.run(work(1)))
    print(asyncio.run(work(2)))
    print(
        coodie.get_driver("shop").execute_one(
            "SELECT key FROM system.local", []
        )
    )
    coodie.get_driver("shop").close()


if __name__ == "__main__":
    main()
