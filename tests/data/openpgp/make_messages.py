#!/usr/bin/python3
"""Makes the hostile messages of this folder, to alice, with gpg and openssl. Run it in this folder after make.sh."""

import os
import re
import subprocess
import tempfile


def gpg(home, *arguments, data=b""):
    return subprocess.run(["gpg", "--homedir", home, "--batch", "--quiet", "--trust-model", "always", *arguments],
                          input=data, capture_output=True, check=False)


def cfb(key, plaintext):
    """AES-256-CFB with a zero IV: the cipher of SEIPDv1 (RFC 9580 section 5.13.1)."""
    return subprocess.run(["openssl", "enc", "-aes-256-cfb", "-K", key.hex(), "-iv", "00" * 16],
                          input=plaintext, capture_output=True, check=True).stdout


def packet(tag, body):
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def random_prefix():
    prefix = os.urandom(16)
    return prefix + prefix[-2:]


def first_packet(data):
    """The PKESK that gpg wrote first, with its old or new format header."""
    if data[0] & 0x40:
        assert data[1] < 192
        return data[: 2 + data[1]]
    size = {0: 1, 1: 2}[data[0] & 3]
    return data[: 1 + size + int.from_bytes(data[1 : 1 + size], "big")]


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


literal = packet(11, b"b\x00\x00\x00\x00\x00" + b"not authenticated\n" * 20)
write("zero-session-key.bin", packet(18, b"\x01" + cfb(bytes(32), random_prefix() + literal)))

with tempfile.TemporaryDirectory() as home:
    gpg(home, "--import", "alice.secret.asc")
    message = gpg(home, "--cipher-algo", "AES256", "--compress-algo", "none", "-r", "alice@example.org", "--encrypt", data=b"x").stdout
    shown = gpg(home, "--show-session-key", "--decrypt", data=message).stderr.decode()
    key = bytes.fromhex(re.search(r"session key: '9:([0-9A-F]{64})'", shown).group(1))
    pkesk = first_packet(message)
    # The right session key, and no MDC packet at the end.
    write("no-mdc.bin", pkesk + packet(18, b"\x01" + cfb(key, random_prefix() + literal)))
    # The packet of RFC 2440, which has no integrity protection at all.
    write("sed.bin", pkesk + packet(9, cfb(key, random_prefix() + literal)))
    write("bomb.bin", gpg(home, "--compress-algo", "bzip2", "-r", "alice@example.org", "--encrypt", data=bytes(200 << 20)).stdout)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
