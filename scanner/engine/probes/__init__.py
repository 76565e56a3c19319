"""Ways of looking at a registered host. A probe returns facts and judges nothing.

Only modules of this package open sockets to a scanned host, and all of them through :mod:`.dial`.
"""
