"""Asks an idle workspace to leave when the account may run no further one."""
