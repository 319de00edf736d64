"""Finding a job that this replica has not heard of yet."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite.kube.errors import UnavailableError
from deplite.resources import DeployJob
from deplite_apiserver.errors import GoneError, NotFoundError
from deplite_apiserver.errors import UnavailableError as AwayError
from deplite_apiserver.jobs.lookup import ASKED_PER_SECOND, Lookup, Places, Reader
from deplite_apiserver.jobs.view import INDEXES, JobView, project
from deplite_apiserver.storage.archive import Archive
from tests.unit.apiserver.jobs.builders import NAMESPACE, UID, job, job_body, meta

NAME = "j-" + "a" * 26
OLDER = job_body() | {"metadata": meta(NAME, uid="ffffffff-0000-4000-8000-000000000001", resourceVersion="3")}


class Cluster:
    """Holds one job, or does not answer."""

    def __init__(self, kept: DeployJob | None) -> None:
        self.kept, self.away, self.asked = kept, False, 0
        self.rounds = 0
        """How often the cache caught up with it."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        self.asked += 1
        if self.away:
            raise UnavailableError("away")
        if self.kept is None or self.kept.key != (namespace, name):
            raise KubeNotFoundError("no")
        return self.kept


class NoArchive:
    async def get(self, organization: str, job_id: str) -> None:
        return None


def lookup(cluster: Cluster, *cached: Any) -> Lookup:
    jobs: Cache[JobView] = Cache(cast(KubeClient, cluster), DeployJob, project, indexes=INDEXES)
    for one in cached:
        jobs.note(one)

    async def find(look: Callable[[], Places]) -> Places:
        if (found := look()) is not None:
            return found
        cluster.rounds += 1
        if cluster.kept is not None:
            jobs.note(cluster.kept)
        return look()

    return Lookup(store=cluster, jobs=jobs, find=find, archive=cast(Archive, NoArchive()))


def reader(*organizations: str) -> Reader:
    return Reader(
        belongs_to=lambda namespace: namespace in organizations, organizations=lambda: organizations, grants=None
    )


async def test_an_agents_job_that_another_replica_made_a_moment_ago_is_found() -> None:
    cluster = Cluster(job())
    assert (await lookup(cluster).of_agent(NAMESPACE, "web", NAME, UID)).name == NAME


async def test_what_is_cached_is_not_asked_for() -> None:
    cluster = Cluster(job())
    assert (await lookup(cluster, job_body()).of_agent(NAMESPACE, "web", NAME, UID)).name == NAME
    assert cluster.asked == 0


async def test_an_older_job_of_that_name_in_the_cache_is_not_the_newest() -> None:
    cluster = Cluster(job())
    assert (await lookup(cluster, OLDER).of_agent(NAMESPACE, "web", NAME, UID)).uid == UID
    with pytest.raises(GoneError):
        await lookup(cluster, job_body()).of_agent(NAMESPACE, "web", NAME, OLDER["metadata"]["uid"])


async def test_while_the_cluster_cannot_be_asked_nothing_is_said_to_be_absent() -> None:
    cluster = Cluster(None)
    cluster.away = True
    with pytest.raises(UnavailableError):
        await lookup(cluster).of_agent(NAMESPACE, "web", NAME, UID)
    with pytest.raises(UnavailableError):
        await lookup(cluster).whole(reader(NAMESPACE), NAME)


@pytest.mark.parametrize("name", ["j-" + "b" * 26, "../agents/web", ""])
async def test_what_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError):
        await lookup(Cluster(job())).of_agent(NAMESPACE, "web", name, None)
    with pytest.raises(NotFoundError):
        await lookup(Cluster(job())).whole(reader(NAMESPACE), name)


async def test_another_agents_job_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        await lookup(Cluster(job())).of_agent(NAMESPACE, "db", NAME, UID)


async def test_a_member_reads_a_job_that_the_cache_does_not_hold_and_nobody_else_does() -> None:
    assert await lookup(Cluster(job())).whole(reader("org-other", NAMESPACE), NAME) == job()
    with pytest.raises(NotFoundError):
        await lookup(Cluster(job()), job_body()).whole(reader("org-other"), NAME)


async def test_an_id_that_no_organization_of_many_has_is_looked_for_once_for_all_of_them() -> None:
    cluster = Cluster(None)
    with pytest.raises(NotFoundError):
        await lookup(cluster).whole(reader(*(f"org-{number}" for number in range(50))), NAME)
    assert (cluster.rounds, cluster.asked) == (1, 0)


async def test_an_agent_that_asks_for_junk_has_the_cluster_asked_only_so_often() -> None:
    cluster = Cluster(job())
    asking, answers = lookup(cluster), []
    for number in range(5 * ASKED_PER_SECOND):
        with pytest.raises((NotFoundError, AwayError)) as caught:
            await asking.of_agent(NAMESPACE, "web", f"j-junk-{number}", None)
        answers.append(caught.type)
    assert answers[:ASKED_PER_SECOND] == [NotFoundError] * ASKED_PER_SECOND
    assert answers.count(AwayError) == len(answers) - cluster.asked > 0
    with pytest.raises(NotFoundError):
        await asking.of_agent(NAMESPACE, "db", "j-junk", None)
