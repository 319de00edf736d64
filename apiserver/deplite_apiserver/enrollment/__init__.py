"""How a machine becomes an agent: codes, and the call that spends one."""
