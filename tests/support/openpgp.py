"""OpenPGP packets (RFC 9580) that no program writes: hostile contents under a session key that is right."""

import os
import subprocess
import zlib

MARKER = b"\xca\x03PGP"


def packet(tag, body):
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def packets(octets):
    """Tag, body and whole packet of each, in old and new format with definite lengths."""
    at = 0
    while at < len(octets):
        first = octets[at]
        if first & 0x40:
            tag, length_at = first & 0x3f, at + 1
            one = octets[length_at]
            if one < 192:
                length, body = one, length_at + 1
            elif one < 224:
                length, body = ((one - 192) << 8) + octets[length_at + 1] + 192, length_at + 2
            else:
                assert one == 255
                length, body = int.from_bytes(octets[length_at + 1:length_at + 5], "big"), length_at + 5
        else:
            tag, size = (first >> 2) & 0xf, 1 << (first & 3)
            length, body = int.from_bytes(octets[at + 1:at + 1 + size], "big"), at + 1 + size
        yield tag, octets[body:body + length], octets[at:body + length]
        at = body + length


def literal(content, name=b""):
    """RFC 9580 §5.9."""
    return packet(11, b"b" + bytes([len(name)]) + name + bytes(4) + content)


def compressed(octets):
    """RFC 9580 §5.6, with ZLIB."""
    return packet(8, b"\x02" + zlib.compress(octets))


class Sealer:
    """Encrypts any packets for one recipient. gpg makes the session key and seals it; the rest is ours."""

    def __init__(self, home, recipient):
        whole = home.encrypt(b"x", recipient, armor=False, options=["--cipher-algo", "AES256"])
        (tag, _, self.pkesk), *_ = packets(whole)
        assert tag == 1
        algorithm, key = home.session_key(whole).split(":")
        assert algorithm == "9"
        self._key = key

    def _cfb(self, octets):
        return subprocess.run(["openssl", "enc", "-aes-256-cfb", "-K", self._key, "-iv", "00" * 16], input=octets,
                              capture_output=True, check=True).stdout

    def seal(self, content):
        """SEIPD of version 1 (RFC 9580 §5.13.1) with the MDC that belongs to it."""
        prefix = os.urandom(16)
        octets = prefix + prefix[-2:] + content + b"\xd3\x14"
        digest = subprocess.run(["openssl", "dgst", "-sha1", "-binary"], input=octets, capture_output=True,
                                check=True).stdout
        return self.pkesk + packet(18, b"\x01" + self._cfb(octets + digest))
