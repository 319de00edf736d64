"""Holds a whole test run against `deplite/rights`: each granted verb was used by its part, and nothing else tried.

    server.py   each kube-apiserver of the tests writes an audit log of the parts' accounts (metadata, no bodies)
    deeds.py    a line of it -> what a part did, or was refused
    ledger.py   all lines of a session, folded to the deeds in them and the test that was the first to cause each
    grants.py   what `deplite/rights` grants, and which deeds use it
    plugin.py   what of it pytest does; a part that tried what no role grants fails the session
    __main__.py `python -m tests.auditing` after a whole run: the sessions' ledgers together use every grant

A session leaves `build/rights/<session>.json`; one run may be split into several sessions.
"""
