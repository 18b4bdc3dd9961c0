"""Encoders of the Hugging Face hub: safetensors and JSON, nothing that runs."""

import re
import tempfile
from pathlib import Path

PREFIX = "hf:"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def downloaded(name, files):
    """Folder of the files of "hf:owner/name": from the cache, or downloaded first."""
    repository = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(repository):
        raise ValueError(
            f"Expected an encoder of the hub as 'hf:owner/name', got {name!r}."
        )
    hub = _imported()
    try:
        paths = [hub.hf_hub_download(repository, file) for file in files]
    # Whatever goes wrong between here and there, in whichever network library.
    except Exception as error:
        raise OSError(
            f"The encoder {name!r} is neither in the cache of Hugging Face nor within "
            f"reach: {str(error).strip().splitlines()[0]} Check the name and the "
            "network, or copy its files to a folder and name that."
        ) from error
    return Path(paths[0]).parent


def push_to_hub(weights, repository, *, card, private=True):
    """Upload an encoder to the Hugging Face hub.

    Two files are uploaded, weights and card; neither holds an ECG. Everyone with access
    to the repository can then use it as ``pretrained="hf:owner/name"``.

    Parameters
    ----------
    weights : mapping
        `encoder_weights_` of a fitted `ECGReportPretrainer`.
    repository : str
        Repository "owner/name", which is created if necessary.
    card : mapping
        Card, with the entries of `encoders.card`.
    private : bool, default=True
        Whether only the owner can see a new repository.

    Returns
    -------
    str
        Name under which the encoder is used, "hf:owner/name".

    Raises
    ------
    ImportError
        If huggingface_hub is not installed.
    ValueError
        If the name is not as described, or if the card is incomplete.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> weights = encoders.load("simulated-100hz")
    >>> encoders.push_to_hub(  # doctest: +SKIP
    ...     weights, "me/my-encoder", card=encoders.card("simulated-100hz")
    ... )
    'hf:me/my-encoder'
    """
    from ._folders import save

    repository = repository.removeprefix(PREFIX)
    if not _NAME.fullmatch(repository):
        raise ValueError(f"Expected a repository 'owner/name', got {repository!r}.")
    api = _imported().HfApi()
    with tempfile.TemporaryDirectory() as folder:
        save(folder, weights, card)
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder)
    return PREFIX + repository


def _imported():
    """The client of the hub."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            "Encoders of the Hugging Face hub need huggingface_hub: pip install "
            "ecgdan_sk[hub]."
        ) from error
    return huggingface_hub
