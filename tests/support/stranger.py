"""A server that another local user runs where the mail server's listener is expected. Run as a program: says on standard
output what it hears.

    stranger.py HOST PORT | stranger.py PATH
"""

import os
import socket
import sys


def listen(where):
    if len(where) == 1:
        server = socket.socket(socket.AF_UNIX)
        server.bind(where[0])
        os.chmod(where[0], 0o666)
    else:
        server = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((where[0], int(where[1])))
    server.listen(50)
    return server


def serve(connection):
    octets = 0
    connection.sendall(b"220 mta.example.org ESMTP\r\n")
    with connection.makefile("rb") as lines:
        in_content = False
        for line in lines:
            octets += len(line)
            print(f"heard: {line.decode('utf-8', 'replace').rstrip()}", flush=True)
            in_content = in_content and line != b".\r\n"
            if line.upper().startswith(b"DATA"):
                in_content = True
                connection.sendall(b"354 go on\r\n")
            elif not in_content:
                connection.sendall(b"250 2.0.0 Ok\r\n")
    print(f"heard {octets} octets", flush=True)


def main():
    with listen(sys.argv[1:]) as server:
        print("listening", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                try:
                    serve(connection)
                except OSError:
                    print("hung up", flush=True)


if __name__ == "__main__":
    main()
