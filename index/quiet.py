"""Keeps libraries from calling home. Imported first of all by the package, so that no library comes before it.

onnxruntime sends what it is used for to its maker, in C, where nothing in Python sees it: from its import on, after ten
seconds, and it keeps a file of it in the user's cache. Its own switch, disable_telemetry_events(), comes too late for
that; only the environment is read early enough. Child processes inherit it.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
