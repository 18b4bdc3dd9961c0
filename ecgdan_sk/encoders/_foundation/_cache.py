"""Features on disk, found again by the content of each ECG."""

import hashlib
from pathlib import Path

import numpy as np

from ..._tensor_files import read_tensors, write_tensors

_KIND = "foundation features"


class FeatureCache:
    """File of features of an encoder, by the SHA-256 of its input.

    The file holds digests and features, but no ECG. It is replaced as a whole. If two
    processes write at once, additions of one may be lost, but nothing else.

    Parameters
    ----------
    folder : str, path-like or None
        None keeps nothing.
    identity : str
        What the features depend on beside the ECG; decides the name of the file.
    """

    def __init__(self, folder, identity):
        self.path = None
        if folder is not None:
            digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
            self.path = Path(folder) / f"features-{digest}.safetensors"
        self.rows = self._read()

    def key(self, ecg, rate):
        """The digest of one ECG (L, T)."""
        ecg = np.ascontiguousarray(ecg, np.float32)
        about = f"{rate!r} {ecg.shape}".encode()
        return hashlib.sha256(about + ecg.tobytes()).digest()

    def add(self, features):
        """Add features by key to the stored ones."""
        if self.path is None or not features:
            return
        self.rows = {**self._read(), **features}
        keys = np.frombuffer(b"".join(self.rows), np.uint8).reshape(-1, 32)
        arrays = {"keys": keys, "features": np.stack(list(self.rows.values()))}
        write_tensors(self.path, _KIND, arrays, {})

    def _read(self):
        if self.path is None or not self.path.exists():
            return {}
        arrays, _ = read_tensors(self.path, _KIND)
        return dict(zip(map(bytes, arrays["keys"]), arrays["features"]))
