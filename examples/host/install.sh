#!/bin/sh
# Installs deplite-agent on this machine, and upgrades it: see --help, and README.md beside this file.
set -eu
umask 022
unset CDPATH
export PYTHONSAFEPATH=1 # no Python here runs what lies in the folder that root stands in

HERE=$(cd "$(dirname "$0")" && pwd)
PREFIX=/opt/deplite-agent
CONFIG=/etc/deplite
STATE=/var/lib/deplite-agent
ACCOUNT=deplite-agent
UNIT=deplite-agent.service
DUE=$PREFIX/.restart-due # something has changed since the agent was last seen to be connected

usage() {
    cat <<'TEXT'
Usage: install.sh --url URL [--from SOURCE] [--code-file FILE] [--name NAME] [--python PYTHON] [--wait SECONDS]

Installs deplite-agent as a service of systemd and enrols this machine. Run again it does what is missing and nothing
else; with another SOURCE it upgrades (or goes back), and returns to the version before if the new one does not connect.
It asks nothing. The enrolment code (enr_...) of a machine that has not enrolled comes from standard input.

  --url URL         the server, e.g. https://deplite.example.com; needed the first time
  --from SOURCE     what to install: a checkout of Deplite, a wheel, a folder of wheels (then nothing is downloaded), or
                    what pip shall look for, e.g. 'deplite==0.2.0'. Without it: the checkout that this script is in
  --code-file FILE  take the enrolment code from a file instead, also where the machine has enrolled before
                    and that agent was revoked or deleted
  --name NAME       what people see; the host name unless given
  --python PYTHON   a Python of at least 3.11 with venv; found on the PATH unless given
  --wait SECONDS    how long the agent may take to connect (60)

Exit codes: 0 the agent is connected; 1 something is in the way, and a sentence says what; 2 wrong usage.
TEXT
}

say() { printf '%s\n' "$*"; }

refuse() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

wrong_usage() {
    printf 'install.sh: %s\n' "$*" >&2
    usage >&2
    exit 2
}

# --- what is there afterwards -----------------------------------------------------------------------------------------

# Writes standard input to file $1 with mode $2, whole or not at all, if it differs from what is there.
put() {
    (umask 077 && cat >"$1.new")
    chmod "$2" "$1.new"
    if cmp -s "$1.new" "$1"; then
        rm "$1.new"
    else
        : >"$DUE"
        mv "$1.new" "$1"
    fi
}

# Sets variable $1 of agent.env to $2, and leaves the others alone.
set_variable() {
    ! grep -qxF "$1=$2" "$CONFIG/agent.env" 2>/dev/null || return 0
    { grep -v "^$1=" "$CONFIG/agent.env" 2>/dev/null || :; printf '%s=%s\n' "$1" "$2"; } | put "$CONFIG/agent.env" 0600
}

# Makes a folder to work in, that goes with this script, as does a version that is made half.
begin() {
    mkdir -p "$PREFIX"
    rm -rf "$PREFIX"/.work.*
    work=$(mktemp -d "$PREFIX/.work.XXXXXX")
    made=
    # The code too, where it is in a file of the caller's: after a failure it is not to lie where a later start finds it.
    trap 'rm -rf "$work" ${made:+"$made"} ${code_file:+"$CONFIG/enrollment/code"}; rmdir "$PREFIX" 2>/dev/null || :' EXIT
    trap 'exit 1' HUP INT TERM
}

configure() {
    getent passwd "$ACCOUNT" >/dev/null || useradd --system --user-group --home-dir "$STATE/home" --no-create-home \
        --shell /usr/sbin/nologin --comment 'Deplite agent' "$ACCOUNT"
    mkdir -p "$CONFIG/workflows"
    [ -d "$CONFIG/secrets" ] || install -d -m 0750 -g "$ACCOUNT" "$CONFIG/secrets"
    install -d -m 0700 "$CONFIG/enrollment"
    [ ! -f "$CONFIG/agent.env" ] || cp -p "$CONFIG/agent.env" "$work/agent.env"
    cp "$HERE/$UNIT" "$target/$UNIT"
    [ -z "$url" ] || set_variable DEPLITE_URL "$url"
    [ -z "$name" ] || set_variable DEPLITE_NAME "$name"
    # The authorities that this machine trusts, and not a list that came with a Python package.
    for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
        ! [ -f "$bundle" ] || grep -q '^SSL_CERT_' "$CONFIG/agent.env" || set_variable SSL_CERT_FILE "$bundle"
    done
    chmod 0600 "$CONFIG/agent.env"
    [ -z "$code" ] || printf '%s' "$code" | put "$CONFIG/enrollment/code" 0600
}

