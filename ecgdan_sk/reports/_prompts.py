"""Prompts as texts to embed, with their weights."""

from collections.abc import Mapping

import numpy as np

from ._codes import likelihood_table
from ._inputs import check_texts, kind_of
from ._statements import statement_texts


def prompt_weights(prompts, table, zero_likelihood, wordings):
    """Distinct texts, and their weights (n_prompts, n_texts) whose rows sum to one.

    `wordings` are other phrases for a statement, by code, which share its weight. The
    mean of several phrases depends less on single words (Radford et al., 2021).
    """
    statements = dict(zip(table.index, statement_texts(table)))
    asked = [
        _weighted(prompt, table, statements, zero_likelihood) for prompt in prompts
    ]
    others = {text: wordings.get(code, ()) for code, text in statements.items()}
    asked = [_reworded(weights, others) for weights in asked]
    texts = list(dict.fromkeys(text for weights in asked for text in weights))
    rows = [[weights.get(text, 0.0) for text in texts] for weights in asked]
    rows = np.array(rows, np.float32)
    return texts, rows / rows.sum(axis=1, keepdims=True)


def check_prompts(prompts):
    """Prompts as a list of str and dict, free text cleaned."""
    if isinstance(prompts, str | Mapping):
        raise TypeError(
            f"Expected a list of prompts, got the single {prompts!r}. Write [prompt]."
        )
    prompts = list(prompts)
    if not prompts:
        raise ValueError("Expected at least one prompt, got none.")
    for i, prompt in enumerate(prompts):
        if kind_of([prompt]) == "text":
            prompts[i] = check_texts([prompt])[0]
    return prompts


def _weighted(prompt, table, statements, zero_likelihood):
    """Texts -> weights of one prompt."""
    if isinstance(prompt, Mapping):
        likelihoods = likelihood_table([prompt], table, zero_likelihood)[0]
        codes = table.index[likelihoods > 0]
        return {statements[c]: w for c, w in zip(codes, likelihoods[likelihoods > 0])}
    if prompt in statements:
        return {statements[prompt]: 1.0}
    members = table.index[table["superclass"] == prompt]
    return {statements[code]: 1.0 for code in members} or {prompt: 1.0}


def _reworded(weights, others):
    """Texts -> weights, that of each statement dealt out among its wordings."""
    dealt = {}
    for text, weight in weights.items():
        texts = [text, *others.get(text, ())]
        for wording in texts:
            dealt[wording] = dealt.get(wording, 0.0) + weight / len(texts)
    return dealt
