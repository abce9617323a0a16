"""Every shape of message, on every way in: what leaves is sealed, and what is opened is what was sent."""

import re

import pytest

from conftest import ALICE, BOB, CAROL
from support import messages
from support.sealed import (Delivered, check_form, check_nothing_leaks, check_payload, open_with_rnp, open_with_sq,
                            unfolded)


@pytest.fixture(scope="module")
def secret_key(home, folder):
    path = folder / "bob-secret.asc"
    path.write_bytes(home.export_secret(BOB))
    return path


@pytest.fixture(scope="module")
def others(folder):
    return folder.make("others")


def build(shape, home, recipients=(BOB,)):
    return shape(ALICE, list(recipients), *([home] if shape in messages.SHAPES_WITH_HOME else []))


def deliver(route, sink, message, sender, recipients=(BOB,)):
    route.send(message, sender, list(recipients))
    return sink.wait_for(sender, diagnosis=route.server.tail)


@pytest.mark.parametrize("shape", messages.SHAPES + [messages.signed, messages.text_beside_armor,
                                                      messages.text_beside_mixed_up],
                         ids=lambda shape: shape.__name__)
def test_is_sealed(route, sink, home, sender, shape, secret_key, others):
    message = build(shape, home)
    delivery = deliver(route, sink, message, sender)

    assert delivery.tls, "the outer box is missing"
    assert delivery.addresses() == [BOB]
    check_nothing_leaks(delivery.wire, message)
    delivered = Delivered(delivery.content)
    armor = check_form(delivered, message)
    payload = home.decrypt(armor)
    check_payload(payload, message, delivered)
    if route.name == "postfix-smtp":
        assert open_with_sq(armor, secret_key, others) == payload
        assert open_with_rnp(armor, secret_key, others) == payload


@pytest.mark.parametrize("shape", [messages.openpgp_mime, messages.with_wrong_checksum, messages.mixed_up_by_exchange,
                                   messages.openpgp_inline, messages.openpgp_file], ids=lambda shape: shape.__name__)
def test_already_sealed_passes_untouched(route, sink, home, sender, shape):
    message = build(shape, home)
    check_untouched(Delivered(deliver(route, sink, message, sender).content), message)


def test_smime_passes_untouched(route, sink, sender, tls):
    message = messages.smime_enveloped(ALICE, [BOB], tls[0])
    check_untouched(Delivered(deliver(route, sink, message, sender).content), message)


def check_untouched(delivered, message):
    assert delivered.body == message.delivered_body
    for name, value in message.fields:
        assert unfolded(value) in map(unfolded, delivered.values(name.decode()))
    assert len(delivered.values("Content-Type")) == 1


def test_signature_still_verifies_inside(route, sink, home, sender, others):
    """RFC 3156 §6.1: signed, then sealed, by two different hands."""
    message = messages.signed(ALICE, [BOB], home)
    delivered = Delivered(deliver(route, sink, message, sender).content)
    payload = home.decrypt(check_form(delivered, message))
    _, entity, signature, _ = payload.split(b"\r\n\r\n", 1)[1].join([b"\r\n", b""]).split(b"\r\n--=_signed")
    (others / "entity").write_bytes(entity[2:])
    (others / "signature").write_bytes(signature.split(b"\r\n\r\n", 1)[1])
    _, said = home.run_for_both("--verify", str(others / "signature"), str(others / "entity"))
    assert "Good signature" in said


def test_two_recipients_read_the_same_copy(route, sink, home, sender):
    message = messages.plain(ALICE, [BOB, CAROL])
    delivery = deliver(route, sink, message, sender, [BOB, CAROL])
    assert sorted(delivery.addresses()) == [BOB, CAROL]
    armor = check_form(Delivered(delivery.content), message)
    packets = home.run("--list-packets", "--list-only", input=armor).decode()
    assert packets.count(":pubkey enc packet:") == 2


