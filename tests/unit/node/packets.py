"""Reads the rules that we write, as iptables would: the first one that fits decides."""

import ipaddress
import shlex


class Firewall:
    """The chains of a text for `iptables-restore`."""

    def __init__(self, text: str) -> None:
        begin, *lines, commit, end = text.split("\n")
        assert (begin, commit, end) == ("*filter", "COMMIT", "")
        self._chains = {line[1:].split()[0]: list[list[str]]() for line in lines if line.startswith(":")}
        for line in lines:
            if not line.startswith(":"):
                add, chain, *words = shlex.split(line)
                assert add == "-A"
                self._chains[chain].append(words)

    def lets(self, source: str, target: str, port: int, protocol: str = "tcp") -> bool:
        """Whether a first packet passes all chains."""
        return all(
            next((self._ends_well(one) for one in rules if _fits(one, source, target, port, protocol)), True)
            for rules in self._chains.values()
        )

    def answers_pass_first(self) -> bool:
        """Whether each chain begins with what lets answers through."""
        begin = ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"]
        return all(rules[0] == begin for rules in self._chains.values())

    @staticmethod
    def _ends_well(words: list[str]) -> bool:
        verdict = words[words.index("-j") + 1]
        assert verdict in ("RETURN", "REJECT")
        return verdict == "RETURN"


def _fits(words: list[str], source: str, target: str, port: int, protocol: str) -> bool:
    options = dict(zip(words[::2], words[1::2], strict=True))
    if options.get("-m") == "conntrack":
        return False
    first, _, last = options.get("--dport", "0:65535").partition(":")
    return (
        ipaddress.ip_address(source) in ipaddress.ip_network(options.get("-s", "0.0.0.0/0"))
        and ipaddress.ip_address(target) in ipaddress.ip_network(options.get("-d", "0.0.0.0/0"))
        and options.get("-p", protocol) == protocol
        and int(first) <= port <= int(last or first)
    )
