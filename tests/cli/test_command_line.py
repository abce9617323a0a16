"""What is true of every command: help, version, exit status, output that cannot be written, the manual page."""

import os
import pathlib
import re
import subprocess

import pytest

from support import places

COMMANDS = ["import", "list", "show", "export", "remove", "pending", "approve", "reject", "pin", "unpin",
            "expiring", "alias", "explain", "encrypt", "decrypt", "inspect"]
BOB = "bob@example.org"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_version(lockbox, command):
    for arguments in ([command, "--help"], ["help", command], [command, "-h"]):
        result = lockbox.run(*arguments)
        assert (result.status, result.err) == (0, "")
        assert result.text.startswith(f"Usage: lockbox {command} ")
    version = lockbox.run(command, "--version")
    assert version.status == 0 and re.match(r"lockbox \d+\.\d+\.\d+", version.text)
    assert version.out == lockbox.run("--version").out
    assert re.search(rf"^  {command}\b", lockbox.run("--help").text, re.MULTILINE)


@pytest.mark.parametrize("arguments", [[], ["lst"], ["list", "--bogus"], ["--bogus"], ["show"], ["encrypt"], ["list", "a", "b"]])
def test_wrong_command_line(lockbox, arguments):
    result = lockbox.run(*arguments)
    assert (result.status, result.out) == (64, b"")
    assert result.err.startswith("lockbox: error: ") and "\nlockbox: hint: " in result.err


def words_that_write(filled, bob_home):
    sealed = filled.file("sealed.eml", bob_home.encrypt(b"x" * 100, BOB))
    note = filled.file("note.eml", b"From: a@example.com\nTo: b@example.org\n\nx\n")
    return [["--help"], ["--version"], ["list"], ["list", "--json"], ["show", BOB], ["show", "--json", BOB],
            ["export", BOB], ["export", "--binary", BOB], ["import", filled.file("b.asc", bob_home.export(BOB))],
            ["explain", "--from", "a@example.com", "--to", BOB], ["encrypt", "--to", BOB, note], ["decrypt", sealed],
            ["inspect", sealed]]


def test_full_disk(filled, bob_home):
    for arguments in words_that_write(filled, bob_home):
        with open("/dev/full", "wb") as full:
            result = filled.run(*arguments, stdout=full)
        assert result.status == 74, (arguments, result)
        assert "lockbox: error: cannot write to standard output" in result.err


def test_closed_standard_output(filled, bob_home):
    for arguments in words_that_write(filled, bob_home):
        command = " ".join(["exec", filled.program, *map(str, arguments), ">&-"])
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                              env=filled.environment(), timeout=60)
        assert done.returncode == 74, (arguments, done)


def test_reader_that_is_gone(filled, bob_home):
    for arguments in words_that_write(filled, bob_home):
        read_end, write_end = os.pipe()
        os.close(read_end)
        try:
            result = filled.run(*arguments, stdout=write_end)
        finally:
            os.close(write_end)
        assert result.status == 74, (arguments, result)


def test_closed_standard_input_is_an_error(filled):
    done = subprocess.run(["sh", "-c", f"exec {filled.program} decrypt <&-"], capture_output=True, check=False,
                          env=filled.environment(), timeout=60)
    assert done.returncode == 74, done
    assert b"cannot read standard input" in done.stderr


def test_a_directory_as_standard_input(filled):
    done = subprocess.run(["sh", "-c", f"exec {filled.program} inspect < /"], capture_output=True, check=False,
                          env=filled.environment(), timeout=60)
    assert done.returncode == 74, done


def test_output_into_a_missing_directory(filled):
    target = filled.folder / "missing" / "sealed.eml"
    result = filled.run("encrypt", "--to", BOB, "--output", target, input=b"x")
    assert (result.status, result.out) == (74, b"")
    assert str(target) in result.err


def test_manual_page_has_every_command_and_option(lockbox):
    page = (places.SOURCE / "cli" / "lockbox.1").read_text(encoding="utf-8")
    text = page.replace("\\-", "-")
    for command in COMMANDS:
        assert re.search(rf"^\.It Ic {command}\b|^\.Ss .*{command}", text, re.MULTILINE), command
        for option in re.findall(r"--([a-z-]+)", lockbox.run(command, "--help").text):
            if option == "armor" or option == "import" or option == "export":
                continue  # gpg's, in an example
            assert f"Fl -{option}" in text, (command, option)
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(places.SOURCE / "cli" / "lockbox.1")],
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stdout.decode()


def test_bash_completion(tmp_path):
    """The words that bash offers, asked for as bash does it."""
    script = places.SOURCE / "contrib" / "completions" / "lockbox.bash"

    def offered(*words):
        line = " ".join(words)
        code = (f"source {script}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
                f"COMP_LINE={line!r}; COMP_POINT={len(line)}; _lockbox; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        return set(done.stdout.split())

    assert offered("lockbox", "") >= {*COMMANDS, "help"}
    assert offered("lockbox", "e") == {"export", "explain", "encrypt", "expiring"}
    assert offered("lockbox", "help", "im") == {"import"}
    for command in COMMANDS:
        help_text = subprocess.run([places.program("lockbox"), command, "--help"], capture_output=True, text=True,
                                   check=True).stdout
        options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", help_text, re.MULTILINE))
        assert options, command
        assert offered("lockbox", command, "--") >= options | {"--help", "--version", "--keyring", "--config"}, command
    assert offered("lockbox", "list", "--state", "") == {"active", "pending", "rejected", "former"}
    assert offered("lockbox", "list", "--sort", "") == {"expiry"}
    assert offered("lockbox", "alias", "") == {"add", "list", "remove"}
    assert offered("lockbox", "--keyring", "keyring.db", "alias", "r") == {"remove"}
    (tmp_path / "sealed.eml").write_text("x")
    assert offered("lockbox", "decrypt", "sea") == {"sealed.eml"}
    assert offered("lockbox", "--keyring", "sea") == {"sealed.eml"}
    assert offered("lockbox", "--keyring", "keyring.db", "li") == {"list"}


def test_zsh_completion_names_every_command():
    text = pathlib.Path(places.SOURCE / "contrib" / "completions" / "_lockbox").read_text(encoding="utf-8")
    assert text.startswith("#compdef lockbox\n")
    for command in COMMANDS:
        assert re.search(rf"^ +'{command}:", text, re.MULTILINE), command
        assert re.search(rf"^ +{command}\)|^ +[a-z|]*\b{command}\b[a-z|]*\)", text, re.MULTILINE), command
