# shellcheck shell=sh
# Read by install.sh: what has to be so before it changes anything. Each check refuses with one sentence.

check_machine() {
    [ "$(id -u)" = 0 ] || refuse "Only root can install a service; run it with sudo."
    [ -d /run/systemd/system ] || refuse "This machine was not started by systemd, which is to run the agent."
    systemd=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    [ "${systemd:-0}" -ge 252 ] || refuse "systemd ${systemd:-?} is too old; it has to be 252 or newer."
    for tool in flock useradd sha256sum; do
        command -v "$tool" >/dev/null || refuse "The program $tool is missing; install it."
    done
    exec 9>/run/deplite-agent-install.lock
    flock -n 9 || refuse "Another install.sh is at work; wait for it to end."
}

check_python() {
    for candidate in ${python:-python3 python3.14 python3.13 python3.12 python3.11}; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        python=$(command -v "$candidate")
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            refuse "$python has no venv module; install it (Debian: apt-get install python3-venv)."
        "$python" -c 'import sys; sys.exit(sys.base_prefix.startswith(("/home/", "/root/")))' ||
            refuse "$python lies in a home folder, which the agent cannot see; name another one with --python."
        return
    done
    refuse "There is no Python 3.11 or newer${python:+ at $python}; install one, or name it with --python."
}

check_source() {
    if [ -z "$from" ]; then
        from=$(cd "$HERE/../.." && pwd)
        [ -f "$from/pyproject.toml" ] || refuse "Say with --from what to install: a checkout, a wheel, a folder of wheels."
    fi
    if [ -f "$from/pyproject.toml" ]; then
        kind=checkout
    elif [ -d "$from" ]; then
        kind=folder
        set -- "$from"/deplite-*.whl
        [ $# = 1 ] && [ -f "$1" ] || refuse "$from has to hold one wheel of deplite (deplite-VERSION-py3-none-any.whl)."
    elif [ -f "$from" ]; then
        kind=wheel
    else
        case $from in
        deplite | deplite[[=\<\>~!]*) kind=name ;;
        *) refuse "There is no $from; --from takes a checkout, a wheel, a folder of wheels, or deplite==VERSION." ;;
        esac
    fi
}

check_url() {
    if [ -z "$url" ]; then
        grep -q '^DEPLITE_URL=' "$CONFIG/agent.env" 2>/dev/null || refuse "Say with --url where the server is."
        return
    fi
    url=${url%/}
    case $url in
    *[!A-Za-z0-9.:/_~%[-]*) refuse "--url takes an address like https://deplite.example.com." ;;
    http://?* | https://?*) ;;
    *) refuse "--url takes an address like https://deplite.example.com." ;;
    esac
    # systemd reads agent.env, as it does for the agent: proxies and authorities, in whatever quotes.
    said=$(systemd-run --quiet --collect --wait --pipe --property="EnvironmentFile=-$CONFIG/agent.env" \
        "$python" -P - "$url" 2>&1 <<'PYTHON' || :
import http.client, json, sys, urllib.request

class Stay(urllib.request.HTTPRedirectHandler):  # as the agent does
    def redirect_request(self, *_):
        return None

try:
    with urllib.request.build_opener(Stay).open(sys.argv[1] + "/livez", timeout=15) as answer:
        if json.load(answer)["status"] != "ok":
            print("what answers there is something else")
except (KeyError, TypeError, ValueError, http.client.HTTPException):
    print("what answers there is something else")
except OSError as error:
    leads = getattr(error, "headers", {}).get("Location", "")
    print("it leads to " + leads.removesuffix("/livez") if leads else getattr(error, "reason", error))
PYTHON
    )
    [ -z "$said" ] || refuse "$url is not the address of Deplite: $said."
}

check_code() {
    code=
    if [ -n "$code_file" ]; then
        [ -r "$code_file" ] || refuse "The file $code_file cannot be read."
        code=$(head -c 200 "$code_file" | tr -d ' \t\r\n')
    elif [ -e "$STATE/identity.json" ]; then
        return
    elif [ ! -t 0 ]; then
        code=$(head -c 200 | tr -d ' \t\r\n')
    fi
    if [ -z "$code" ]; then
        [ -s "$CONFIG/enrollment/code" ] || refuse "This machine has not enrolled: give an enrolment code (enr_...) on \
standard input, or with --code-file."
    elif ! printf '%s' "$code" | grep -qxE 'enr_[0-9A-Za-z]{36}'; then
        refuse "What was given is no enrolment code; it is enr_ and 36 letters and digits."
    fi
}
