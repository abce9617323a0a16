"""lockbox explain with real certificates."""

import re

import pytest

from support.gnupg import GnuPgHome

ALICE = "alice@example.com"
BOB = "bob@example.org"
CAROL = "carol@example.org"


def explain(lockbox, *arguments, config=""):
    path = lockbox.file("lockbox.conf", config)
    return lockbox.run("explain", "--config", path, "--from", ALICE, *arguments)


@pytest.mark.parametrize("rule, recipient, status, words", [
    ("require", BOB, 0, "Outcome      deliver"),
    ("require", "dave@example.org", 67, "Outcome      refuse"),
    ("require defer", "dave@example.org", 67, "Outcome      defer"),
    ("prefer", BOB, 0, "Outcome      deliver"),
    ("prefer", "dave@example.org", 0, "Outcome      pass"),
    ("never", BOB, 0, "Outcome      pass")])
def test_rules(filled, rule, recipient, status, words):
    result = explain(filled, "--to", recipient, config=f"rule = to=@nowhere.example never\nrule = to=@example.org {rule}\n")
    assert result.status == status, result
    assert words in result.text
    assert f"2: to=@example.org {rule}" in result.text


def test_the_plan(filled, bob_home, carol_home):
    message = filled.file("note.eml", f"From: {ALICE}\nTo: {BOB}, {CAROL}\nSubject: x\n\nx\n")
    result = explain(filled, "--to", BOB, "--to", CAROL, "--json", message, config="rule = require\n")
    assert result.status == 0, result
    plan = result.json
    assert plan["outcome"] == "deliver" and plan["in_scope"] is True
    assert [(recipient["address"], recipient["certificate"]) for recipient in plan["recipients"]] == \
        [(BOB, bob_home.fingerprint(BOB)), (CAROL, carol_home.fingerprint(CAROL))]
    assert len(plan["copies"]) == 1
    assert sorted(plan["copies"][0]["certificates"]) == sorted([bob_home.fingerprint(BOB), carol_home.fingerprint(CAROL)])


def test_several_copies_are_deferred(filled):
    result = explain(filled, "--to", BOB, "--to", "dave@example.org")
    assert result.status == 75
    assert "Copy 2" in result.text and "Outcome      defer" in result.text
    # A recipient whom the header does not name: a blind copy.
    message = filled.file("note.eml", f"From: {ALICE}\nTo: {BOB}\nSubject: x\n\nx\n")
    assert explain(filled, "--to", BOB, "--to", CAROL, message).status == 75


def test_a_revoked_certificate_is_no_reason_to_send_in_clear(filled):
    with GnuPgHome() as other:
        fingerprint = other.generate("Eve <eve@example.org>")
        filled.import_from(other, "eve@example.org")
        assert explain(filled, "--to", "eve@example.org").status == 0
        other.revoke(fingerprint)
        filled.import_from(other, "eve@example.org")
    result = explain(filled, "--to", "eve@example.org", config="rule = prefer\n")
    assert result.status == 67, result
    assert "revoked" in result.text and "Outcome      refuse" in result.text


def test_another_certificate_waits(filled, bob_home):
    with GnuPgHome() as other:
        newer = other.generate("Bob tomorrow <bob@example.org>")
        filled.import_from(other, BOB, status=2)
    result = explain(filled, "--to", BOB)
    assert result.status == 0, result
    assert f"to openpgp {bob_home.fingerprint(BOB)}, the only certificate" in result.text
    assert re.search(rf"passed over\s+{newer}: waits for approval", result.text)
    assert f"`lockbox approve {BOB} {newer}`" in result.text
    recipient = explain(filled, "--to", BOB, "--json").json["recipients"][0]
    assert (recipient["pending"], recipient["trust"], recipient["pinned"]) == ([newer], "manual", False)


def test_an_address_that_a_certificate_has_no_more(filled):
    """A User ID that its owner has revoked: still no reason to send in clear."""
    with GnuPgHome() as other:
        fingerprint = other.generate("Eve <eve@example.org>")
        other.add_user_id(fingerprint, "Eve <eve@work.example>")
        filled.import_from(other, fingerprint)
        other.run("--quick-revoke-uid", fingerprint, "Eve <eve@work.example>")
        filled.import_from(other, fingerprint)
    assert explain(filled, "--to", "eve@example.org").status == 0
    assert explain(filled, "--to", "eve@work.example").status == 67
    listing = filled.run("list", "eve@work.example")
    assert (listing.status, len(listing.text.splitlines())) == (0, 2), listing
    assert "revoked" in listing.text


def test_sealed_already(filled, bob_home):
    message = filled.file("sealed.eml", b"From: a@example.com\nSubject: x\n\n" + bob_home.encrypt(b"x", BOB))
    result = explain(filled, "--to", "dave@example.org", message, config="rule = require\n")
    assert result.status == 0, result
    assert "already sealed" in result.text


def test_wrong_configuration(filled):
    result = explain(filled, "--to", BOB, config="rule = require\nrule = demand\n")
    assert (result.status, result.out) == (78, b""), result
    assert "lockbox.conf:2:" in result.err
