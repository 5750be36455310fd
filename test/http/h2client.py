# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 client made of frames: it says what it is told to, and checks all it is answered.

hpack codes header blocks; everything else is here, so that a test can send what no library would.
What the server sends is held against RFC 9113 as it comes: windows, frame sizes, the states of
streams, names in lower case, no fields of a connection. Nothing is sent unasked but
acknowledgements of SETTINGS and PING.
"""

import socket
import struct
import time
from collections import namedtuple

from hpack import Decoder, Encoder

import millrace
from settings import seconds
from tls_wire import TlsClient, context
from wire import Client, Response

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
END_STREAM = ACK = 1
END_HEADERS, PADDED, WITH_PRIORITY = 4, 8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, \
    FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, \
    ENHANCE_YOUR_CALM = range(12)

TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, WINDOW, FRAME_SIZE, LIST_SIZE = range(1, 7)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW, LARGEST = 65535, (1 << 31) - 1
OF_A_CONNECTION = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}

Frame = namedtuple("Frame", "type flags stream payload")


def http2(port="@PORT@", options=""):
    """The directives of an address with HTTP/2; nginx knows `http2 on` since 1.25.1."""
    if millrace.is_millrace() or millrace.nginx_version() >= (1, 25, 1):
        return f"listen 127.0.0.1:{port} {options}; http2 on;"
    return f"listen 127.0.0.1:{port} http2 {options};"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def priority(depends, weight=16, exclusive=False):
    """The fields of RFC 7540, section 5.3."""
    return struct.pack(">IB", depends | (exclusive << 31), weight - 1)


class Stream:
    """What has come on one stream so far."""

    def __init__(self, window):
        self.window = window
        self.head, self.trailers, self.interim = None, None, []
        self.body = bytearray()
        self.sizes = []
        self.ended, self.reset = False, None
        self.left = False  # by us: what was on its way may still come

    @property
    def done(self):
        return self.ended or self.reset is not None


class Answer(Response):
    """A response as wire.Client gives it, and how its stream ended."""

    def __init__(self, stream):
        status = dict(stream.head)[":status"] if stream.head else "000"
        fields = [pair for pair in stream.head or [] if not pair[0].startswith(":")]
        super().__init__(f"HTTP/2.0 {status}", fields, bytes(stream.body))
        self.trailers, self.interim = stream.trailers, stream.interim
        self.ended, self.reset, self.sizes = stream.ended, stream.reset, stream.sizes


class H2Client:
    """One connection. `settings` go out with the preface; `window` is the connection's."""

    def __init__(self, address, made=None, settings=None, window=LARGEST, begin=True, sock=None,
                 name="localhost", **options):
        if made:
            self.wire = TlsClient(address, made=made, name=name, **options)
        else:
            self.wire = Client(address, **options)
        self.sock = sock(self.wire.sock) if sock else self.wire.sock
        self.scheme = "https" if made or sock else "http"
        self.encoder, self.decoder = Encoder(), Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.buffer = bytearray()
        self.frames, self.streams, self.goaways, self.pongs = [], {}, [], []
        self.block = None
        self.closed = False
        self.window = DEFAULT_WINDOW  # what the server may still send
        self.initial, self.largest = DEFAULT_WINDOW, 16384
        self.agreed, self.asked = {WINDOW: DEFAULT_WINDOW, FRAME_SIZE: 16384}, []
        self.room, self.rooms = DEFAULT_WINDOW, {}  # what the client may still send
        self.theirs = {WINDOW: DEFAULT_WINDOW, FRAME_SIZE: 16384, MAX_STREAMS: None}
        self.greeted = False
        self.next = 1
        if begin:
            self.begin({WINDOW: LARGEST} if settings is None else settings, window)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()
        self.wire.close()

    def begin(self, settings, window=LARGEST):
        self.send(PREFACE)
        self.settings(settings)
        if window > self.window:
            self.update(0, window - self.window)

    @property
    def usable(self):
        """Whether nothing is under way, and a next request may be sent."""
        return not (self.closed or self.goaways or self.block) and \
            all(stream.done for stream in self.streams.values())

    # Sending.

    def send(self, data):
        self.sock.sendall(data)
        return self

    def frame(self, kind, flags=0, stream=0, payload=b""):
        return self.send(frame(kind, flags, stream, payload))

    def settings(self, values=()):
        """A larger limit may be used at once, a smaller one binds when it is acknowledged."""
        self.asked.append(dict(values))
        self._bounds()
        payload = b"".join(struct.pack(">HI", *pair) for pair in self.asked[-1].items())
        return self.frame(SETTINGS, 0, 0, payload)

    def _bounds(self):
        """The most that any of the settings allows which the server may be going by."""
        known = [self.agreed, *self.asked]
        initial = max(one[WINDOW] for one in known if WINDOW in one)
        self.largest = max(one[FRAME_SIZE] for one in known if FRAME_SIZE in one)
        for stream in self.streams.values():
            stream.window += initial - self.initial
        self.initial = initial

    def update(self, stream, count):
        """A WINDOW_UPDATE."""
        if stream == 0:
            self.window += count
        else:
            self.streams[stream].window += count
        return self.frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", count))

    def ping(self, payload=b"are you?"):
        return self.frame(PING, 0, 0, payload)

    def rst(self, stream, code=CANCEL):
        if stream in self.streams:
            self.streams[stream].left = True
        return self.frame(RST_STREAM, 0, stream, struct.pack(">I", code))

    def goaway(self, code=NO_ERROR):
        return self.frame(GOAWAY, 0, 0, struct.pack(">II", 0, code))

    def priority_update(self, stream, text):
        return self.frame(PRIORITY_UPDATE, 0, 0, struct.pack(">I", stream) + text.encode())

    def open(self, number=None):
        """The number of the next stream, which is awaited from now on."""
        number = number or self.next
        self.next = max(self.next, number + 2)
        self.streams[number] = Stream(self.initial)
        self.rooms[number] = self.theirs[WINDOW]
        return number

    def fields(self, path, *headers, method="GET", authority="localhost", scheme=None):
        found = [(":method", method), (":scheme", scheme or self.scheme), (":path", path)]
        if authority is not None:
            found.append((":authority", authority))
        for line in headers:
            name, _, value = line.partition(":")
            found.append((name.lower(), value.strip()))
        return found

    def start(self, path="/", *headers, fields=None, end=True, flags=0, before=b"", after=b"",
              number=None, **options):
        """Sends HEADERS; the stream's number. `before` and `after` enclose the header block."""
        number = self.open(number)
        block = self.encoder.encode(fields or self.fields(path, *headers, **options))
        block = before + block + after
        self.sent = len(block)
        most = self.theirs.get(FRAME_SIZE, 16384)
        last = END_HEADERS if len(block) <= most else 0
        self.frame(HEADERS, flags | last | (END_STREAM if end else 0), number, block[:most])
        for at in range(most, len(block), most):
            last = END_HEADERS if at + most >= len(block) else 0
            self.frame(CONTINUATION, last, number, block[at:at + most])
        return number

    def data(self, stream, data=b"", end=False, pad=None):
        """One DATA frame, whatever the windows say."""
        flags = END_STREAM if end else 0
        if pad is not None:
            data, flags = bytes([pad]) + data + bytes(pad), flags | PADDED
        self.room -= len(data)
        self.rooms[stream] -= len(data)
        return self.frame(DATA, flags, stream, data)

    def upload(self, stream, body, pad=None):
        """A request body within the windows; ends early when the server has answered."""
        extra = 0 if pad is None else pad + 1
        ended = False
        while not ended:
            self.until(lambda: min(self.room, self.rooms[stream]) > extra or
                       self.streams[stream].done)
            if self.streams[stream].done:
                break
            size = min(self.room, self.rooms[stream], self.theirs[FRAME_SIZE]) - extra
            part, body = body[:size], body[size:]
            ended = not body
            self.data(stream, part, ended, pad)
        return self

    # Receiving.

    def _fill(self):
        """More bytes; False at the end of the connection."""
        try:
            data = self.sock.recv(1 << 18)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        self.buffer += data
        self.closed = self.closed or not data
        return bool(data)

    def read(self):
        """The next frame, looked at; None at the end of the connection."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + self._length():
            if not self._fill():
                return None
        size = self._length()
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        found = Frame(kind, flags, stream & LARGEST, bytes(self.buffer[9:9 + size]))
        del self.buffer[:9 + size]
        assert size <= self.largest, f"{size} bytes in a frame, {self.largest} are allowed"
        assert self.greeted or kind == SETTINGS, "the first frame is not SETTINGS"
        self._take(found)
        return found

    def _length(self):
        return int.from_bytes(self.buffer[:3], "big")

    def _take(self, found):
        self.frames.append(found if found.type != DATA else found._replace(payload=b""))
        assert self.block is None or found.type == CONTINUATION, "within a header block"
        takers = {DATA: self._data, HEADERS: self._headers, CONTINUATION: self._continuation,
                  RST_STREAM: self._reset, SETTINGS: self._settings, PING: self._ping,
                  GOAWAY: self._goaway, WINDOW_UPDATE: self._window}
        assert found.type in takers, f"unexpected {found}"
        takers[found.type](found)

    def _stream(self, found):
        stream = self.streams.get(found.stream)
        assert stream, f"a frame for a stream that is not: {found}"
        assert stream.left or not stream.done, f"after the end of its stream: {found}"
        return stream

    def _data(self, found):
        stream = self._stream(found)
        assert stream.head and stream.trailers is None, "DATA without a head"
        size = len(found.payload)
        self.window -= size
        stream.window -= size
        assert size == 0 or min(self.window, stream.window) >= 0, "beyond the window"
        body = found.payload
        if found.flags & PADDED:
            body = body[1:len(body) - body[0]]
        stream.body += body
        stream.sizes.append(len(body))
        stream.ended = bool(found.flags & END_STREAM)

    def _headers(self, found):
        assert not found.flags & (PADDED | WITH_PRIORITY), "not expected of a server"
        self.block = (found.stream, found.flags, bytearray())
        self._continuation(found)

    def _continuation(self, found):
        number, flags, block = self.block
        assert found.stream == number, "CONTINUATION of another stream"
        block += found.payload
        if found.flags & END_HEADERS:
            self.block = None
            self._fields(self._stream(found), self.decoder.decode(bytes(block)),
                         bool(flags & END_STREAM))

    @staticmethod
    def _fields(stream, fields, end):
        for name, value in fields:
            assert name == name.lower() and name not in OF_A_CONNECTION, (name, value)
            assert not set(value) & set("\r\n\0") and value == value.strip(" \t"), (name, value)
        if stream.head:
            assert end and not any(name.startswith(":") for name, _ in fields), "trailers"
            stream.trailers = fields
        else:
            assert [n for n, _ in fields if n.startswith(":")] == [":status"], fields
            assert fields[0][0] == ":status"
            if fields[0][1].startswith("1"):
                stream.interim.append(int(fields[0][1]))
                return
            stream.head = fields
        stream.ended = end

    def _reset(self, found):
        stream = self.streams.get(found.stream)
        assert stream and (stream.left or stream.reset is None), f"not to be reset: {found}"
        stream.reset, = struct.unpack(">I", found.payload)

    def _settings(self, found):
        if found.flags & ACK:
            values = self.asked.pop(0)
            if values:
                self.agreed.update(values)
                self._bounds()
            return
        assert len(found.payload) % 6 == 0 and found.stream == 0
        self.greeted = True
        values = dict(struct.iter_unpack(">HI", found.payload))
        assert not values.get(ENABLE_PUSH), "a server cannot be pushed to"
        for number in self.rooms:
            self.rooms[number] += values.get(WINDOW, self.theirs[WINDOW]) - self.theirs[WINDOW]
        self.theirs.update(values)
        if TABLE_SIZE in values:
            self.encoder.header_table_size = min(4096, values[TABLE_SIZE])
        self._reply(SETTINGS)

    def _ping(self, found):
        if found.flags & ACK:
            self.pongs.append(found.payload)
        else:
            self._reply(PING, found.payload)

    def _reply(self, kind, payload=b""):
        try:
            self.frame(kind, ACK, 0, payload)
        except OSError:
            pass  # the server has closed; what it said before is still to be read

    def _goaway(self, found):
        last, code = struct.unpack(">II", found.payload[:8])
        assert not self.goaways or last <= self.goaways[-1][0], "GOAWAY with a larger number"
        self.goaways.append((last, code))

    def _window(self, found):
        count, = struct.unpack(">I", found.payload)
        assert count, "WINDOW_UPDATE of nothing"
        if found.stream == 0:
            self.room += count
        elif found.stream in self.rooms:
            self.rooms[found.stream] += count

    # Waiting.

    def until(self, wanted):
        """Reads frames until wanted() is true; a connection that ends first is an error."""
        while not (value := wanted()):
            if self.read() is None:
                raise EOFError(f"closed; {self.goaways} {self.frames[-4:]}")
        return value

    def response(self, stream):
        """The answer on a stream that has ended, or was reset."""
        self.until(lambda: self.streams[stream].done)
        return Answer(self.streams[stream])

    def fate(self, stream):
        """How a request ended: ("status", N), ("reset", code), ("goaway", code) or ("end", None).

        An answer that is followed by RST_STREAM(NO_ERROR) is an answer (RFC 9113, section 8.1).
        """
        try:
            self.until(lambda: self.streams[stream].done or
                       self.goaways and self.goaways[-1][1] != NO_ERROR)
        except (EOFError, OSError):
            if not self.goaways:
                return "end", None
        answer = Answer(self.streams[stream])
        if answer.reset is not None and not (answer.status and answer.reset == NO_ERROR):
            return "reset", answer.reset
        return ("status", answer.status) if answer.status else ("goaway", self.goaways[-1][1])

    def head(self, stream):
        self.until(lambda: self.streams[stream].head or self.streams[stream].done)
        return Answer(self.streams[stream])

    def request(self, path="/", *headers, body=None, pad=None, **options):
        stream = self.start(path, *headers, end=body is None, **options)
        if body is not None:
            self.upload(stream, body, pad)
        return self.response(stream)

    def sync(self):
        """What was sent is dealt with, and what had to be said to it has been read."""
        for _ in range(2):
            count = len(self.pongs)
            self.ping()
            self.until(lambda: len(self.pongs) > count)
        return self

    def got(self, stream, count):
        """Reads until a body has that many bytes."""
        self.until(lambda: len(self.streams[stream].body) >= count)
        return bytes(self.streams[stream].body)

    def rest(self):
        """Reads to the end of the connection."""
        while self.read() is not None:
            pass
        return self

    def end(self, within=5):
        """The code of the GOAWAY that a connection ends with; None for an end without."""
        limit = time.monotonic() + seconds(within)
        self.sock.settimeout(seconds(within))
        while self.read() is not None:
            assert time.monotonic() < limit, "the server goes on"
        return self.goaways[-1][1] if self.goaways else None

    def order(self):
        """The streams of DATA frames that carried something, neighbours joined."""
        found = []
        for one in self.frames:
            if one.type == DATA and (not found or found[-1] != one.stream):
                found.append(one.stream)
        return found


def h2_context(alpn=("h2",), **options):
    return context(alpn=list(alpn), **options)


def shut_down(client):
    """FIN, as of a client that has said all it wants to say."""
    client.sock.shutdown(socket.SHUT_WR)
    return client