def test_form_of_the_encryption(postfix, sink, home, sender):
    """One PKESK, SEIPD of version 1, AES-256, nothing compressed, no file name (FACTS: what every reader can open)."""
    message = messages.plain(ALICE, [BOB])
    postfix.submit(sender, [BOB], message.octets)
    armor = check_form(Delivered(sink.wait_for(sender, diagnosis=postfix.tail).content), message)
    packets = home.run("--list-packets", input=armor).decode()
    assert packets.count(":pubkey enc packet: version 3") == 1
    assert "mdc_method: 2" in packets
    assert ":compressed packet:" not in packets
    assert re.search(r":literal data packet:\s+mode b .*name=\"\"", packets)
    assert home.session_key(armor).startswith("9:")


def test_wide_characters_in_the_sender_survive(postfix, sink, home, sender):
    """SMTPUTF8 stays needed where the outer header section is not ASCII (RFC 6531)."""
    message = messages.plain(ALICE, [BOB])
    message.fields[0] = (b"From", " Älice Éxample <alice@example.org>".encode())
    reply = postfix.submit(sender, [BOB], message.octets, " SMTPUTF8")
    assert reply.code == 250
    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    delivered = Delivered(delivery.content)
    assert unfolded(delivered.values("From")[0]) == "Älice Éxample <alice@example.org>".encode()
    payload = home.decrypt(check_form(delivered, message))
    assert payload.endswith(b"\r\n\r\n" + message.delivered_body)


def test_fifty_megabytes(postfix, sink, home, sender):
    message = messages.attachment(ALICE, [BOB], 50_000_000)
    reply = postfix.submit(sender, [BOB], message.octets)
    assert reply.code == 250, f"{reply}\n{postfix.tail()}"
    delivery = sink.wait_for(sender, 300, diagnosis=postfix.tail)
    check_nothing_leaks(delivery.wire, message)
    delivered = Delivered(delivery.content)
    check_payload(home.decrypt(check_form(delivered, message)), message, delivered)


def test_many_messages_on_one_connection(postfix, sink, home):
    """Nothing of one message gets into the next; session keys are random and never repeat."""
    count = 200
    sent = {}
    with postfix.client() as client:
        for number in range(count):
            sender = f"series+{number}@example.org"
            message = messages.plain(ALICE, [BOB])
            reply = client.submit(sender, [BOB], message.octets)
            assert reply.code == 250, f"{reply}\n{postfix.tail()}"
            sent[sender] = message
    keys = set()
    for sender, message in sent.items():
        armor = check_form(Delivered(sink.wait_for(sender, diagnosis=postfix.tail).content), message)
        algorithm, key = home.session_key(armor).split(":")
        assert algorithm == "9" and len(key) == 64
        assert len(set(bytes.fromhex(key))) > 8, "that is not random"
        keys.add(key)
    assert len(keys) == count


def test_log_line(postfix, milter, sink, home, sender):
    message = messages.plain(ALICE, [BOB])
    reply = postfix.submit(sender, [BOB], message.octets)
    queue_id = re.search(r"queued as (\S+)", reply.text).group(1)
    line = milter.line_of(queue_id)
    assert re.search(rf" {queue_id}: sealed, copies=1, protocol=openpgp, ", line, re.IGNORECASE), line
    assert home.fingerprint(BOB).lower() in line.lower()
    assert re.search(r", tls=none, ms=[0-9]+", line)
    sink.wait_for(sender, diagnosis=postfix.tail)


def test_log_line_of_a_tls_client(postfix, milter, sender):
    message = messages.plain(ALICE, [BOB])
    with postfix.client() as client:
        assert client.starttls().code == 220
        reply = client.submit(sender, [BOB], message.octets)
    queue_id = re.search(r"queued as (\S+)", reply.text).group(1)
    assert "tls=TLSv1.3" in milter.line_of(queue_id)


def test_log_never_has_content(milter):
    """All that this module has sent carried a marker in subject, body and file names."""
    assert milter.lines("sealed"), "nothing was logged"
    assert "marker" not in milter.text()
    assert "example.org" not in "\n".join(milter.lines(": sealed"))


def test_everything_was_sealed(sink):
    """The last word: no message of this module that had to be sealed shows its marker anywhere on the wire."""
    assert b"marker" not in sink.everything()
