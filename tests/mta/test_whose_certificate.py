"""Nobody's mail changes hands by an import: seen on the wire, by who can open it."""

import pytest

from conftest import ALICE, BOB
from support import messages
from support.gnupg import GnuPgError, GnuPgHome
from support.milter import Lockbox, Milter
from support.places import Folder, make_tls_certificate
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks

MALLORY = "mallory@elsewhere.test"


@pytest.fixture(params=["postfix", "sendmail"])
def mta(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def mallory_home():
    with GnuPgHome() as home:
        home.generate(f"Mallory <{MALLORY}>", faked_time="2025-01-01")
        yield home


@pytest.fixture
def mallory(lockbox, mallory_home):
    """Her fingerprint; the keyring is as it was afterwards."""
    fingerprint = mallory_home.fingerprint(MALLORY)
    yield fingerprint
    lockbox.run("remove", "--forget", "--yes", fingerprint, status=None)


def opened_by(mta, sink, sender, *homes):
    """Sends a message to Bob; which of the homes opens what arrives."""
    message = messages.plain(ALICE, [BOB])
    reply = mta.submit(sender, [BOB], message.octets)
    assert reply.code == 250, f"{reply}\n{mta.tail()}"
    delivery = sink.wait_for(sender, diagnosis=mta.tail)
    check_nothing_leaks(delivery.wire, message)
    armor = check_form(Delivered(delivery.content), message)
    openers = []
    for home in homes:
        try:
            home.decrypt(armor)
            openers.append(home)
        except GnuPgError:
            pass
    return openers


def test_an_update_takes_nobody_over(mta, sink, lockbox, home, mallory_home, mallory, sender):
    """Mallory adds Bob's address and a newer subkey to a certificate that is known."""
    lockbox.run("import", "-", input=mallory_home.export(mallory))
    mallory_home.add_user_id(mallory, f"Bob Example <{BOB}>")
    mallory_home.add_subkey(mallory)
    said = lockbox.run("import", "-", input=mallory_home.export(mallory), status=2).decode()
    assert mallory in said and home.fingerprint(BOB) in said and BOB in said, said
    assert opened_by(mta, sink, sender, home, mallory_home) == [home]

    # A person's word, and another one.
    lockbox.run("approve", BOB, mallory)
    assert opened_by(mta, sink, f"2{sender}", home, mallory_home) == [mallory_home]
    lockbox.run("approve", BOB, home.fingerprint(BOB))
    assert opened_by(mta, sink, f"3{sender}", home, mallory_home) == [home]


def test_another_certificate_takes_nobody_over(mta, sink, lockbox, home, sender):
    """A certificate of Mallory's that says it is Bob's, made later than his."""
    with GnuPgHome() as other:
        newer = other.generate(f"Bob Example <{BOB}>")
        assert lockbox.run("import", "-", input=other.export(newer), status=2)
        assert opened_by(mta, sink, sender, home, other) == [home]
        lockbox.run("reject", BOB, newer)
        lockbox.run("import", "-", input=other.export(newer))
        assert opened_by(mta, sink, f"2{sender}", home, other) == [home]
    lockbox.run("remove", "--forget", "--yes", newer)


def test_a_changed_certificate_waits_while_mail_is_deferred(sink, sender):
    """The old one is revoked, another one has come: the sender is told to try again, and a person decides."""
    with Folder() as folder, GnuPgHome() as old, GnuPgHome() as new:
        tls = make_tls_certificate(folder.path)
        first = old.generate(f"Bob Example <{BOB}>")
        second = new.generate(f"Bob Example <{BOB}>")
        lockbox = Lockbox(folder)
        lockbox.import_from(old, BOB)
        old.revoke(first)
        lockbox.import_from(old, first)
        lockbox.run("import", "-", input=new.export(second), status=2)
        with Milter(folder, lockbox, [("rule", "prefer")]) as milter, \
                Postfix(folder / "postfix", sink, milter.socket, tls) as postfix:
            reply = postfix.submit(sender, [BOB], messages.plain(ALICE, [BOB]).octets)
            assert reply.code == 451 and "waits for approval" in str(reply), reply
            lockbox.run("approve", BOB)
            assert opened_by(postfix, sink, sender, old, new) == [new]
