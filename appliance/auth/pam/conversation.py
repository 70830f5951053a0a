"""One login with libpam, in a process of its own: what blocks or crashes here hurts nobody else.

python-pam does the phases. What it cannot do is done here by ctypes: PAM_RHOST and PAM_TTY, a
conversation that outlives ``authenticate`` (modules talk when a session opens and closes, too),
more than one prompt, and the name that a module mapped the user to.
"""

from __future__ import annotations

import ctypes
import pwd
from typing import TYPE_CHECKING, Any, Final

from pam import (
    PAM_CONV,
    PAM_CONV_ERR,
    PAM_PROMPT_ECHO_OFF,
    PAM_PROMPT_ECHO_ON,
    PAM_RHOST,
    PAM_SUCCESS,
    PAM_TTY,
    PAM_USER,
    PamAuthenticator,
)

from appliance.auth.pam.messages import MAXIMUM_OCTETS, Answer, Asked, Begin, Ended, decode_request, encode
from ike_engine.runtime.privileges import outlive_parent

if TYPE_CHECKING:
    import socket

    from ike_engine.secret import Secret

_CANNOT_TALK: Final[int] = PAM_CONV_ERR
_TALKED: Final[int] = PAM_SUCCESS
_TTY: Final = b"coati"
_PAM_FAIL_DELAY: Final = 10  # <security/_pam_types.h>
_MOST_MESSAGES: Final = 32  # PAM_MAX_NUM_MSG
_MOST_SAID: Final = 20
_MOST_CHARACTERS: Final = 512


class _Message(ctypes.Structure):
    """``struct pam_message``."""

    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Response(ctypes.Structure):
    """``struct pam_response``; libpam frees the text."""

    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


_Talk: Final = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
)
_FailDelay: Final = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)


class _Conversation(ctypes.Structure):
    """``struct pam_conv``."""

    _fields_ = (("talk", _Talk), ("data", ctypes.c_void_p))


_libc = ctypes.CDLL(None)
_libc.calloc.restype = ctypes.c_void_p
_libc.calloc.argtypes = (ctypes.c_size_t, ctypes.c_size_t)
_libc.strdup.restype = ctypes.c_void_p
_libc.strdup.argtypes = (ctypes.c_char_p,)
_libpam = ctypes.CDLL("libpam.so.0")
_libpam.pam_get_item.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p))


class _CannotAsk(Exception):
    """Nobody answers this prompt."""


class Login(PamAuthenticator):  # type: ignore[misc]  # python-pam's types are not looked at
    """A login of one user at one service.

    Args:
        begin: Who, where, and with which password.
        gateway: Carries prompts there and answers back; blocks.
    """

    def __init__(self, begin: Begin, gateway: socket.socket) -> None:
        super().__init__()
        self._begin = begin
        self._gateway = gateway
        self._password: Secret | None = begin.password
        self._said: list[str] = []
        self._heard = 0
        self._phase = "start"
        self._may_ask = begin.prompts
        # libpam keeps pointers to these for as long as its handle lives.
        self._conversation = _Conversation(_Talk(self._talk), None)
        # A refusal must not occupy this process for seconds: the gateway makes it wait instead (``realm``).
        self._no_delay = _FailDelay(lambda _code, _microseconds, _data: None)
        # The instance's own functions, which its author means to be replaced: see python-pam's constructor.
        self._libpam_start: Any = self.pam_start  # type: ignore[has-type]
        self._libpam_account: Any = self.pam_acct_mgmt  # type: ignore[has-type]
        self.pam_start, self.pam_acct_mgmt = self._start, self._account

    def judge(self) -> Ended:
        """Run the phases that decide; a session is opened, if one is wanted, when they all went well."""
        begin = self._begin
        self.authenticate(begin.username, b"", service=begin.service, call_end=False, resetcreds=False)
        self._may_ask, self._password = False, None
        user, uid = begin.username, None
        if self.code == PAM_SUCCESS:
            user = self._user() or begin.username
            uid = _uid(user)
        held = False
        if self.code == PAM_SUCCESS and begin.session and (uid is None or uid >= begin.minimum_uid):
            self._phase = "session"
            held = self.open_session() == PAM_SUCCESS
        return Ended(
            number=begin.number,
            phase=self._phase,
            code=self.code,
            words=str(self.reason),
            said=tuple(self._said),
            user=user,
            uid=uid,
            held=held,
        )

    def _start(self, service: bytes, user: bytes, conversation: Any, handle: Any) -> int:  # noqa: ANN401  of ctypes
        code = int(self._libpam_start(service, user, conversation, handle))
        if code == PAM_SUCCESS:
            items: tuple[tuple[int, Any], ...] = (
                (PAM_CONV, ctypes.byref(self._conversation)),
                (_PAM_FAIL_DELAY, ctypes.cast(self._no_delay, ctypes.c_void_p)),
                (PAM_TTY, _TTY),
                (PAM_RHOST, self._begin.host.encode() or None),
            )
            for item, value in items:
                self.pam_set_item(self.handle, item, value)
            self._phase = "authenticate"
        return code

    def _account(self, handle: Any, flags: int) -> int:  # noqa: ANN401  of ctypes
        self._phase = "account"
        return int(self._libpam_account(handle, flags))

    def _user(self) -> str:
        found = ctypes.c_char_p()
        code = _libpam.pam_get_item(self.handle.handle, PAM_USER, ctypes.byref(found))
        return found.value.decode("utf-8", "replace") if code == PAM_SUCCESS and found.value else ""

    # ---- what modules say and ask ---------------------------------------------------------------

    def _talk(self, count: int, messages: Any, responses: Any, _data: Any) -> int:  # noqa: ANN401  of ctypes
        if not 0 < count <= _MOST_MESSAGES:
            return _CANNOT_TALK
        try:
            texts = [self._respond(messages[number].contents) for number in range(count)]
        except (_CannotAsk, OSError):
            return _CANNOT_TALK
        address = _libc.calloc(count, ctypes.sizeof(_Response))
        array = ctypes.cast(address, ctypes.POINTER(_Response))
        for number, text in enumerate(texts):
            array[number].text = None if text is None else _libc.strdup(text)
        responses[0] = address
        return _TALKED

    def _respond(self, message: Any) -> bytes | None:  # noqa: ANN401  of ctypes
        text = (message.text or b"").decode("utf-8", "replace").strip()[:_MOST_CHARACTERS]
        if message.style not in (PAM_PROMPT_ECHO_OFF, PAM_PROMPT_ECHO_ON):
            if text and len(self._said) < _MOST_SAID:
                self._said.append(text)
            return None
        if message.style == PAM_PROMPT_ECHO_OFF and self._password is not None:
            password, self._password = self._password, None
            return password
        if not self._may_ask:
            self._said.append(f"(asked {text!r}, which nobody could answer)")
            raise _CannotAsk
        shown = "\n".join((*self._said[self._heard :], text))
        self._heard = len(self._said)
        self._gateway.send(encode(Asked(self._begin.number, shown, message.style == PAM_PROMPT_ECHO_ON)))
        answer = decode_request(self._gateway.recv(MAXIMUM_OCTETS))
        if not isinstance(answer, Answer):
            raise _CannotAsk
        return answer.text


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def take_part(begin: Begin, gateway: socket.socket) -> None:
    """Judge a login, tell the gateway, and keep its session open until the other end says or closes."""
    login = Login(begin, gateway)
    ended = login.judge()
    gateway.send(encode(ended))
    if ended.held:
        outlive_parent()
        gateway.recv(MAXIMUM_OCTETS)
        login.close_session()
    login.end()
