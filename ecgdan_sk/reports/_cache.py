"""Embeddings on disk, found by the content of the model and of the text."""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .._warnings import warn


class EmbeddingCache:
    """Rows of embeddings in one file for each model; text digest (32 bytes) -> row."""

    def __init__(self, folder, model_id):
        self.path = Path(folder) / f"{model_id}.safetensors"

    def read(self):
        """Digest of a text -> its embedding, of all that can be read."""
        known = self._intact()
        if known is None:
            warn(
                f"The cached embeddings in {self.path} are damaged; they are computed "
                "again.",
            )
        return known or {}

    def add(self, new):
        """Write the cache with `new` entries, atomically."""
        # Read again: another process may have written since.
        known = (self._intact() or {}) | new
        digests = np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1)
        embeddings = np.stack([*known.values()])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self.path.parent, suffix=".part")
        os.close(handle)
        try:
            save_file(
                {"digests": digests, "embeddings": embeddings},
                draft,
                metadata={"checksum": _checksum(digests, embeddings)},
            )
            os.replace(draft, self.path)
        finally:
            Path(draft).unlink(missing_ok=True)

    def _intact(self):
        """Content of the file; empty if there is no file, None if it is damaged."""
        if not self.path.is_file():
            return {}
        try:
            with safe_open(self.path, framework="numpy") as file:
                digests = file.get_tensor("digests")
                embeddings = file.get_tensor("embeddings")
                checksum = (file.metadata() or {}).get("checksum")
        except (SafetensorError, OSError):
            return None
        if checksum != _checksum(digests, embeddings):
            return None
        return {row.tobytes(): vector for row, vector in zip(digests, embeddings)}


def text_digest(text):
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).digest()


def folder_digest(folder):
    """SHA-256, in hexadecimal, of the names and contents of all files of a model."""
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode())
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _checksum(digests, embeddings):
    """SHA-256 of the content of a file, in hexadecimal."""
    content = digests.tobytes() + np.ascontiguousarray(embeddings).tobytes()
    return hashlib.sha256(content).hexdigest()
