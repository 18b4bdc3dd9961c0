"""The network that is aligned with reports, and its loss.

Shapes: B batch, L leads, T time steps, Z latent features, P dimensions of the shared
space, K texts, D dimensions of a text's embedding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..losses import cosine_loss, infonce_loss, sigmoid_loss
from ..network import HeadedEncoder

# Dimensions of the space that ECGs and reports share, P.
SHARED_DIM = 128
# Columns of the target before those of the statements.
N_COLUMNS = 3
# Weight of the whole report beside its statements.
_BESIDE = 0.1


class ReportHead(nn.Module):
    """Latent features (B, Z) to (B, P + n_statements + n_numbers).

    The first P outputs are the embedding in the space shared with reports, of length
    one. Then follow logits of statements, then numbers such as measurements.

    Parameters
    ----------
    latent_dim : int
        Latent features, Z.
    n_statements : int
        Statements to be classified; 0 leaves them out.
    n_numbers : int
        Numbers to be regressed; 0 leaves them out.
    is_deep : bool
        Whether a hidden layer stands before the shared space, as published.
    """

    def __init__(
        self, latent_dim: int, n_statements: int, n_numbers: int, is_deep: bool
    ) -> None:
        super().__init__()
        self.to_shared = projector(latent_dim, SHARED_DIM, is_deep)
        self.to_statements = (
            nn.Linear(latent_dim, n_statements) if n_statements else None
        )
        self.to_numbers = nn.Linear(latent_dim, n_numbers) if n_numbers else None

    def forward(self, latent: Tensor) -> Tensor:
        """(B, Z) to (B, P + n_statements + n_numbers)."""
        outputs = [F.normalize(self.to_shared(latent), dim=1)]
        for head in (self.to_statements, self.to_numbers):
            if head is not None:
                outputs.append(head(latent))
        return torch.cat(outputs, dim=1)


def report_net(
    architecture,
    *,
    n_leads,
    n_times,
    n_statements,
    decoder,
    is_deep,
    scale,
    n_numbers=0,
) -> HeadedEncoder:
    """A new network with random weights: ECGs (B, L, T) to outputs of `ReportHead`."""
    encoder = architecture.encoder(n_leads, n_times, scale=scale, pretraining=True)
    back = architecture.decoder(n_leads, n_times) if decoder else None
    head = ReportHead(architecture.latent_dim, n_statements, n_numbers, is_deep)
    return HeadedEncoder(encoder, head, back)


class ReportLoss(nn.Module):
    """Alignment with reports and classification of statements, weighted.

    Parameters
    ----------
    texts : Tensor of shape (n_texts, n_dims)
        Embeddings of all distinct reports, K of them.
    statements : Tensor of shape (n_statements, n_dims) or None
        Embeddings of the statements, if the reports are such.
    alignment : {"sigmoid", "infonce", "cosine"}
        Which loss aligns.
    alignment_weight, classification_weight : float
        Of the two losses.
    is_deep : bool
        Whether a hidden layer stands before the shared space, as published.
    by_report : bool
        Whether "sigmoid" asks for the whole report beside its statements.
    number_weights : sequence of (int, float), default=()
        For each group of numbers how many they are, and their weight.
    """

    def __init__(
        self,
        texts,
        statements,
        alignment,
        alignment_weight,
        classification_weight,
        is_deep,
        by_report=False,
        number_weights=(),
    ) -> None:
        super().__init__()
        self.alignment = alignment
        self.alignment_weight = alignment_weight
        self.classification_weight = classification_weight
        self.by_report = by_report
        self.number_weights = number_weights
        self.register_buffer("mean", texts.mean(0))
        for name, value in (("texts", texts), ("statements", statements)):
            self.register_buffer(name, value, persistent=False)
        n_dims = texts.shape[1]
        self.from_text = (
            projector(n_dims, SHARED_DIM, True)
            if is_deep
            else nn.Linear(n_dims, SHARED_DIM, bias=False)
        )
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        # How common a text is must not have to be told by its place.
        self.commonness = nn.Linear(n_dims, 1)
        nn.init.zeros_(self.commonness.weight)
        nn.init.constant_(self.commonness.bias, -2.0)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of outputs of `ReportHead` (B, ...), for a target of columns.

        The columns are: an empty one, the index of the report in `texts` (-1 for
        none), the patient, the truth of each statement, and the numbers (NaN if
        unknown).
        """
        loss = output.sum() * 0.0
        n_numbers = sum(n for n, _ in self.number_weights)
        if n_numbers:
            numbers, target = target[:, -n_numbers:], target[:, :-n_numbers]
            loss = loss + self._regressed(output[:, -n_numbers:], numbers)
            output = output[:, :-n_numbers]
        said = target[:, 1] >= 0
        if not said.any():
            return loss
        if not said.all():
            output, target = output[said], target[said]
        return loss + self._told(output, target)

    def _told(self, output: Tensor, target: Tensor) -> Tensor:
        """Weighted loss of ECGs that have reports."""
        shared, logits = output[:, :SHARED_DIM], output[:, SHARED_DIM:]
        loss = output.sum() * 0.0
        if self.alignment_weight:
            loss = loss + self.alignment_weight * self._aligned(shared, target)
        if self.classification_weight:
            error = self._error_of_statements(logits, target)
            loss = loss + self.classification_weight * error
        return loss

    def _regressed(self, output: Tensor, numbers: Tensor) -> Tensor:
        """Weighted loss of numbers, without those that are NaN."""
        known = ~numbers.isnan()
        error = F.smooth_l1_loss(output, numbers.nan_to_num(0.0), reduction="none")
        loss, sizes = output.sum() * 0.0, [n for n, _ in self.number_weights]
        parts = (error * known).split(sizes, dim=1), known.split(sizes, dim=1)
        for own, there, (_, weight) in zip(*parts, self.number_weights):
            loss = loss + weight * own.sum() / there.sum().clamp(min=1)
        return loss

    def place(self, texts: Tensor) -> Tensor:
        """Embeddings (K, D) of texts to their places (K, P), of length one."""
        return F.normalize(self.from_text(self._centred(texts)), dim=1)

    def _aligned(self, shared: Tensor, target: Tensor) -> Tensor:
        if self.alignment == "cosine":
            return cosine_loss(shared, self.place(self.texts[target[:, 1].long()]))
        if self.alignment == "sigmoid" and self.statements is not None:
            logits = self.logits(shared, self.statements)
            loss = self._error_of_statements(logits, target)
            if not self.by_report:
                return loss
            # Which of the batch it is, and not whether: how common a statement is and
            # how common a report are not the same.
            return loss + _BESIDE * self._picked_report(shared, *self._pairs(target))
        key, agreement, allowed = self._pairs(target)
        if self.alignment == "sigmoid":
            logits = self.logits(shared, self.texts[key])
            return sigmoid_loss(logits, agreement, allowed)
        return self._picked_report(shared, key, agreement, allowed)

    def _pairs(self, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Report of each ECG (B,), agreement of pairs and mask of pairs, (B, B)."""
        key, patient = target[:, 1].long(), target[:, 2]
        agreement = self._agreement(key, target[:, N_COLUMNS:])
        # Two different reports of one patient may both be true at both times.
        return key, agreement, (patient[:, None] != patient) | (key[:, None] == key)

    def _picked_report(self, shared, key, agreement, allowed) -> Tensor:
        """Loss of finding the report of each ECG in the batch."""
        similarity = self._similarity(shared, self.texts[key])
        return infonce_loss(similarity, agreement**2, allowed)

    def _error_of_statements(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of the statements; reports without a statement do not count."""
        likelihood = target[:, N_COLUMNS:]
        known = (likelihood > 0).any(1, keepdim=True).expand_as(logits)
        return sigmoid_loss(logits, likelihood, known)

    def logits(self, shared: Tensor, texts: Tensor) -> Tensor:
        """Similarities (B, K) of ECGs and texts, with the learned scale.

        The sigmoid loss gives log odds, which include the frequency of each text.
        """
        similarity = self._similarity(shared, texts)
        if self.alignment != "sigmoid":
            return similarity
        return similarity + self.commonness(self._centred(texts)).T

    def _similarity(self, shared: Tensor, texts: Tensor) -> Tensor:
        """Cosines (B, K), scaled."""
        return self.log_scale.clamp(max=4.6).exp() * shared @ self.place(texts).T

    def _centred(self, texts: Tensor) -> Tensor:
        return F.normalize(texts - self.mean, dim=1)

    def _agreement(self, key: Tensor, likelihood: Tensor) -> Tensor:
        """Agreement of two reports, from 0 to 1, (B, B)."""
        said = likelihood if likelihood.shape[1] else self.texts[key] - self.mean
        said = F.normalize(said, dim=1)
        agreement = (said @ said.T).clamp(0, 1)
        return torch.where(key[:, None] == key, 1.0, agreement)


def projector(n_inputs: int, n_outputs: int, is_deep: bool) -> nn.Module:
    """A linear map; as published, with a hidden layer of 256 before it."""
    if not is_deep:
        return nn.Linear(n_inputs, n_outputs)
    return nn.Sequential(nn.Linear(n_inputs, 256), nn.ReLU(), nn.Linear(256, n_outputs))
