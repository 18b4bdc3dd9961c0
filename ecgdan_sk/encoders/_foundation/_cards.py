"""Card of each foundation model, from `models.json`."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path


def foundation_names():
    """Names of the published models in `FoundationEncoder`.

    Returns
    -------
    tuple of str
        In alphabetical order.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> encoders.foundation_names()[:3]
    ('clef-small', 'ecg-jepa', 'ecgfounder')
    """
    return tuple(sorted(_known()["models"]))


def foundation_card(name):
    """Card of a published model: input, licence, source, network.

    Parameters
    ----------
    name : str
        One of `foundation_names`.

    Returns
    -------
    dict
        summary, citation, source : str
            Description, citation, and source of the weights.
        licence : str
            Licence of the weights, which are not in the package.
        commercial_use : bool
            Whether the licence allows commercial use.
        leads, sampling_rate, n_times : list of str, int, int
            Input of the network: order of leads, rate in Hz, and samples of a window.
        windows_at_least : int
            Smallest number of windows of a recording; their features are averaged.
        steps : list of dict
            Processing of the ECG, in mV, before the network.
        n_features : int
            Number of features.
        weights : dict
            Repository and name of the file, and the meaning of its keys.
        network : dict
            Kind and sizes of the network.

    Raises
    ------
    ValueError
        If there is no such model.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> card = encoders.foundation_card("hubert-ecg-small")
    >>> card["licence"], card["commercial_use"]
    ('CC BY-NC 4.0', False)
    """
    known = _known()
    if name in known["left_out"]:
        raise ValueError(
            f"{name!r} is not here: {known['left_out'][name]}. Known are "
            f"{', '.join(foundation_names())}."
        )
    if not isinstance(name, str) or name not in known["models"]:
        raise ValueError(
            f"There is no foundation model {name!r}. Known are "
            f"{', '.join(foundation_names())}; encoders of this package are for "
            "encoders.Encoder."
        )
    return deepcopy(known["models"][name])


@cache
def _known():
    path = Path(__file__).with_name("models.json")
    return json.loads(path.read_text(encoding="utf-8"))
