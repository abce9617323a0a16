"""CMS that `openssl cms` does not make: SignedData with any signed attributes, from RFC 5652 and openssl's signatures."""

import base64
import hashlib

from support.smime import openssl

SIGNED_DATA, DATA = "2a864886f70d010702", "2a864886f70d010701"
CONTENT_TYPE, MESSAGE_DIGEST = "2a864886f70d010903", "2a864886f70d010904"
SMIME_CAPABILITIES, ENCRYPTION_KEY_PREFERENCE = "2a864886f70d01090f", "2a864886f70d010910020b"
SIGNING_TIME = "2a864886f70d010905"
SHA256, RSA = "608648016503040201", "2a864886f70d010101"
AES_128_CBC, AES_256_CBC = "608648016503040102", "60864801650304012a"
AES_128_GCM, AES_256_GCM = "608648016503040106", "60864801650304012e"


def tlv(tag, *contents):
    octets = b"".join(contents)
    size = len(octets)
    if size < 0x80:
        return bytes([tag, size]) + octets
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + octets


def sequence(*contents):
    return tlv(0x30, *contents)


def oid(digits):
    return tlv(0x06, bytes.fromhex(digits))


def attribute(kind, value):
    return sequence(oid(kind), tlv(0x31, value))


def capabilities(*algorithms):
    """RFC 8551 §2.5.2."""
    return attribute(SMIME_CAPABILITIES, sequence(*[sequence(oid(algorithm)) for algorithm in algorithms]))


def signing_time(utc):
    """RFC 5652 §11.3: "260301120000Z"."""
    return attribute(SIGNING_TIME, tlv(0x17, utc.encode()))


def encryption_key_preference(certificate):
    """RFC 8551 §2.5.3: `[0] issuerAndSerialNumber`; the module's tags are implicit."""
    return attribute(ENCRYPTION_KEY_PREFERENCE, b"\xa0" + issuer_and_serial(certificate)[1:])


def der(certificate):
    return openssl("x509", "-in", certificate, "-outform", "DER")


def split(octets):
    """The elements of DER, whole."""
    while octets:
        length, begin = octets[1], 2
        if length >= 0x80:
            begin += length & 0x7f
            length = int.from_bytes(octets[2:begin], "big")
        yield octets[:begin + length]
        octets = octets[begin + length:]


def contents(element):
    begin = 2 + (element[1] & 0x7f if element[1] >= 0x80 else 0)
    return element[begin:]


def issuer_and_serial(certificate):
    fields = list(split(contents(next(split(contents(der(certificate)))))))
    serial, issuer = fields[1], fields[3]  # behind [0] version, and around the signature's algorithm
    return sequence(issuer, serial)


def signed_data(payload, signer, key, *attributes, certificates=()):
    """SignedData around the payload with SHA-256 and RSA, in DER; the signer's certificate goes first."""
    attributes = [attribute(CONTENT_TYPE, oid(DATA)), attribute(MESSAGE_DIGEST, tlv(0x04, hashlib.sha256(payload).digest())),
                  *attributes]
    octets = b"".join(sorted(attributes))  # a SET OF in DER
    signature = openssl("dgst", "-sha256", "-sign", key, input=tlv(0x31, octets))
    digest = sequence(oid(SHA256))
    signer_info = sequence(tlv(0x02, b"\1"), issuer_and_serial(signer), digest, tlv(0xa0, octets),
                           sequence(oid(RSA), tlv(0x05)), tlv(0x04, signature))
    content = sequence(oid(DATA), tlv(0xa0, tlv(0x04, payload)))
    every = b"".join([der(signer), *map(der, certificates)])
    return sequence(oid(SIGNED_DATA), tlv(0xa0, sequence(
        tlv(0x02, b"\1"), tlv(0x31, digest), content, tlv(0xa0, every), tlv(0x31, signer_info))))


def as_signed_message(cms, sender):
    """RFC 8551 §3.5.2."""
    return (b"From: " + sender.encode() + b"\nTo: admin@example.net\nSubject: signed\nMIME-Version: 1.0\n"
            b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\n"
            b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(cms))
