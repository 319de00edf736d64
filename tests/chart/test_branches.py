"""Our values files together make every condition of the templates go both ways; each refusal is tried elsewhere."""

import re
from pathlib import Path

from tests.chart.branches import Branches, forced
from tests.chart.chart import CHART, FILES, NAMESPACE, RELEASE, Helm, HelmError, values
from tests.chart.test_values import REFUSALS

NEVER_EMPTY = {
    ".Values.s3.ca",
    "$redis.ca",
    ".Values.slack.existingSecret",
    ".Values.networkPolicies",
    ".Values.signIn.cluster",
    ".Values.seaweedfs.persistence",
    "$part.podDisruptionBudget",
    "index . 1",
}
"""Settings that have others below them: `with` only makes their names shorter."""
ELSEWHERE = {
    'not (kindIs "invalid" $value)': "Helm 4 leaves null out of the values, Helm 3 does not",
    "not (and $pair.ca $pair.cert $pair.key)": "what an upgrade finds in the cluster: test_release.py",
}
BLIND = {"deplite.pod.security", "deplite.env", "deplite.network.blocks"}
"""Named templates that are not given the release."""
KNOWN = ("--api-versions", "deplite.io/v1alpha1/Organization")


async def test_every_condition_goes_both_ways(helm: Helm, tmp_path: Path) -> None:
    branches = Branches(tmp_path)
    taken = await branches.taken(helm, *values("trial"), *KNOWN)
    for name in FILES:
        taken |= await branches.taken(helm, *values(name))
    assert len(branches.found) > 100
    missed = [(one, way) for one in branches.found for way in (True, False) if (one, way) not in taken]
    assert {one.condition for one, way in missed if not way} == NEVER_EMPTY | set(ELSEWHERE)
    assert [str(one) for one, way in missed if way and not one.refuses] == []
    assert branches.rootless == BLIND


async def test_conditions_that_see_no_release_matter_both_ways(helm: Helm, tmp_path: Path) -> None:
    """Where one is held true, or false, something else is rendered: so it was false, or true, somewhere."""

    async def shown(chart: Path, name: str) -> str:
        try:
            said = await helm.run("template", RELEASE, str(chart), "--namespace", NAMESPACE, *values(name))
        except HelmError as error:
            return str(error)
        kept = [document for document in said.split("\n---\n") if "\nkind: Secret\n" not in document]
        return re.sub(r"checksum/\S+: .*", "", "".join(kept))  # passwords are new each time

    files = ("production", "smallest", "ephemeral")
    plain = [await shown(CHART, name) for name in files]
    assert [await shown(CHART, name) for name in files] == plain
    for template in sorted(BLIND):
        for word in ("true", "false"):
            chart = forced(tmp_path, template, word)
            assert [await shown(chart, name) for name in files] != plain, (template, word)


def test_every_refusal_is_tried() -> None:
    said = re.findall(r'fail (?:\(printf )?"([^"]+)"', (CHART / "templates" / "_checks.tpl").read_text())
    assert len(said) > 10
    untried = [text for text in said if not any(re.search(tried, text.replace("%s", "org-a")) for _, tried in REFUSALS)]
    assert untried == []
