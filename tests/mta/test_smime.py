"""S/MIME beside OpenPGP: everybody gets the message in the protocol and the strength that fit them."""

import re

import pytest

from conftest import ALICE, BOB, Route
from support import messages
from support.milter import Lockbox, Milter
from support.places import Folder, free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks, check_payload, unfolded
from support.sendmail import Sendmail
from support.smime import SmimeKeys, check_smime_form
from support.waiting import wait_for

ERIN = "erin@remote.test"      # RSA, AES-256-CBC
FRANK = "frank@remote.test"    # P-256, known to read AES-256-GCM
GRACE = "grace@remote.test"    # RSA, hidden
HEIDI = "heidi@quiet.test"     # P-384, whose Subject is hidden by a rule


@pytest.fixture(scope="module")
def keys():
    with SmimeKeys() as keys:
        for address, algorithm in ((ERIN, "rsa2048"), (FRANK, "p256"), (GRACE, "rsa2048"), (HEIDI, "p384")):
            keys.make(address, algorithm)
        yield keys


@pytest.fixture(scope="module")
def own():
    with Folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def keyring(own, home, keys):
    lockbox = Lockbox(own)
    lockbox.import_from(home, BOB)
    for address in (ERIN, GRACE, HEIDI):
        lockbox.run("import", "--smime-ca", keys.authority, keys.certificate_of(address))
    lockbox.run("import", "--smime-ca", keys.authority, "--content-encryption", "gcm", keys.certificate_of(FRANK))
    return lockbox


@pytest.fixture(scope="module")
def revocations(own, keys):
    """The authority's list, with nobody on it yet."""
    path = own / "authority.crl"
    path.write_bytes(keys.revocation_list())
    path.chmod(0o644)
    return path


@pytest.fixture(scope="module", params=["postfix", "sendmail"])
def world(request, own, sink, keyring, tls, revocations):
    listener = free_endpoint()
    settings = [("reinject", "%s:%d" % listener), ("journal", keyring.folder / f"{request.param}.journal"),
                ("rule", "to=@quiet.test require hide-subject"), ("rule", "require"), ("smime-crl", revocations)]
    with Milter(own, keyring, settings, name=request.param) as milter:
        folder = own / f"mta-{request.param}"
        if request.param == "postfix":
            server = Postfix(folder, sink, milter.socket, tls, listener=listener)
        else:
            server = Sendmail(folder, sink, milter.socket, listener=listener)
        with server:
            yield server, milter


@pytest.fixture(params=["smtp", "sendmail"])
def route(request, world):
    server, _ = world
    return Route(f"{type(server).__name__.lower()}-{request.param}", server)


def copies(sink, sender, recipients, diagnosis):
    def came():
        deliveries = sink.from_sender(sender)
        return sum(len(delivery.addresses()) for delivery in deliveries) >= len(recipients) and deliveries
    deliveries = wait_for(came, lambda: f"{recipients} get theirs\n{diagnosis()}", 60)
    assert sorted(address for delivery in deliveries for address in delivery.addresses()) == sorted(recipients)
    return {address: delivery for delivery in deliveries for address in delivery.addresses()}


def check_smime(keys, delivery, message, address, smime_type, obscured=False):
    """The outside, and what `openssl cms` finds inside. Returns the CMS."""
    delivered = Delivered(delivery.content)
    cms = check_smime_form(delivered, smime_type)
    payload = keys.decrypt(cms, address)
    head, _, body = payload.partition(b"\r\n\r\n")
    assert body == message.delivered_body
    subject = unfolded(message.values("Subject")[0])
    assert b"\r\nSubject: " + subject + b"\r\n" in b"\r\n" + head
    assert b'hp="cipher"' in head
    shown = b"[...]" if obscured else subject
    assert delivered.values("Subject") == [b" " + shown]
    assert b"HP-Outer: Subject: " + shown in head
    readable = delivery.wire if obscured else delivery.wire.replace(subject, b"")
    check_nothing_leaks(readable, message)
    return cms


def recipients_in(keys, cms):
    return len(re.findall(r"d\.(?:ktri|kari):", keys.structure(cms)))


