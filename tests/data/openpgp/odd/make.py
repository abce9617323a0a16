#!/usr/bin/env python3
"""Writes the certificates of this folder that no program writes: packets in odd places and of odd kinds, all signed
with keys that follow from their names, so that another run gives the same octets. RFC 9580 §5.2.4 has what is signed."""

import hashlib
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MADE = 1735689600  # 2025-01-01
DAY = 86400
ED25519 = bytes.fromhex("092b06010401da470f01")
CV25519 = bytes.fromhex("0a2b060104019755010501")


def raw(kind, name):
    """The private and the public octets of a key that follows from its name."""
    seed = hashlib.sha256(f"lockbox test key {name}".encode()).digest()
    prefix = {"ed25519": "302e020100300506032b657004220420", "x25519": "302e020100300506032b656e04220420"}[kind]
    der = bytes.fromhex(prefix) + seed
    public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=der,
                            capture_output=True, check=True).stdout[-32:]
    return der, public


def packet(tag, body):
    """In the new format (RFC 9580 §4.2.1)."""
    n = len(body)
    if n < 192:
        length = bytes([n])
    elif n < 8384:
        length = bytes([((n - 192) >> 8) + 192, (n - 192) & 0xff])
    else:
        length = b"\xff" + n.to_bytes(4, "big")
    return bytes([0xC0 | tag]) + length + body


