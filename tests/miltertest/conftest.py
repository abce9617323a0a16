"""The milter alone, without a mail server, built with AddressSanitizer and UndefinedBehaviorSanitizer where
LOCKBOX_ASAN_BIN_DIR (build/asan/bin) has it."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import places  # noqa: E402
from support.gnupg import GnuPgHome  # noqa: E402
from support.milter import Lockbox, Milter  # noqa: E402
from support.miltertest_relay import MiltertestRelay  # noqa: E402

BOB = "bob@remote.test"
CAROL = "carol@remote.test"

SANITIZERS = {"ASAN_OPTIONS": "abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1",
              "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}


@pytest.fixture(scope="session")
def bin_dir():
    return places.ASAN_BIN if (places.ASAN_BIN / "lockbox-milter").exists() else places.BIN


@pytest.fixture(scope="session")
def home():
    with GnuPgHome() as home:
        home.generate(f"Bob Example <{BOB}>")
        home.generate(f"Carol Example <{CAROL}>", "rsa2048")
        yield home


@pytest.fixture(scope="session")
def folder():
    with places.Folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def lockbox(folder, home, bin_dir):
    lockbox = Lockbox(folder, bin_dir=bin_dir)
    lockbox.import_from(home, BOB, CAROL)
    return lockbox


class Milters:
    """One daemon for each set of settings that a test asks for."""

    def __init__(self, folder, lockbox, bin_dir):
        self._folder, self._lockbox, self._bin_dir = folder, lockbox, bin_dir
        self._running = {}
        self._relays = {}

    def with_settings(self, *settings):
        if settings not in self._running:
            milter = Milter(self._folder, self._lockbox, settings, self._bin_dir, f"milter{len(self._running)}",
                            {**os.environ, **SANITIZERS})
            milter.start()
            self._running[settings] = milter
        return self._running[settings]

    def relay_to(self, milter):
        if milter not in self._relays:
            self._relays[milter] = MiltertestRelay(self._folder / f"{milter.config.stem}.relay", milter.socket)
        return self._relays[milter]

    def stop(self):
        for relay in self._relays.values():
            relay.close()
        for milter in self._running.values():
            milter.stop()
            check_sanitizers(milter)


def check_sanitizers(milter):
    assert "Sanitizer" not in milter.text() and "runtime error" not in milter.text(), milter.text()


@pytest.fixture(scope="session")
def milters(folder, lockbox, bin_dir):
    milters = Milters(folder, lockbox, bin_dir)
    yield milters
    milters.stop()
