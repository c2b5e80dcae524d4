"""Ways to reach a server around butfor: each is a piece of Python that sends its own name."""

NAMES = "HOST, PORT, UDP, UNIX, ABSTRACT, NAME"
"""What a way finds: addresses of one server by TCP, UDP and both sorts of Unix sockets, and its own name."""

_RAW = 'b"POST /" + NAME.encode() + b" HTTP/1.0\\r\\ncontent-length: 0\\r\\n\\r\\n"'
_CHILD = (
    "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2); "
    "s.sendall(b'POST /' + sys.argv[3].encode() + b' HTTP/1.0\\r\\n\\r\\n'); s.recv(9)"
)
_RUN = "import subprocess, sys; subprocess.run({command}, timeout=5, {more})"
_CONNECT = """
import ctypes, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket()
at = struct.pack("=HH", socket.AF_INET, socket.htons(PORT)) + socket.inet_aton(HOST) + bytes(8)
assert {connect} == 0
s.sendall({raw}); s.recv(9)
"""


def _python(*flags: str, more: str = "") -> str:
    command = f"[sys.executable, {', '.join(map(repr, (*flags, '-c', _CHILD)))}, HOST, str(PORT), NAME]"
    return _RUN.format(command=command, more=more)


def _tcp(host: str, family: str = "AF_INET") -> str:
    return (
        f"import socket; s = socket.socket(socket.{family}); s.settimeout(2); s.connect(({host!r}, PORT)); "
        f"s.sendall({_RAW}); s.recv(9)"
    )


def _program(*command: str) -> str:
    parts = ", ".join(f'f"{part}"' for part in command)
    return _RUN.format(command=f"[{parts}]", more="check=True, stdout=subprocess.DEVNULL")


WAYS = {
    "socket": _tcp("127.0.0.1"),
    "localhost": _tcp("localhost"),
    "other-loopback": _tcp("127.0.0.2"),
    "any-address": _tcp("0.0.0.0"),
    "short-address": _tcp("127.1"),
    "mapped-address": _tcp("::ffff:127.0.0.1", "AF_INET6"),
    "connect-ex": f"import socket; s = socket.socket(); s.connect_ex((HOST, PORT)); s.sendall({_RAW}); s.recv(9)",
    "from-thread": "import threading, urllib.request as u\n"
    "t = threading.Thread(target=lambda: u.urlopen(f'http://{HOST}:{PORT}/{NAME}', b'', 2)); t.start(); t.join()",
    "urllib": "import urllib.request; urllib.request.urlopen(f'http://{HOST}:{PORT}/{NAME}', b'', 2)",
    "http-client": "import http.client; c = http.client.HTTPConnection(HOST, PORT, 2); c.request('POST', '/' + NAME); "
    "c.getresponse()",
    "asyncio": f"""
import asyncio
async def go():
    reader, writer = await asyncio.open_connection(HOST, PORT)
    writer.write({_RAW}); await reader.read(9); writer.close()
asyncio.run(go())
""",
    "transport": "t = httpx.HTTPTransport(); t.handle_request(httpx.Request('POST', f'http://{HOST}:{PORT}/{NAME}'))",
    "httpcore": "import httpcore; httpcore.ConnectionPool().request('POST', f'http://{HOST}:{PORT}/{NAME}')",
    "own-send": """
class Mine(httpx.Client):
    def send(self, request, **options):
        return self._transport_for_url(request.url).handle_request(request)
Mine().post(f"http://{HOST}:{PORT}/{NAME}")
""",
    "other-path": "httpx.post(f'http://{HOST}:{PORT}/{NAME}', json={'contents': []})",
    "libc": _CONNECT.format(connect="libc.connect(s.fileno(), at, 16)", raw=_RAW),
    "syscall": _CONNECT.format(connect="libc.syscall(42, s.fileno(), at, 16)", raw=_RAW),
    "fast-open": f"import socket; s = socket.socket(); s.sendto({_RAW}, 0x20000000, (HOST, PORT)); s.recv(9)",
    "udp": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(NAME.encode(), (HOST, UDP))",
    "udp-connected": "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect((HOST, UDP)); "
    "s.send(NAME.encode())",
    "udp-message": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendmsg([NAME.encode()], [], 0, (HOST, UDP))",
    "unix": f"import socket; s = socket.socket(socket.AF_UNIX); s.connect(UNIX); s.sendall({_RAW}); s.recv(9)",
    "unix-by-link": "import os, socket, tempfile; at = tempfile.mkdtemp() + '/s'; os.symlink(UNIX, at); "
    f"s = socket.socket(socket.AF_UNIX); s.connect(at); s.sendall({_RAW}); s.recv(9)",
    "abstract": f"import socket; s = socket.socket(socket.AF_UNIX); s.connect(ABSTRACT); s.sendall({_RAW}); s.recv(9)",
    "child": _python(),
    "isolated-child": _python("-I"),
    "bare-child": _python("-S", "-E"),
    "clean-child": _python(more="env={}"),
    "session-child": _python("-I", more="start_new_session=True"),
    "spawned": "import os, sys; os.waitpid(os.posix_spawn(sys.executable, [sys.executable, '-I', '-c', "
    f"{_CHILD!r}, HOST, str(PORT), NAME], {{}}), 0)",
    "forked": f"""
import os, socket
if os.fork() == 0:
    try:
        s = socket.create_connection((HOST, PORT), 2); s.sendall({_RAW}); s.recv(9)
    finally:
        os._exit(0)
os.wait()
""",
    "daemon": f"""
import os, socket, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        try:
            s = socket.create_connection((HOST, PORT), 2); s.sendall({_RAW}); s.recv(9)
        finally:
            os._exit(0)
    os._exit(0)
os.wait(); time.sleep(0.5)
""",
    "replaced": f"""
import os, sys
if os.fork() == 0:
    os.execve(sys.executable, [sys.executable, "-I", "-c", {_CHILD!r}, HOST, str(PORT), NAME], {{}})
os.wait()
""",
    "bash": _program(
        "bash", "-c", "exec 3<>/dev/tcp/{HOST}/{PORT}; printf 'POST /{NAME} HTTP/1.0\\r\\n\\r\\n' >&3; head -c 9 <&3"
    ),
    "curl": _program("curl", "-sf", "-m", "3", "-d", "x", "http://{HOST}:{PORT}/{NAME}"),
    "perl": _program(
        "perl", "-MIO::Socket::INET", "-e",
        "$s = IO::Socket::INET->new('{HOST}:{PORT}') or die; print $s qq(POST /{NAME} HTTP/1.0\\r\\n\\r\\n); <$s>",
    ),
    "node": _program("node", "-e", "fetch('http://{HOST}:{PORT}/{NAME}', {{method: 'POST'}}).then(r => r.text())"),
    "other-namespace": _program(
        "nsenter", "--net=/proc/1/ns/net", "curl", "-sf", "-m", "3", "-d", "x", "http://{HOST}:{PORT}/{NAME}"
    ),
    "forgetful": "import os, urllib.request\n"
    "for name in [n for n in os.environ if n.startswith('BUTFOR')]: del os.environ[name]\n"
    "urllib.request.urlopen(f'http://{HOST}:{PORT}/{NAME}', b'', 2)",
    "cleared": "import os; os.environ.clear(); httpx.post(f'http://{HOST}:{PORT}/{NAME}', json={'model': 'm'})",
}  # fmt: skip
"""The last ones change the process itself."""
