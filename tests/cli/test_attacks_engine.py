"""GnuPG that fails: nothing of what it has written until then counts. A program of ours stands in for gpg, in a name space of
its own, so that nobody else sees it."""

import os
import shutil
import stat
import subprocess

import pytest

from support.attacks import DAMAGED, NO_KEY, OPENED, PAYLOAD, SECRET, decrypt
from support.command import Command, Result
from support.mime import HEADER, pgp_mime

BOB = "bob@example.org"
BEGIN = "[GNUPG:] ENC_TO 0123456789ABCDEF 18 0\n[GNUPG:] BEGIN_DECRYPTION\n[GNUPG:] DECRYPTION_INFO 2 9 0\n"
TEXT = "[GNUPG:] PLAINTEXT 62 0 \n[GNUPG:] PLAINTEXT_LENGTH 100\n"
RIGHT = "[GNUPG:] DECRYPTION_OKAY\n[GNUPG:] GOODMDC\n"
END = "[GNUPG:] END_DECRYPTION\n"

# gpg as GPGME calls it: --status-fd N somewhere, the message as a file or on standard input, the plaintext on standard output.
STAND_IN = """#!/usr/bin/python3
import os, select, sys
arguments = sys.argv[1:]
if "--decrypt" not in arguments and "-d" not in arguments:
    os.execv({gpg!r}, ["gpg", *arguments])
status = int(arguments[arguments.index("--status-fd") + 1])
output = 1
if "--output" in arguments and arguments[arguments.index("--output") + 1] != "-":
    name = arguments[arguments.index("--output") + 1]
    output = int(name[2:]) if name.startswith("-&") else os.open(name, os.O_WRONLY | os.O_CREAT)
os.write(status, {before!r})
os.write(output, {plaintext!r})
os.write(status, {after!r})
{end}
"""


@pytest.fixture
def with_gpg(tmp_path, bob_home):
    """Runs `lockbox` on a message with a gpg that does as it is told."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("only who may mount can replace gpg")
    real, stand_in = tmp_path / "gpg.real", tmp_path / "gpg.stand-in"
    gpg = shutil.which("gpg")
    shutil.copy(gpg, real)
    command = Command(tmp_path, bob_home)
    small = command.file("message.eml", HEADER + pgp_mime(bob_home.encrypt(PAYLOAD, BOB)))

    def run(subcommand, before, after, end, message=small):
        stand_in.write_text(STAND_IN.format(gpg=str(real), before=before.encode(), plaintext=PAYLOAD, after=after.encode(),
                                            end=end), encoding="ascii")
        stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
        script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", stand_in, gpg, command.program, subcommand,
                               message], check=False, capture_output=True, timeout=60, env=command.environment())
        return Result(done.returncode, done.stdout, done.stderr)
    return run


def test_the_stand_in_itself(with_gpg):
    """What follows is refused for what it lacks, and not because the stand-in is wrong."""
    result = with_gpg("decrypt", BEGIN + TEXT, RIGHT + END, "sys.exit(0)")
    assert result.status == OPENED and SECRET in result.out, result


FAILURES = {
    "says that it failed": (BEGIN + TEXT, "[GNUPG:] DECRYPTION_FAILED\n" + END, "sys.exit(0)"),
    "says both": (BEGIN + TEXT, RIGHT + "[GNUPG:] DECRYPTION_FAILED\n" + END, "sys.exit(0)"),
    "a bad MDC": (BEGIN + TEXT, "[GNUPG:] BADMDC\n[GNUPG:] DECRYPTION_FAILED\n" + END, "sys.exit(2)"),
    "fails": (BEGIN + TEXT, "[GNUPG:] FAILURE gpg-exit 33554433\n", "sys.exit(2)"),
    "ends without a word": (BEGIN + TEXT, "", "sys.exit(0)"),
    "never says that all is well": (BEGIN + TEXT, END, "sys.exit(0)"),
    "is killed": (BEGIN + TEXT, "", "import signal; os.kill(os.getpid(), signal.SIGKILL)"),
    "two texts": (BEGIN + TEXT + TEXT, "[GNUPG:] ERROR proc_pkt.plaintext 89_BAD_DATA\n[GNUPG:] NODATA 4\n" + END, "sys.exit(2)"),
    "writes noise on status": (BEGIN + TEXT, "\0\x7f\n" * 5000, "sys.exit(1)"),
    "a text without decryption": ("", "[GNUPG:] GOODSIG 0123456789ABCDEF x\n", "sys.exit(0)"),
}


@pytest.mark.parametrize("before, after, end", FAILURES.values(), ids=FAILURES.keys())
def test_gpg_fails_behind_the_plaintext(with_gpg, before, after, end):
    """It has handed out the whole text when it finds that something is wrong: EFAIL's other half, for a mail program that had
    shown it by then."""
    result = with_gpg("decrypt", before, after, end)
    assert result.out == b"" and result.status not in (0, 1, 2), result
    assert "not opened" in result.err or "lockbox: error:" in result.err, result
    shown = with_gpg("read", before, after, end)
    assert SECRET not in shown.out and shown.status not in (0, 1, 2), shown


@pytest.fixture(scope="module")
def large(bob_home, tmp_path_factory):
    """More than the pipe to gpg holds."""
    path = tmp_path_factory.mktemp("large") / "large.eml"
    path.write_bytes(HEADER + pgp_mime(bob_home.encrypt(PAYLOAD + os.urandom(3 << 20), BOB)))
    return path


# The message comes through a pipe, whose other end tells when nothing more goes into it.
WHEN_FULL = """
pipe = os.open("/proc/self/fd/" + arguments[-1].removeprefix("-&"), os.O_WRONLY)
while select.select([], [pipe], [], 0)[1]:
    os.sched_yield()
sys.exit(2)
"""


@pytest.mark.parametrize("end", ["sys.exit(2)", "os.read(0, 10); sys.exit(2)", "os.kill(os.getpid(), 9)", WHEN_FULL],
                         ids=["at once", "after ten octets", "killed", "when the pipe is full"])
def test_gpg_ends_without_reading(with_gpg, large, end):
    """The pipe to it is full, and nobody is there any more who could empty it: not a reason to wait for ever."""
    result = with_gpg("decrypt", "", "", end, large)
    assert result.out == b"" and result.status not in (0, 1, 2), result


def test_clear_signed_text_that_gpg_does_not_read_to_its_end(lockbox):
    """The same, and here the sender decides: gpg gives up at the second line of this one."""
    message = lockbox.file("message.eml", HEADER + b"\n" + b"-----BEGIN PGP SIGNED MESSAGE-----\n" * 50_000)
    for subcommand in ("decrypt", "read"):
        done = subprocess.run([lockbox.program, subcommand, message], check=False, capture_output=True, timeout=20,
                              env=lockbox.environment())
        assert done.returncode in (0, 1, DAMAGED), done


def test_large_message_for_somebody_else(lockbox, carol_home):
    message = lockbox.file("message.eml", HEADER + pgp_mime(
        carol_home.encrypt(PAYLOAD + os.urandom(3 << 20), "carol@example.org")))
    done = subprocess.run([lockbox.program, "decrypt", message], check=False, capture_output=True, timeout=60,
                          env=lockbox.environment())
    assert (done.returncode, done.stdout) == (NO_KEY, b""), done


def test_home_that_is_not_there(tmp_path, bob_home):
    result = decrypt(Command(tmp_path), HEADER + pgp_mime(bob_home.encrypt(PAYLOAD, BOB)))
    assert result.out == b"" and result.status not in (0, 1, 2), result
