"""The reader of Dockerfiles: what ours say is understood, and everything else is one clear error."""

from pathlib import Path

import pytest

from tests.node.images.errors import DockerfileError
from tests.node.images.instructions import Config, Copy, Dockerfile, Run, Workdir
from tests.node.images.reader import read

BASE = Config(environment={"PATH": "/bin"}, command=("python3",), ports=("1/tcp",))
ABOVE = "FROM base AS build\nWORKDIR /src\n"


def reading(folder: Path, text: str) -> Dockerfile:
    path = folder / "Dockerfile"
    path.write_text(text)
    return read(path, {"base": BASE}.get)


def test_each_instruction_is_understood(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        """\
# What it is.
ARG BASE=base

FROM ${BASE} AS build
WORKDIR /src
ENV TOOL=/opt/tool PATH=/opt/tool/bin:$PATH
COPY one.txt two.txt files/
RUN first $PATH \\
 # said in between
 && second
FROM build AS more
RUN third
FROM base
COPY --from=more /opt/tool /opt/tool
COPY --chmod=0755 program /usr/bin/
ENV PATH=/opt/tool/bin:${PATH}
RUN install -d /data
USER 65532:65532
EXPOSE 8080 53/udp
VOLUME /data
ENTRYPOINT ["program", "--loud"]
""",
    )
    build, more, last = found.stages
    environment = {"TOOL": "/opt/tool", "PATH": "/opt/tool/bin:/bin"}
    assert (build.line, build.base, build.name) == (4, "base", "build")
    assert (more.line, more.base, more.name) == (11, "build", "more")
    assert (last.line, last.base, last.name) == (13, "base", None)
    assert build.steps == (
        Workdir(line=5, folder="/src"),
        Copy(line=7, sources=("one.txt", "two.txt"), target="/src/files/"),
        Run(line=8, command="first $PATH && second", environment=environment, folder="/src", user=""),
    )
    assert more.steps == (Run(line=12, command="third", environment=environment, folder="/src", user=""),)
    assert last.steps == (
        Copy(line=14, sources=("/opt/tool",), target="/opt/tool", stage="more"),
        Copy(line=15, sources=("program",), target="/usr/bin/", mode=0o755),
        Run(line=17, command="install -d /data", environment={"PATH": "/opt/tool/bin:/bin"}, folder="/", user=""),
    )
    assert last.config == Config(
        environment={"PATH": "/opt/tool/bin:/bin"},
        user="65532:65532",
        ports=("1/tcp", "8080/tcp", "53/udp"),
        volumes=("/data",),
        entrypoint=("program", "--loud"),
        command=(),
    )


def test_what_the_base_says_holds_until_it_is_said_anew(tmp_path: Path) -> None:
    assert reading(tmp_path, "FROM base\n").last.config == BASE
    assert reading(tmp_path, "FROM scratch\n").last.config == Config(environment={})


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "there is no FROM"),
        ("COPY a b\n", 1, "only ARG may stand above the first FROM"),
        ("ARG BASE\n", 1, "ARG stands above the first FROM and has a default"),
        ("FROM base\nARG LATE=1\n", 2, "ARG stands above the first FROM and has a default"),
        ("FROM debian\n", 1, "debian is no stage above, not the base that the tests have and no image of ours"),
        ("FROM late\nFROM base AS late\n", 1, "late is no stage above"),
        ("FROM ${BASE}\n", 1, "nothing sets $BASE"),
        ("FROM base build\n", 1, "FROM takes an image, and AS with a name"),
        ("FROM --platform=linux/arm64 base\n", 1, "FROM takes an image, and AS with a name"),
        (ABOVE + "HEALTHCHECK CMD true\n", 3, "HEALTHCHECK: our reader knows only ARG, FROM"),
        (ABOVE + "ADD a b\n", 3, "ADD: our reader knows only"),
        (ABOVE + "copy a b\n", 3, "copy: our reader knows only"),
        (ABOVE + "CMD\n", 3, "CMD: our reader knows only"),
        (ABOVE + "RUN\n", 3, "RUN says nothing"),
        (ABOVE + 'RUN ["a"]\n', 3, "RUN takes one command of the shell here, without options"),
        (ABOVE + "RUN --mount=type=secret,id=a b\n", 3, "RUN takes one command of the shell here"),
        (ABOVE + "RUN <<END\n", 3, "RUN takes one command of the shell here"),
        (ABOVE + "# why\nRUN a \\\n", 4, "the last line ends in a backslash"),
        (ABOVE + "COPY a\n", 3, "COPY takes what to copy and where to"),
        (ABOVE + "COPY a b c\n", 3, "several files go into a folder: c has to end in a slash"),
        (ABOVE + "COPY --chown=1:1 a b\n", 3, "COPY --chown is not read here, only --from and --chmod"),
        (ABOVE + "COPY --from=other a b\n", 3, "no stage above is called other"),
        (ABOVE + "COPY --from=build a b\n", 3, "no stage above is called build"),
        (ABOVE + "FROM base\nCOPY --from=build --chmod=755 a b\n", 4, "--chmod is not read beside --from"),
        (ABOVE + "COPY --chmod=u+x a b\n", 3, "--chmod takes a number such as 0755: u+x"),
        (ABOVE + "COPY a ../b\n", 3, "a path goes upwards: ../b"),
        (ABOVE + 'COPY "a b" c\n', 3, "quotes, backslashes and ${NAME:…} are not read here"),
        (ABOVE + "ENV A B\n", 3, "ENV takes NAME=VALUE, and no spaces in a value"),
        (ABOVE + "ENV A='b c'\n", 3, "quotes, backslashes and ${NAME:…} are not read here: A='b c'"),
        (ABOVE + "ENV A=${B:-c}\n", 3, "quotes, backslashes and ${NAME:…} are not read here: A=${B:-c}"),
        (ABOVE + "ENV A=$B\n", 3, "nothing sets $B"),
        (ABOVE + "WORKDIR a b\n", 3, "WORKDIR takes one folder"),
        (ABOVE + "USER nobody\n", 3, "USER takes two numbers, UID:GID"),
        (ABOVE + "USER 65532\n", 3, "USER takes two numbers, UID:GID"),
        (ABOVE + "EXPOSE http\n", 3, "EXPOSE takes ports such as 8080 or 53/udp: http"),
        (ABOVE + "VOLUME data\n", 3, "VOLUME takes absolute paths: data"),
        (ABOVE + "ENTRYPOINT deplite-agent\n", 3, "ENTRYPOINT takes a list of words"),
        (ABOVE + "ENTRYPOINT []\n", 3, "ENTRYPOINT takes a list of words"),
        (ABOVE + 'ENTRYPOINT ["a", 1]\n', 3, "ENTRYPOINT takes a list of words"),
    ],
)
def test_a_bad_line_is_one_error_that_names_it(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        reading(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'Dockerfile'}:{line}: {problem}")
    assert "\n" not in str(caught.value)