def test_each_in_the_protocol_that_fits(route, sink, home, keys, sender):
    """An OpenPGP user, an RSA one, a P-256 one with GCM, and a hidden one: four copies, opened by other programs."""
    message = messages.plain(ALICE, [BOB, ERIN, FRANK])
    everybody = [BOB, ERIN, FRANK, GRACE]
    route.send(message, sender, everybody)
    came = copies(sink, sender, everybody, route.server.tail)
    assert len({delivery.wire for delivery in came.values()}) == 4
    delivered = Delivered(came[BOB].content)
    check_payload(home.decrypt(check_form(delivered, message)), message, delivered)
    for address, smime_type in ((ERIN, b"enveloped-data"), (FRANK, b"authEnveloped-data"), (GRACE, b"enveloped-data")):
        cms = check_smime(keys, came[address], message, address, smime_type)
        assert recipients_in(keys, cms) == 1, "somebody else shows in it"


def test_the_subject_is_hidden_where_a_rule_asks_for_it(route, sink, keys, sender):
    message = messages.plain(ALICE, [HEIDI])
    route.send(message, sender, [HEIDI])
    came = copies(sink, sender, [HEIDI], route.server.tail)
    check_smime(keys, came[HEIDI], message, HEIDI, b"enveloped-data", obscured=True)


@pytest.mark.parametrize("shape", [messages.no_mime_headers, messages.latin_1, messages.utf_8_without_mime,
                                   messages.folded_fields, messages.empty_body, messages.without_final_line_end,
                                   messages.dots_and_froms, messages.nul_bytes],
                         ids=lambda shape: shape.__name__)
def test_every_shape(route, sink, keys, sender, shape):
    message = shape(ALICE, [HEIDI])
    route.send(message, sender, [HEIDI])
    came = copies(sink, sender, [HEIDI], route.server.tail)
    cms = check_smime_form(Delivered(came[HEIDI].content), b"enveloped-data")
    _, _, body = keys.decrypt(cms, HEIDI).partition(b"\r\n\r\n")
    assert body == message.delivered_body


def test_what_is_sealed_with_smime_already_passes(world, sink, keys, sender):
    """Judged by what is in it: as application/octet-stream, too."""
    server, _ = world
    first = messages.plain(ALICE, [HEIDI])
    Route("postfix-smtp", server).send(first, sender, [HEIDI])
    sealed = copies(sink, sender, [HEIDI], server.tail)[HEIDI].content
    again = f"again-{sender}"
    assert server.submit(again, [HEIDI], sealed).code == 250
    came = copies(sink, again, [HEIDI], server.tail)
    assert Delivered(came[HEIDI].content).body == Delivered(sealed).body


def test_the_log_names_the_protocols(world, sink, sender):
    server, milter = world
    message = messages.plain(ALICE, [BOB, ERIN])
    assert server.submit(sender, [BOB, ERIN], message.octets).code == 250
    copies(sink, sender, [BOB, ERIN], server.tail)
    assert any('protocol="openpgp smime"' in line for line in milter.lines(": sealed, copies=2"))


def test_a_list_of_revoked_certificates_is_noticed(world, sink, keys, sender, revocations):
    """At the next message after the list has changed, without a reload; and when it is right again, too."""
    server, milter = world
    message = messages.plain(ALICE, [ERIN])
    replacement = revocations.with_suffix(".new")
    replacement.write_bytes(keys.revocation_list(ERIN))
    replacement.chmod(0o644)
    replacement.rename(revocations)
    refused = server.submit(sender, [ERIN], message.octets)
    assert refused.code == 550, f"{refused}\n{milter.text()}"
    assert f"<{ERIN}>: certificate revoked" in refused.words
    assert sink.from_sender(sender) == []

    revocations.write_bytes(b"no list at all")  # what was read before still holds
    assert server.submit(sender, [ERIN], message.octets).code == 550
    replacement.write_bytes(keys.revocation_list())
    replacement.chmod(0o644)
    replacement.rename(revocations)
    assert server.submit(sender, [ERIN], message.octets).code == 250
    copies(sink, sender, [ERIN], server.tail)
