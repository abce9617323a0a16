"""RFC 9788, Appendix D (composition) and E (rendering): payloads that the RFC prints without sealing them, sealed here in OpenPGP by gpg and in
S/MIME by openssl, as the RFC says: signed, and that encrypted. What they open to is printed there, too."""

import pytest

from support import cms
from support.attacks import read
from support.command import Command
from support.gnupg import GnuPgHome
from support.mime import pgp_mime, smime
from support.smime import SmimeKeys

ALICE = "alice@example.net"
BOB = "bob@example.net"

# The texts of D.1.1 and D.2.1; the RFC's "-- " has lost its space on paper.
D_1_TEXT = """\
Please review and approve or decline by Thursday, it's critical!

Thanks,
Bob

--\x20
Bob Gonzalez
ACME, Inc.
"""
D_2_TEXT = """\
On Wed, 11 Jan 2023 16:08:43 -0500, Bob wrote:

> Please review and approve or decline by Thursday,
> it's critical!

I'll get right on it, Bob!

Regards,
Alice

--\x20
Alice Jenkins
ACME, Inc.
"""
D_1_FIELDS = """\
Date: Wed, 11 Jan 2023 16:08:43 -0500
From: Bob <bob@example.net>
To: Alice <alice@example.net>
Subject: {subject}
Message-ID: <20230111T210843Z.1234@lhp.example>
"""
D_2_FIELDS = """\
Date: Wed, 11 Jan 2023 16:48:22 -0500
From: Alice <alice@example.net>
To: Bob <bob@example.net>
Subject: {subject}
Message-ID: <20230111T214822Z.5678@lhp.example>
In-Reply-To: <20230111T210843Z.1234@lhp.example>
References: <20230111T210843Z.1234@lhp.example>
"""


def composed(fields, subject, outer_subject, text):
    """The payload (D.1.2.1, D.2.2.1), the outer header section (D.1.2.2, D.2.2.2) without what describes the sealed form, and the
    message without cryptography (D.1.1, D.2.1)."""
    inside, outside = fields.format(subject=subject), fields.format(subject=outer_subject)
    hp_outer = "".join(f"HP-Outer: {line}\n" for line in outside.splitlines())
    payload = (f'{inside}Content-Type: text/plain; charset="us-ascii"; hp-legacy-display="1";\n hp="cipher"\nMIME-Version: 1.0\n'
               f"{hp_outer}\nSubject: {subject}\n\n{text}")
    return payload, outside + "MIME-Version: 1.0\n", f'{inside}Content-Type: text/plain; charset="us-ascii"\nMIME-Version: 1.0\n\n{text}'


D_1 = composed(D_1_FIELDS, "Handling the Jones contract", "[...]", D_1_TEXT)
D_2 = composed(D_2_FIELDS, "Re: Handling the Jones contract", "Re: [...]", D_2_TEXT)
E_HEADER = """\
Date: Fri, 21 Jan 2022 20:40:48 -0500
From: Alice <alice@example.net>
To: Bob <bob@example.net>
Subject: {subject}
Message-ID: <text-{kind}-legacy-display@lhp.example>
MIME-Version: 1.0
"""
E_PAYLOAD = E_HEADER + """\
Content-Type: text/{kind}; charset="us-ascii"; hp-legacy-display="1";
 hp="cipher"
HP-Outer: Date: Fri, 21 Jan 2022 20:40:48 -0500
HP-Outer: From: Alice <alice@example.net>
HP-Outer: To: Bob <bob@example.net>
HP-Outer: Subject: [...]
HP-Outer: Message-ID: <text-{kind}-legacy-display@lhp.example>

"""
E_BODIES = {"plain": """\
Subject: Dinner plans

Let's meet at Rama's Roti Shop at 8pm and go to the park
from there.
""", "html": """\
<html><head><title></title></head><body>
<div class="header-protection-legacy-display">
<pre>Subject: Dinner plans</pre>
</div>
<p>
Let's meet at Rama's Roti Shop at 8pm and go to the park
from there.
</p>
</body>
</html>
"""}


@pytest.fixture(scope="module")
def home():
    with GnuPgHome() as gnupg:
        for name, address in (("Alice", ALICE), ("Bob", BOB)):
            gnupg.generate(f"{name} <{address}>")
        yield gnupg


@pytest.fixture(scope="module")
def keys():
    with SmimeKeys() as made:
        for address in (ALICE, BOB):
            made.make(address, "rsa2048")
        yield made


@pytest.fixture(params=["openpgp", "smime"])
def opening(request, home, keys, tmp_path):
    """Seals an entity from one to the other, and gives what `lockbox` needs to open it."""
    command = Command(tmp_path, home)

    def sealed(outer, payload, sender, recipient):
        entity = payload.replace("\n", "\r\n").encode()
        if request.param == "openpgp":
            armor = home.run("--armor", "--local-user", sender, "--recipient", recipient, "--sign", "--encrypt", input=entity)
            return outer.encode() + pgp_mime(armor), []
        signed = cms.openssl("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", keys.certificate_of(sender), "-inkey",
                             keys.key_of(sender), input=entity)
        inside = smime(signed, b"signed-data").replace(b"\n", b"\r\n")
        envelope = cms.openssl("cms", "-encrypt", "-binary", "-outform", "DER", "-aes-256-cbc", keys.certificate_of(recipient), input=inside)
        key = command.file("key.pem", keys.key_of(recipient).read_bytes() + keys.certificate_of(recipient).read_bytes())
        return outer.encode() + smime(envelope), ["--key", key, "--smime-ca", keys.authority]

    sealed.command = command
    return sealed


@pytest.mark.parametrize("example, sender, recipient", [(D_1, BOB, ALICE), (D_2, ALICE, BOB)], ids=["D.1", "D.2"])
def test_opened_it_is_the_message_without_cryptography(opening, example, sender, recipient):
    payload, outer, unprotected = example
    message, options = opening(outer, payload, sender, recipient)
    result = opening.command.run("decrypt", *options, "-", input=message)
    assert result.status == 0, result
    head, _, body = result.out.decode().partition("\n\n")
    expected_head, _, expected_body = unprotected.partition("\n\n")
    assert sorted(head.splitlines()) == sorted(expected_head.splitlines())
    assert body == expected_body
    shown = read(opening.command, message, "--json", *options).json
    assert [entry["is_of_sender"] for entry in shown["signatures"]] == [True]


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_legacy_display_element_is_not_shown(opening, kind):
    outer = E_HEADER.format(subject="[...]", kind=kind)
    message, options = opening(outer, E_PAYLOAD.format(subject="Dinner plans", kind=kind) + E_BODIES[kind], ALICE, BOB)
    shown = read(opening.command, message, "--json", *options).json
    assert shown["header"]["subject"] == "Dinner plans"
    text = "Let's meet at Rama's Roti Shop at 8pm and go to the park\nfrom there."
    assert [" ".join(entry["text"].split()) for entry in shown["texts"]] == [" ".join(text.split())]
