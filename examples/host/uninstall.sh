#!/bin/sh
# Takes deplite-agent off this machine: see --help.
set -eu

usage() {
    cat <<'TEXT'
Usage: uninstall.sh [--purge]

Stops deplite-agent (running jobs have DEPLITE_DRAIN_SECONDS to end) and removes its service and its program.
It leaves /etc/deplite, the drop-ins, /var/lib/deplite-agent (its key and what it still has to report) and its user, so
that install.sh goes on as the same agent. With --purge these go too; what the user owns elsewhere stays.
TEXT
}

purge=
case $#:${1:-} in
0:) ;;
1:--purge) purge=yes ;;
1:-h | 1:--help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac
[ "$(id -u)" = 0 ] || {
    echo 'uninstall.sh: Only root can remove a service; run it with sudo.' >&2
    exit 1
}
exec 9>/run/deplite-agent-install.lock
flock -n 9 || {
    echo 'uninstall.sh: install.sh is at work; wait for it to end.' >&2
    exit 1
}

if systemctl --quiet is-active deplite-agent.service; then
    echo "Stopping the agent; running jobs have $(systemctl show -P TimeoutStopUSec deplite-agent.service) to end ..."
fi
if [ -e /etc/systemd/system/deplite-agent.service ]; then
    systemctl --quiet disable --now deplite-agent.service
fi
rm -rf /etc/systemd/system/deplite-agent.service /opt/deplite-agent /etc/deplite/enrollment
[ -z "$purge" ] || rm -rf /etc/systemd/system/deplite-agent.service.d /etc/deplite /var/lib/deplite-agent
systemctl daemon-reload
systemctl reset-failed deplite-agent.service 2>/dev/null || :
if [ -n "$purge" ] && getent passwd deplite-agent >/dev/null; then
    userdel deplite-agent
fi
echo 'deplite-agent is off this machine. The server still knows the agent: delete it there, if it is not to come back.'
