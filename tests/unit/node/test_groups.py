"""The cgroups of a cluster, in folders that stand for the hierarchies of a machine."""

from pathlib import Path

import pytest

from tests.node.machine import groups

NAME, MACHINES = "deplite-node-7", ("node-1", "node-2")
GROUPS = (NAME, f"{NAME}/node-1", f"{NAME}/node-2")


def mounted(folder: Path, **kinds: str) -> Path:
    """Return a table of mounts that has hierarchies of these kinds in a folder."""
    table = folder / "mounts"
    lines = [f"cgroup {folder / name} {kind} rw 0 0" for name, kind in kinds.items()]
    table.write_text("\n".join(["proc /proc proc rw 0 0", *lines]) + "\n")
    return table


def filled(folder: Path, **files: str) -> Path:
    """Return a folder with the files that the kernel would put there; an underscore in a name stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def test_version_1_gets_the_processors_and_memory_of_its_root(tmp_path: Path) -> None:
    root = filled(tmp_path / "cpuset", cpuset_cpus="0-1\n", cpuset_mems="0\n")
    for name in GROUPS:
        filled(root / name, cpuset_cpus="\n", cpuset_mems="\n")
    groups.make(NAME, MACHINES, mounted(tmp_path, cpuset="cgroup"))
    for name in GROUPS:
        assert (root / name / "cpuset.cpus").read_text() == "0-1\n"
        assert (root / name / "cpuset.mems").read_text() == "0\n"


def test_version_2_hands_down_what_a_kubelet_wants_and_the_machine_has(tmp_path: Path) -> None:
    root = filled(
        tmp_path / "all", cgroup_controllers="cpuset cpu io memory pids rdma", cgroup_subtree_control="memory"
    )
    filled(root / NAME, cgroup_controllers="cpuset cpu memory pids", cgroup_subtree_control="")
    groups.make(NAME, MACHINES, mounted(tmp_path, all="cgroup2"))
    assert (root / "cgroup.subtree_control").read_text() == "+cpu +cpuset +pids"
    assert (root / NAME / "cgroup.subtree_control").read_text() == "+cpu +cpuset +memory +pids"
    assert all((root / name).is_dir() for name in GROUPS)


def test_beside_version_1_nothing_of_version_2_is_changed(tmp_path: Path) -> None:
    root = filled(tmp_path / "unified", cgroup_controllers="hugetlb", cgroup_subtree_control="")
    (tmp_path / "cpuset").mkdir()
    groups.make(NAME, MACHINES, mounted(tmp_path, cpuset="cgroup", unified="cgroup2"))
    assert (root / "cgroup.subtree_control").read_text() == ""
    assert all((tmp_path / kind / name).is_dir() for kind in ("cpuset", "unified") for name in GROUPS)


def test_a_root_that_hands_nothing_down_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    filled(tmp_path / "all", cgroup_controllers="cpu")
    with pytest.raises(OSError, match=r"all/cgroup\.subtree_control"):
        groups.make(NAME, MACHINES, mounted(tmp_path, all="cgroup2"))