# pip of an environment that is gone afterwards. The first argument says where it installs, or - for itself.
pip() {
    where=$1
    shift
    [ -d "$work/tools" ] || "$python" -m venv "$work/tools"
    [ "$where" = - ] || set -- --python "$where/bin/python" "$@"
    "$work/tools/bin/python" -m pip --quiet --disable-pip-version-check --no-input "$@" ||
        refuse "pip failed; the agent is as it was."
}

# Brings the wheel of SOURCE into the work folder; `lock` then names the file of its pinned packages, `index` where these are.
fetch() {
    lock='' index=''
    say "Looking at $from ..."
    case $kind in
    checkout)
        pip - install --require-hashes --requirement "$from/requirements/build.txt"
        pip - wheel --no-deps --no-build-isolation --wheel-dir "$work" "$from"
        lock=$from/requirements/agent.txt
        ;;
    folder)
        cp "$from"/deplite-*.whl "$work"
        ln -s "$(cd "$from" && pwd)" "$work/wheels"
        index="--no-index --find-links=$work/wheels"
        [ ! -f "$from/requirements.txt" ] || lock=$from/requirements.txt
        ;;
    wheel) cp "$from" "$work" ;;
    name) pip - download --no-deps --only-binary :all: --dest "$work" "$from" ;;
    esac
    set -- "$work"/deplite-*.whl
    [ -f "$1" ] || refuse "$from is no package of deplite."
    wheel=$1
    version=$(basename "$wheel" | cut -d - -f 2)
    target=$PREFIX/$version-$(sha256sum "$wheel" | cut -c 1-8)
}

# Makes the folder of this version, beside those that are there; anew, if the Python that it was made with is gone.
build() {
    if [ -f "$target/.complete" ]; then
        ! "$target/bin/deplite-agent" --version >/dev/null 2>&1 || return 0
        : >"$DUE"
    fi
    say "Installing deplite $version into $target ..."
    rm -rf "$target"
    made=$target
    "$python" -m venv --without-pip "$target"
    # shellcheck disable=SC2086 # two options or none
    if [ -n "$lock" ]; then
        pip "$target" install $index --require-hashes --requirement "$lock"
        pip "$target" install --no-index --no-deps "$wheel"
    else
        pip "$target" install $index "${wheel}[agent]"
    fi
    "$target/bin/deplite-agent" --version >/dev/null || refuse "deplite $version does not start; the agent is as it was."
    : >"$target/.complete"
    made=
}

# Sets `before`: the version that ran well until now, if any; and `older`: the one before that.
remember() {
    older=$(readlink "$PREFIX/previous" || :)
    before=$older
    [ ! -e "$DUE" ] && [ -e "$PREFIX/current" ] || return 0
    before=$(readlink "$PREFIX/current")
    [ "$PREFIX/$before" = "$target" ] || ln -sfn "$before" "$PREFIX/previous"
}

# Makes a version the present one. systemd before 254 knows no growing pause between starts.
activate() {
    [ "$systemd" -ge 254 ] && unknown='^$' || unknown='^Restart(Steps|MaxDelaySec)='
    grep -vE "$unknown" "$1/$UNIT" | put "/etc/systemd/system/$UNIT" 0644
    if [ "$(readlink "$PREFIX/current" || :)" != "$(basename "$1")" ]; then
        : >"$DUE"
        ln -sfn "$(basename "$1")" "$PREFIX/.current.new"
        mv -T "$PREFIX/.current.new" "$PREFIX/current"
    fi
    systemctl daemon-reload
}

