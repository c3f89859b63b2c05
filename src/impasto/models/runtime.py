"""Imports ONNX Runtime; no other module does."""

import os
import threading
from types import ModuleType

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""The environment variable that disables ONNX Runtime's telemetry. If it is not set at import, versions from 1.29 on
send usage data and keep a database of it in the user's cache folder (see its Privacy.md)."""

_importing = threading.Lock()


def onnx_runtime() -> ModuleType:
    """Import the package without its telemetry: without its connections, files and threads."""
    with _importing:
        before = os.environ.get(NO_TELEMETRY)
        os.environ[NO_TELEMETRY] = "1"
        try:
            import onnxruntime
        finally:
            if before is None:
                del os.environ[NO_TELEMETRY]
            else:
                os.environ[NO_TELEMETRY] = before
    return onnxruntime  # type: ignore[no-any-return]
