"""A PKCS#11 module as one process has it: initialised with locking, called by many, started anew by one.

python-pkcs11 calls C_Initialize(NULL): the module may then take it that one thread calls it, and SoftHSM2 crashes
under two. So it is finalised at once and initialised again with CKF_OS_LOCKING_OK (PKCS #11 3.0, 5.4), by the two
first pointers of its own function list.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pkcs11

from node_image.signer.keystores.base import HsmFault

CKF_OS_LOCKING_OK = 0x2
CKR_OK = 0
CKR_CRYPTOKI_NOT_INITIALIZED = 0x190
QUIET_S = 10.0  # how long a start waits for calls under way


class _InitArgs(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no mutexes of ours, the system's will do."""

    _fields_ = (
        ("mutexes", ctypes.c_void_p * 4),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


_Call = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)


class _Functions(ctypes.Structure):
    """CK_FUNCTION_LIST as far as it is read here."""

    _fields_ = (("version", ctypes.c_ubyte * 2), ("initialize", _Call), ("finalize", _Call))


class Module:
    """One module by path; `generation` counts its starts, and with each all sessions and handles are gone."""

    def __init__(self, path: str) -> None:
        try:
            self.lib = pkcs11.lib(path)
        except (pkcs11.PKCS11Error, OSError) as fault:
            raise HsmFault(f"the PKCS#11 module {path} cannot be loaded: {fault!r}") from fault
        self._functions = _function_list(path)
        self._calm = threading.Condition()
        self._calls = 0
        self._starting = False
        self.generation = 0
        self._start()

    @contextmanager
    def call(self) -> Iterator[int]:
        """As many at once as like, but none while the module starts; gives the generation."""
        with self._calm:
            if not self._calm.wait_for(lambda: not self._starting, QUIET_S):
                raise HsmFault("the PKCS#11 module does not come up")
            self._calls += 1
        try:
            yield self.generation
        finally:
            with self._calm:
                self._calls -= 1
                self._calm.notify_all()

    def restart(self, failed: int) -> None:
        """Finalise and initialise, unless another has since `failed`; calls under way are waited for."""
        with self._calm:
            self._calm.wait_for(lambda: not self._starting, QUIET_S)
            if self.generation != failed:
                return
            self._starting = True
        try:
            with self._calm:
                if not self._calm.wait_for(lambda: self._calls == 0, QUIET_S):
                    raise HsmFault("a call of the PKCS#11 module does not return")
            self._start()
        finally:
            with self._calm:
                self._starting = False
                self._calm.notify_all()

    def _start(self) -> None:
        told = self._functions.finalize(None)
        if told not in {CKR_OK, CKR_CRYPTOKI_NOT_INITIALIZED}:
            raise HsmFault(f"the PKCS#11 module cannot be finalised: 0x{told:x}")
        told = self._functions.initialize(ctypes.byref(_InitArgs(flags=CKF_OS_LOCKING_OK)))
        if told != CKR_OK:
            raise HsmFault(f"the PKCS#11 module does not start with locking: 0x{told:x}")
        self.generation += 1


def _function_list(path: str) -> _Functions:
    """C_GetFunctionList is the one symbol that every module must export."""
    found = ctypes.POINTER(_Functions)()
    told = ctypes.CDLL(path).C_GetFunctionList(ctypes.byref(found))
    if told != CKR_OK:
        raise HsmFault(f"the PKCS#11 module gives no functions: 0x{told:x}")
    return found.contents


_modules: dict[str, Module] = {}
_loading = threading.Lock()


def module_of(path: str) -> Module:
    """The process's one; a second C_Initialize would be another's end."""
    with _loading:
        if path not in _modules:
            _modules[path] = Module(path)
        return _modules[path]