# Restarts, which waits for running jobs, and waits until the agent says that it is connected.
start() {
    if systemctl --quiet is-active "$UNIT"; then
        say "Restarting the agent; running jobs have $(systemctl show -P TimeoutStopUSec "$UNIT") to end ..."
    else
        say "Starting the agent ..."
    fi
    systemctl restart "$UNIT" || return 1
    restarts=$(systemctl show -P NRestarts "$UNIT")
    until=$(($(date +%s) + wait))
    while [ "$(date +%s)" -lt "$until" ]; do
        active=$(systemctl show -P ActiveState "$UNIT")
        run=$(systemctl show -P InvocationID "$UNIT")
        greeting=$(journalctl -q -o cat "_SYSTEMD_INVOCATION_ID=$run" | grep -oE '(Enrolled|Connected) as agent [a-z0-9-]+' || :)
        case $active:$greeting in
        active:?*)
            say "$greeting"
            if [ -e "$CONFIG/enrollment/code" ]; then
                rm "$CONFIG/enrollment/code" || return 1
                start # without it: until then every step can read the code
                return
            fi
            rm -f "$DUE"
            return 0
            ;;
        failed:*) return 1 ;;
        esac
        # It ends as often as it is started.
        [ "$(systemctl show -P NRestarts "$UNIT")" -lt $((restarts + 2)) ] || return 1
        sleep 1
    done
    return 1
}

# Forgets the agent that this machine was, and starts, where that one was revoked and the caller gave a code from a file. The
# agent itself forgets its key only for a revocation that the server has signed; here it is the owner's wish.
start_anew() {
    [ -n "$code_file" ] && [ "$(systemctl show -P ExecMainStatus "$UNIT")" = 3 ] || return 1
    say "The server has revoked the agent that this machine was; enrolling it with the new code ..."
    rm -f "$STATE/identity.json" "$STATE/key.pem" || return 1
    start
}

# Explains on standard error why the agent is not connected, in its own words.
complain() {
    say "The agent is not connected. Its last words (journalctl -u deplite-agent has all):"
    journalctl -q -o cat -n 20 -u "$UNIT" | sed 's/^/    /'
} >&2

# Brings back version and settings that ran well, where there are some and they are others.
roll_back() {
    [ -n "$before" ] || refuse "See to that, then run it again."
    [ "$PREFIX/$before" != "$target" ] || ! cmp -s "$work/agent.env" "$CONFIG/agent.env" ||
        refuse "See to that, then run it again."
    say "Going back to what ran before ..." >&2
    put "$CONFIG/agent.env" 0600 <"$work/agent.env"
    activate "$PREFIX/$before"
    [ "$wait" -gt 60 ] || wait=60
    start || refuse "$before does not connect either; see to that, then run it again."
    [ -z "$older" ] || ln -sfn "$older" "$PREFIX/previous"
    prune
    refuse "deplite $version did not connect; $before runs again with its settings."
}

# Keeps the present version and the one before.
prune() {
    for folder in "$PREFIX"/*/; do
        case $(basename "$folder") in
        current | previous | "$(readlink "$PREFIX/current")" | "$(readlink "$PREFIX/previous" || :)") ;;
        *) rm -rf "${folder%/}" ;;
        esac
    done
}

# --- ------------------------------------------------------------------------------------------------------------------

url='' from='' code_file='' name='' python='' wait=60
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --url | --from | --code-file | --name | --python | --wait) [ $# -gt 1 ] || wrong_usage "$1 needs a value." ;;
    *) wrong_usage "There is no option $1." ;;
    esac
    case $1 in
    --url) url=$2 ;;
    --from) from=$2 ;;
    --code-file) code_file=$2 ;;
    --name) name=$2 ;;
    --python) python=$2 ;;
    --wait) wait=$2 ;;
    esac
    shift 2
done
case $wait in '' | 0* | *[!0-9]*) wrong_usage "--wait takes whole seconds." ;; esac
case $name in *[!A-Za-z0-9._-]*) wrong_usage "--name takes letters, digits, . _ and -." ;; esac
# shellcheck source=checks.sh
. "$HERE/checks.sh"
check_machine
check_python
check_source
check_url
check_code

begin
fetch
build
remember
configure
activate "$target"
systemctl --quiet enable "$UNIT"
if [ ! -e "$DUE" ] && systemctl --quiet is-active "$UNIT"; then
    say "deplite $version runs already; there is nothing to do."
    exit 0
fi
if ! start && ! start_anew; then
    complain
    roll_back
fi
prune
say "deplite $version is installed. Workflows belong into $CONFIG/workflows, their secrets into $CONFIG/secrets; the log is
in journalctl -u deplite-agent, and what the sandbox forbids is opened by a drop-in (examples/host/README.md)."
