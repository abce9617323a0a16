"""Fixtures: real mail servers with the milter attached, each private to this run. conftest of the end-to-end suites."""

import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.gnupg import GnuPgHome  # noqa: E402
from support.milter import Lockbox, Milter  # noqa: E402
from support.places import Folder, make_tls_certificate  # noqa: E402
from support.postfix import Postfix  # noqa: E402
from support.sendmail import Sendmail  # noqa: E402
from support.smtp_sink import SmtpSink  # noqa: E402

ALICE = "alice@example.org"
BOB = "bob@remote.test"        # Curve25519
CAROL = "carol@remote.test"    # RSA
DAVE = "dave@remote.test"      # no certificate at all

REQUIRE = [("rule", "to=@remote.test require")]

_count = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    if items and os.geteuid() != 0:
        pytest.exit("private mail servers need root: tests/run.sh uses sudo", returncode=1)
    for item in items:
        # Tests of one file and one entrance share their mail servers; with pytest-xdist they stay on one worker.
        entrance = getattr(item, "callspec", None) and item.callspec.params.get("entrance")
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {entrance or ''}"))


@pytest.fixture
def sender():
    """A reverse-path that no other message has: it finds the message in sink, queue and log."""
    return f"alice+{next(_count)}@example.org"


@pytest.fixture(scope="session")
def home():
    """Everybody's keys in one GnuPG home: it signs for Alice and opens for the others."""
    with GnuPgHome() as home:
        home.generate(f"Alice Example <{ALICE}>")
        home.generate(f"Bob Example <{BOB}>")
        home.generate(f"Carol Example <{CAROL}>", "rsa2048")
        yield home


@pytest.fixture(scope="module")
def folder():
    with Folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def tls(folder):
    return make_tls_certificate(folder.path)


@pytest.fixture(scope="module")
def sink(tls):
    with SmtpSink(tls) as sink:
        yield sink


@pytest.fixture(scope="module")
def lockbox(folder, home):
    lockbox = Lockbox(folder)
    lockbox.import_from(home, BOB, CAROL)
    return lockbox


@pytest.fixture(scope="module")
def milter(folder, lockbox):
    with Milter(folder, lockbox, REQUIRE) as milter:
        yield milter


@pytest.fixture(scope="module")
def postfix(folder, sink, milter, tls):
    with Postfix(folder / "postfix", sink, milter.socket, tls) as postfix:
        yield postfix


@pytest.fixture(scope="module")
def sendmail(folder, sink, milter):
    with Sendmail(folder / "sendmail", sink, milter.socket) as sendmail:
        yield sendmail


class Route:
    """One of the four ways in: a mail server, over SMTP or through its sendmail(1)."""

    def __init__(self, name, server):
        self.name = name
        self.server = server
        self.over_smtp = name.endswith("smtp")
        # Debian's Sendmail is built without SMTPUTF8 (RFC 6531): it passes 8-bit header fields on as they are.
        self.knows_smtputf8 = name.startswith("postfix")

    def send(self, message, sender, recipients):
        if self.over_smtp:
            parameters = message.parameters if self.knows_smtputf8 else message.parameters.replace(" SMTPUTF8", "")
            reply = self.server.submit(sender, recipients, message.octets, parameters)
            assert reply.code == 250, f"{reply}\n{self.server.tail()}"
        else:
            done = self.server.sendmail(sender, recipients, message.local())
            assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="module", params=["postfix-smtp", "postfix-sendmail", "sendmail-smtp", "sendmail-sendmail"])
def route(request):
    server = request.getfixturevalue(request.param.split("-")[0])
    return Route(request.param, server)
