"""A TLS 1.3 server by the OpenSSL 3.5 that the package cryptography brings along, which knows ML-KEM. Debian's doesn't.

``address port folder groups``: it ends each connection after the handshake. No library says how to choose the groups
of that OpenSSL, so its own configuration does.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path

_CONFIGURATION = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = groups
[groups]
Groups = {groups}
MinProtocol = TLSv1.3
"""
_WANTS_MORE = (2, 3)
"""SSL_ERROR_WANT_READ and SSL_ERROR_WANT_WRITE."""


def main() -> None:
    """Serve until the process is ended."""
    address, port, folder, groups = sys.argv[1:5]
    configuration = Path(folder) / "openssl.cnf"
    configuration.write_text(_CONFIGURATION.format(groups=groups))
    os.environ["OPENSSL_CONF"] = str(configuration)  # read when the library is first used
    from cryptography.hazmat.bindings.openssl.binding import Binding

    lib, ffi = Binding().lib, Binding().ffi
    context = lib.SSL_CTX_new(lib.TLS_server_method())
    assert lib.SSL_CTX_use_certificate_chain_file(context, f"{folder}/server.pem".encode())
    assert lib.SSL_CTX_use_PrivateKey_file(context, f"{folder}/server.key".encode(), lib.SSL_FILETYPE_PEM)

    def shake_hands(connection: socket.socket) -> None:
        session, incoming, outgoing = lib.SSL_new(context), lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        lib.SSL_set_accept_state(session)
        lib.SSL_set_bio(session, incoming, outgoing)
        buffer, wants_more = ffi.new("char[65536]"), True
        with connection, contextlib.suppress(OSError):
            while wants_more and (data := connection.recv(16_384)):
                lib.BIO_write(incoming, data, len(data))
                done = lib.SSL_do_handshake(session)
                wants_more = done <= 0 and lib.SSL_get_error(session, done) in _WANTS_MORE
                size = lib.BIO_read(outgoing, buffer, len(buffer))
                if size > 0:
                    connection.sendall(ffi.buffer(buffer, size)[:])
        lib.SSL_free(session)

    with socket.create_server((address, int(port))) as server:
        while True:
            threading.Thread(target=shake_hands, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