def mpi(octets):
    value = int.from_bytes(octets, "big")
    return value.bit_length().to_bytes(2, "big") + value.to_bytes((value.bit_length() + 7) // 8, "big")


def is_prime(number):
    """Miller and Rabin's test; of numbers that nobody has chosen to deceive it."""
    if any(number % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23)):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def prime(bits, name):
    octets = b"".join(hashlib.sha256(f"{name} {i}".encode()).digest() for i in range(bits // 256 + 1))
    number = int.from_bytes(octets[:bits // 8], "big") | 3 << (bits - 2) | 1
    while not is_prime(number):
        number += 2
    return number


def integer(value):
    """A number as RFC 9580 §3.2 has it."""
    return mpi(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Rsa:
    """A pair of keys that follows from its name."""

    def __init__(self, bits, exponent, name):
        p, q = prime(bits // 2, name + " p"), prime(bits // 2, name + " q")
        self.modulus, self.exponent = p * q, exponent
        self.private = pow(exponent, -1, (p - 1) * (q - 1)) if exponent % 2 else None

    def material(self):
        return integer(self.modulus) + integer(self.exponent)

    def sign(self, digest):
        """PKCS #1 v1.5 with SHA-256 (RFC 8017 §9.2)."""
        info = bytes.fromhex("3031300d060960864801650304020105000420") + digest
        octets = (self.modulus.bit_length() + 7) // 8
        padded = b"\x00\x01" + b"\xff" * (octets - 3 - len(info)) + b"\x00" + info
        return integer(pow(int.from_bytes(padded, "big"), self.private, self.modulus))


class Key:
    """A key packet's body with what signs for it."""

    def __init__(self, body, secret=None):
        self.body = body
        self.algorithm = body[5]
        self.secret = secret
        self.fingerprint = hashlib.sha1(self.hashed()).digest()

    @classmethod
    def signing(cls, name, created=MADE):
        secret, public = raw("ed25519", name)
        return cls(b"\x04" + created.to_bytes(4, "big") + b"\x16" + ED25519 + mpi(b"\x40" + public), secret)

    @classmethod
    def encrypting(cls, name, created=MADE):
        _, public = raw("x25519", name)
        return cls(b"\x04" + created.to_bytes(4, "big") + b"\x12" + CV25519 + mpi(b"\x40" + public) + b"\x03\x01\x08\x07")

    @classmethod
    def other(cls, algorithm, material, version=4, created=MADE):
        length = len(material).to_bytes(4, "big") if version > 4 else b""
        return cls(bytes([version]) + created.to_bytes(4, "big") + bytes([algorithm]) + length + material)

    @classmethod
    def rsa(cls, bits, name, exponent=65537, created=MADE):
        pair = Rsa(bits, exponent, f"lockbox test key {name}")
        return cls(b"\x04" + created.to_bytes(4, "big") + b"\x01" + pair.material(), pair)

    def sign(self, digest):
        """The numbers of a signature."""
        if isinstance(self.secret, Rsa):
            return self.secret.sign(digest)
        with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as text:
            Path(key.name).write_bytes(self.secret)
            Path(text.name).write_bytes(digest)
            made = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key.name, "-keyform", "DER", "-rawin",
                                   "-in", text.name], capture_output=True, check=True).stdout
        return mpi(made[:32]) + mpi(made[32:])

    def hashed(self):
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body

    def primary(self):
        return packet(6, self.body)

    def subkey(self):
        return packet(14, self.body)


def user_id(text):
    return packet(13, text.encode())


def sub(kind, octets):
    return bytes([len(octets) + 1, kind]) + octets


def number(kind, value):
    return sub(kind, value.to_bytes(4, "big"))


def flags(*octets):
    return sub(27, bytes(octets))


def signature(issuer, kind, signed, subpackets=b"", created=MADE + 10, spoiled=False):
    hashed = number(2, created) + sub(33, b"\x04" + issuer.fingerprint) + subpackets
    head = bytes([4, kind, issuer.algorithm, 8]) + len(hashed).to_bytes(2, "big") + hashed
    digest = hashlib.sha256(signed + head + b"\x04\xff" + len(head).to_bytes(4, "big")).digest()
    made = issuer.sign(digest)
    if spoiled:
        made = made[:-1] + bytes([made[-1] ^ 1])
    unhashed = sub(16, issuer.fingerprint[-8:])
    return packet(2, head + len(unhashed).to_bytes(2, "big") + unhashed + digest[:2] + made)


def over_user_id(key, text):
    return key.hashed() + b"\xb4" + len(text.encode()).to_bytes(4, "big") + text.encode()


class Certificate:
    """A primary key with one User ID and one encryption subkey, and places to put other packets."""

    def __init__(self, name="quin", created=MADE, key=None):
        self.key = key or Key.signing(name + " primary", created)
        self.encryption = Key.encrypting(name + " subkey", created)
        self.text = f"{name.capitalize()} <{name}@example.org>"
        self.created = created

    def names(self, text=None, subpackets=b"", created=None, kind=0x13, by=None, **more):
        """A User ID with its certification."""
        text = text or self.text
        return user_id(text) + self.certifies(text, subpackets, created, kind, by, **more)

    def certifies(self, text=None, subpackets=b"", created=None, kind=0x13, by=None, **more):
        by = by or self.key
        usage = flags(3) if by is self.key and kind != 0x30 else b""
        return signature(by, kind, over_user_id(self.key, text or self.text), usage + subpackets,
                         created or self.created + 10, **more)

    def binds(self, subkey=None, usage=(0x0c,), subpackets=b"", created=None, kind=0x18, **more):
        """The signature over a subkey; revokes it with kind 0x28."""
        subkey = subkey or self.encryption
        return signature(self.key, kind, self.key.hashed() + subkey.hashed(),
                         (flags(*usage) if kind == 0x18 else b"") + subpackets, created or self.created + 10, **more)

    def revocation(self, by=None, **more):
        return signature(by or self.key, 0x20, self.key.hashed(), sub(29, b"\x02"), **more)

    def subkey(self, subkey=None, **more):
        subkey = subkey or self.encryption
        return subkey.subkey() + self.binds(subkey, **more)

    def plain(self):
        return self.key.primary() + self.names() + self.subkey()


def made():
    """File name and octets of each."""
    quin = Certificate()
    head = quin.key.primary()
    yield "weak-primary", Certificate(key=Key.rsa(1024, "weak primary")).plain()
    weak = Key.rsa(1024, "weak subkey")
    yield "weak-subkey", head + quin.names() + quin.subkey(weak)
    yield "weak-subkey-beside-good", head + quin.names() + quin.subkey(weak, subpackets=number(9, DAY)) + quin.subkey()
    yield "future", Certificate(created=MADE + 60 * 365 * DAY).plain()
    yield "user-id-ends-2090", head + quin.names(subpackets=number(3, 65 * 365 * DAY)) + quin.subkey()
    yield "binding-expired", head + quin.names() + quin.subkey(subpackets=number(3, DAY))
    yield "signed-before-made", head + quin.names(created=MADE - DAY) + quin.subkey()

    yield "exponent-1-beside-good", head + quin.names() + quin.subkey(Key.rsa(2048, "exponent 1", 1)) + quin.subkey()
    yield "exponent-1-primary", Certificate(key=Key.rsa(2048, "exponent 1 primary", 1)).plain()

    second = Key.encrypting("second subkey")
    gone = quin.binds(kind=0x28, subpackets=sub(29, b"\x02"), created=MADE + 50)
    yield "subkey-revocation-behind-other-subkey", head + quin.names() + quin.subkey() + quin.subkey(second) + gone
    yield "subkey-revocation-alone", gone
    yield "two-encryption-subkeys", head + quin.names() + quin.subkey() + quin.subkey(second)
    yield "revocation-behind-unknown-subkey", (head + quin.names() + quin.subkey()
                                               + quin.subkey(Key.other(35, b"\x01" * 1216)) + quin.revocation())
    yield "forged-revocation", quin.revocation(spoiled=True)
    old = "Quin <quin-v@example.org>"
    yield "two-user-ids", head + quin.names() + quin.names(old) + quin.subkey()
    yield "user-id-revocation-alone", quin.certifies(old, kind=0x30, subpackets=sub(29, b"\x20"), created=MADE + 50)

    for kind, key in (("algorithm-25", Key.other(25, b"\x02" * 32)), ("algorithm-100", Key.other(100, b"\x03" * 40)),
                      ("kyber", Key.other(8, b"\x04" * 900)), ("v5", Key.other(18, b"\x05" * 60, version=5)),
                      ("v6", Key.other(25, b"\x06" * 32, version=6)),
                      ("unknown-curve", Key.other(18, b"\x03\x2b\x65\x6f" + mpi(b"\x40" + b"\x07" * 56) + b"\x03\x01\x08\x07"))):
        yield f"subkey-{kind}", head + quin.names() + key.subkey() + quin.binds(key) + quin.subkey()
    yield "only-algorithm-35", head + quin.names() + quin.subkey(Key.other(35, b"\x01" * 1216))
    yield "primary-algorithm-30", Key.other(30, b"\x01" * 1984).primary() + quin.names() + quin.subkey()
    unread = packet(2, b"\x09\x13\x16\x08" + bytes(40))
    yield "signature-v9", head + quin.names() + unread + quin.subkey()

    revoker = Certificate("revoker")
    names_revoker = signature(quin.key, 0x1f, quin.key.hashed(), sub(12, b"\x80\x16" + revoker.key.fingerprint))
    yield "revoker", revoker.plain()
    yield "revoked-by-revoker", head + names_revoker + quin.revocation(by=revoker.key) + quin.names() + quin.subkey()
    yield "revoked-by-stranger", head + quin.revocation(by=revoker.key) + quin.names() + quin.subkey()

    yield "additional-decryption-subkey", head + quin.names() + quin.subkey() + quin.subkey(second, usage=(0x00, 0x04))
    yield "many-user-ids", head + b"".join(quin.names(f"Quin <quin{i}@example.org>") for i in range(251)) + quin.subkey()

    renewed = Certificate("renewed")
    other = "Renewed <other@example.org>"
    by = {"by": quin.key, "created": MADE + 100}
    start = renewed.key.primary() + renewed.names()
    yield "certified", start + renewed.certifies(**by) + renewed.subkey()
    yield "certified-by-other", start + renewed.certifies(by=revoker.key, created=MADE + 100) + renewed.subkey()
    yield "certified-wrongly", start + renewed.certifies(spoiled=True, **by) + renewed.subkey()
    yield "certified-for-a-year", start + renewed.certifies(subpackets=number(3, 365 * DAY), **by) + renewed.subkey()
    yield "certification-revoked", (start + renewed.certifies(**by)
                                    + renewed.certifies(kind=0x30, by=quin.key, created=MADE + 200) + renewed.subkey())
    yield "certified-other-user-id", start + renewed.names(other) + renewed.certifies(other, **by) + renewed.subkey()


if __name__ == "__main__":
    for file, octets in made():
        (HERE / f"{file}.pgp").write_bytes(octets)
