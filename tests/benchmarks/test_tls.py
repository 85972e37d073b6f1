"""Clients that read over TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contestants import asynchronous, synchronous
from contestants.coodie_clients import CoodieAsync
from contestants.raw_drivers import RawDriver
from contestants.roles import Target
from contestants.work import Work
from ruler.real import workload_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_local import CassandraServer

WORK = Work.of("tls-4")

pytestmark = pytest.mark.cassandra(tls=True)


@pytest.fixture
def target(cassandra_node: CassandraServer) -> Iterator[Target]:
    """A Cassandra that only accepts TLS, with the rows of the workload."""
    cluster = cassandra_node.cluster
    if cluster is None or cluster.certificates is None:
        pytest.skip("needs a node of its own")
    with workload_tables([WORK], **cassandra_node.connection_options()):
        yield Target(cassandra_node.host, cassandra_node.port, ca=str(cluster.certificates.ca))


async def test_clients_read_over_tls(target: Target, backend: str) -> None:
    """With the certificate of the server's authority, coodie and the driver read the right rows."""
    raw, client = RawDriver(), CoodieAsync(backend)
    raw.open(target)
    try:
        assert synchronous.check(raw, WORK) == WORK.expected()
    finally:
        raw.close()
    await client.open(target)
    try:
        assert await asynchronous.check(client, WORK) == WORK.expected()
        assert client.facts["fast_path"]
    finally:
        await client.close()


async def test_clients_reject_an_unknown_authority(
    target: Target, backend: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A certificate of another authority isn't accepted: it is verified."""
    import trustme

    other = tmp_path_factory.mktemp("ca") / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    elsewhere = Target(target.host, target.port, ca=str(other))
    for_driver, for_coodie = RawDriver(), CoodieAsync(backend)
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        for_driver.open(elsewhere)
    with pytest.raises(ConnectionError, match="certificate verify failed"):
        await for_coodie.open(elsewhere)
