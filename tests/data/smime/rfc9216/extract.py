#!/usr/bin/python3
"""Writes the certificates and keys of RFC 9216 into this folder: extract.py rfc9216.txt"""

import pathlib
import re
import sys
import textwrap

NAMES = {
    "3.1": "ca-rsa.pem", "3.3": "ca-rsa-cross.pem", "4.3": "alice-encrypt.pem", "4.4": "alice-decrypt.key",
    "4.1": "alice-sign.pem", "4.2": "alice-sign.key", "4.5": "alice.p12.pem", "5.1": "bob-sign.pem",
    "5.3": "bob-encrypt.pem", "5.4": "bob-decrypt.key", "6.1": "ca-ed25519.pem", "6.3": "ca-ed25519-cross.pem",
    "7.1": "carlos-sign.pem", "7.3": "carlos-encrypt.pem", "7.4": "carlos-decrypt.key", "8.1": "dana-sign.pem",
    "8.3": "dana-encrypt.pem",
}

here = pathlib.Path(__file__).resolve().parent
text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8-sig")
# Page breaks stand inside some blocks.
text = re.sub(r"\n*\nGillmor +Informational +\[Page \d+\]\n\f\n.*\n\n*", "\n", text).replace("\f", "")
for section in re.split(r"\n(?=\d+\.\d+\.  )", text):
    number = section.split(".  ", 1)[0]
    block = re.search(r" *-----BEGIN .*?-----END [A-Z0-9 ]+-----\n", section, re.S)
    if number in NAMES and block:
        (here / NAMES[number]).write_text(textwrap.dedent(block.group()))
